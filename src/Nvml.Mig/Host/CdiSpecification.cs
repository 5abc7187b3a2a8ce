using System.Buffers;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace Nvml.Mig.Host;

/// <summary>
/// Specifications of the Container Device Interface (CDI): files from which container runtimes (podman, containerd, CRI-O, Docker) take the
/// device nodes for a container that asks for <c>nvidia.com/gpu=MIG-...</c>.
/// </summary>
/// <remarks>
/// <para>
/// Each MIG device is in it by its UUID, which is the same whenever the instance is created again in the same place, and by its indices
/// (<c>0:1</c>) as <c>nvidia-ctk cdi generate</c> names it, which shift when other instances come and go. There is no <c>all</c>: its
/// meaning would change with the instances.
/// </para>
/// <para>
/// In it are the device nodes, and <c>NVIDIA_VISIBLE_DEVICES=void</c>, which keeps the older NVIDIA runtime hook from adding devices of
/// its own. Not in it are the driver's libraries and programs, which are the same for all devices and do not change with MIG: the image
/// has them, or another specification does. NVIDIA's toolkit (1.19 and newer) makes one that has them and no device:
/// <c>nvidia-ctk cdi generate --device-id none --class driver --output /etc/cdi/nvidia-driver.yaml</c>; a container then asks for
/// <c>nvidia.com/driver=none</c> and for its MIG device. Not in it either are the display nodes in /dev/dri, which only graphics
/// (+gfx) instances can use.
/// </para>
/// <para>
/// Runtimes read /etc/cdi and /var/run/cdi. When two files in one folder have a device of the same name, neither is used; when they are
/// in both folders, that in /var/run/cdi is. NVIDIA's own specification (<c>nvidia-ctk</c>; the service nvidia-cdi-refresh writes
/// /var/run/cdi/nvidia.yaml) has the same names once it was written again after a change of MIG: use one of the two, or another kind here.
/// </para>
/// <para>
/// Runtimes watch the folder: write the file with <see cref="Save"/>.
/// </para>
/// </remarks>
public static class CdiSpecification
{
    /// <summary>The kind of device that NVIDIA's container toolkit uses: <c>nvidia.com/gpu</c>.</summary>
    public const string DefaultKind = "nvidia.com/gpu";

    /// <summary>The oldest version that suffices: 0.4 allows no names that begin with a digit.</summary>
    private const string Version = "0.5.0";

    private static readonly SearchValues<char> KindCharacters =
        SearchValues.Create("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.");

    /// <summary>The specification of MIG devices, as JSON.</summary>
    /// <param name="devices">The devices, of one GPU or of several.</param>
    /// <param name="kind">The kind that containers ask for: a vendor, a slash and a class.</param>
    /// <exception cref="ArgumentException">There is no device, which CDI does not allow, or the kind is none.</exception>
    /// <exception cref="InvalidOperationException">
    /// Two devices have the same indices: instances were created or destroyed while they were read.
    /// </exception>
    public static string Create(IEnumerable<MigDeviceAccess> devices, string kind = DefaultKind)
    {
        ArgumentNullException.ThrowIfNull(devices);
        ArgumentNullException.ThrowIfNull(kind);
        if (!IsKind(kind))
        {
            throw new ArgumentException(
                $"'{kind}' is not a kind of CDI devices: write a vendor, a slash and a class, as in {DefaultKind}.", nameof(kind));
        }

        MigDeviceAccess[] all = [.. devices.DistinctBy(device => device.Uuid, StringComparer.Ordinal)];
        if (all.Length == 0)
            throw new ArgumentException("A CDI specification needs a device, and there is none.", nameof(devices));
        IEnumerable<IGrouping<string, MigDeviceAccess>> byName = all.GroupBy(device => device.IndexName, StringComparer.Ordinal);
        if (byName.FirstOrDefault(group => group.Skip(1).Any()) is { } shared)
        {
            throw new InvalidOperationException(
                $"{string.Join(" and ", shared)} are both called {shared.Key}: instances were created or destroyed while they were read. "
                + "Read them again.");
        }

        CdiDocument document = new(
            Version,
            kind,
            [.. all.SelectMany(device => ((string[])[device.IndexName, device.Uuid])
                .Select(name => new CdiDevice(name, new CdiEdits(null, Nodes(device.DeviceNodes)))))],
            new CdiEdits(["NVIDIA_VISIBLE_DEVICES=void"], Nodes(all[0].SharedDeviceNodes)));
        return JsonSerializer.Serialize(document, CdiJson.Default.CdiDocument);
    }

    /// <summary>
    /// Writes a specification for runtimes to read: under a name of no runtime first, then renamed. Links are not followed; one of the
    /// file's name is replaced.
    /// </summary>
    /// <param name="path">The file, such as <c>/etc/cdi/mig.json</c>. Its name must end in <c>.json</c> for runtimes to read it.</param>
    /// <param name="specification">The text of <see cref="Create"/>.</param>
    /// <exception cref="IOException">The file cannot be written.</exception>
    /// <exception cref="UnauthorizedAccessException">The file may not be written.</exception>
    public static void Save(string path, string specification)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(path);
        ArgumentNullException.ThrowIfNull(specification);
        const UnixFileMode everybodyReads =
            UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead | UnixFileMode.OtherRead;
        AtomicFile.Write(path, Encoding.UTF8.GetBytes(specification + "\n"), everybodyReads);
    }

    private static CdiDeviceNode[] Nodes(IEnumerable<HostFile> files) => [.. files.Select(file => new CdiDeviceNode(file.Path))];

    /// <summary>As CDI 0.5 has it: letters, digits and between them dashes, underscores and, in the vendor, dots; a letter first.</summary>
    private static bool IsKind(string kind) =>
        kind.Split('/') is [string vendor, string @class]
        && IsName(vendor) && IsName(@class) && !@class.Contains('.', StringComparison.Ordinal) && @class.Length <= 63;

    private static bool IsName(string name) =>
        name is [char first, ..]
        && char.IsAsciiLetter(first)
        && char.IsAsciiLetterOrDigit(name[^1])
        && !name.AsSpan().ContainsAnyExcept(KindCharacters);
}

/// <summary>The JSON document. The runtime fills in the numbers of the device nodes when it creates the container.</summary>
internal sealed record CdiDocument(string CdiVersion, string Kind, IReadOnlyList<CdiDevice> Devices, CdiEdits ContainerEdits);

internal sealed record CdiDevice(string Name, CdiEdits ContainerEdits);

internal sealed record CdiEdits(IReadOnlyList<string>? Env, IReadOnlyList<CdiDeviceNode> DeviceNodes);

internal sealed record CdiDeviceNode(string Path);

[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    WriteIndented = true)]
[JsonSerializable(typeof(CdiDocument))]
internal sealed partial class CdiJson : JsonSerializerContext;
