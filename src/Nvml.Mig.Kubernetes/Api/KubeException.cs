using System.Net;

namespace Nvml.Mig.Kubernetes.Api;

/// <summary>A request to the API server failed.</summary>
/// <param name="status">The status; null if there was no answer.</param>
/// <param name="message">The whole message: what was asked for, and what the server said.</param>
/// <param name="innerException">The cause.</param>
internal sealed class KubeException(HttpStatusCode? status, string message, Exception? innerException = null)
    : Exception(message, innerException)
{
    public HttpStatusCode? Status => status;

    /// <summary>How long the server wants to be left alone.</summary>
    public TimeSpan? RetryAfter { get; init; }

    /// <summary>Whether the version that was named is not the object's any more, or an object of this name is there already.</summary>
    public bool IsConflict => status == HttpStatusCode.Conflict;

    /// <summary>Whether the version to watch from is too old: list again.</summary>
    public bool IsGone => status == HttpStatusCode.Gone;

    public bool IsNotFound => status == HttpStatusCode.NotFound;
}
