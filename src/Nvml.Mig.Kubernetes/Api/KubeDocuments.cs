using System.Text.Json;
using System.Text.Json.Serialization;

namespace Nvml.Mig.Kubernetes.Api;

/// <summary>An object of the API server, of which the metadata is all that is asked for (<c>PartialObjectMetadata</c>).</summary>
internal sealed record KubeObject(KubeMetadata Metadata);

/// <summary>The metadata of an object.</summary>
internal sealed record KubeMetadata
{
    public string Name { get; init; } = "";

    public string Uid { get; init; } = "";

    public string ResourceVersion { get; init; } = "";

    public IReadOnlyDictionary<string, string>? Labels { get; init; }

    public IReadOnlyDictionary<string, string>? Annotations { get; init; }

    public string? Label(string name) => Labels?.GetValueOrDefault(name);

    public string? Annotation(string name) => Annotations?.GetValueOrDefault(name);
}

/// <summary>A list of objects.</summary>
internal sealed record KubeList(KubeMetadata Metadata, IReadOnlyList<KubeObject>? Items);

/// <summary>A line of a watch.</summary>
internal sealed record KubeChange(string Type, JsonElement Object);

/// <summary>An event of the watch of the node.</summary>
/// <param name="Node">The node as it is now; null if it is deleted, or if only time has passed.</param>
/// <param name="IsDeleted">Whether it is deleted.</param>
/// <param name="Version">The version to watch on from.</param>
internal readonly record struct NodeChange(KubeObject? Node, bool IsDeleted, string Version);

/// <summary>The answer to a request that fails.</summary>
internal sealed record KubeStatus(string? Message, string? Reason, int Code);

/// <summary>A merge patch of labels and annotations: null removes one.</summary>
internal sealed record NodePatch(NodePatchMetadata Metadata);

/// <summary>The members that a patch changes, and the version of the object that it is for: another one is a conflict.</summary>
internal sealed record NodePatchMetadata(
    string ResourceVersion, IReadOnlyDictionary<string, string?>? Labels, IReadOnlyDictionary<string, string?>? Annotations);

/// <summary>An event about a node.</summary>
internal sealed record EventDocument(
    EventMetadata Metadata,
    EventSubject InvolvedObject,
    string Type,
    string Reason,
    string Message,
    EventSource Source,
    string FirstTimestamp,
    string LastTimestamp,
    int Count)
{
    public string ApiVersion { get; } = "v1";

    public string Kind { get; } = "Event";
}

internal sealed record EventMetadata(string Name, string Namespace);

internal sealed record EventSubject(string ApiVersion, string Kind, string Name, string Uid);

internal sealed record EventSource(string Component, string Host);

/// <summary>An event that has happened again.</summary>
internal sealed record EventPatch(string LastTimestamp);

/// <summary>Deletes this very object, and not one of the same name that came after it.</summary>
internal sealed record DeleteOptions(DeletePreconditions Preconditions)
{
    public string ApiVersion { get; } = "v1";

    public string Kind { get; } = "DeleteOptions";
}

internal sealed record DeletePreconditions(string Uid);

[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(KubeObject))]
[JsonSerializable(typeof(KubeList))]
[JsonSerializable(typeof(KubeChange))]
[JsonSerializable(typeof(KubeStatus))]
[JsonSerializable(typeof(NodePatch))]
[JsonSerializable(typeof(EventDocument))]
[JsonSerializable(typeof(EventPatch))]
[JsonSerializable(typeof(DeleteOptions))]
internal sealed partial class KubeJson : JsonSerializerContext;
