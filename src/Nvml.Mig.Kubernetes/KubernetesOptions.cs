using System.Text.RegularExpressions;
using Microsoft.Extensions.Options;
using Nvml.Mig.Applying;

namespace Nvml.Mig.Kubernetes;

/// <summary>How the GPUs of a Kubernetes node are kept as its labels say.</summary>
public sealed partial class KubernetesOptions
{
    /// <summary>The name of the node that this machine is.</summary>
    public string? Node { get; set; }

    /// <summary>
    /// The file of layouts that the label names, such as a mounted ConfigMap: mig-parted's format or our own. It is read again when it has
    /// changed. Null: the names are <c>all-disabled</c>, <c>all-enabled</c>, <c>all-balanced</c>, and <c>all-</c> with each profile that
    /// the GPUs have.
    /// </summary>
    public string? LayoutFile { get; set; }

    /// <summary>The namespace of NVIDIA's operator, where the pods run that use GPUs by the operator's order.</summary>
    public string Namespace { get; set; } = "gpu-operator";

    /// <summary>A deploy label of a further client of GPUs that must pause for a change of the MIG mode; null: none.</summary>
    public string? ClientLabel { get; set; }

    /// <inheritdoc cref="ApplyOptions.JournalFolder"/>
    public string JournalFolder { get; set; } = ApplyOptions.DefaultJournalFolder;

    /// <summary>The API server, as <c>https://HOST:PORT</c>; null: that of the pod that this runs in.</summary>
    public string? Server { get; set; }

    /// <summary>The file with the token that the API server knows this agent by; in a pod by default the service account's.</summary>
    public string? TokenFile { get; set; }

    /// <summary>The file with the certificates to trust for the API server; in a pod by default the service account's.</summary>
    public string? CertificateFile { get; set; }

    /// <summary>
    /// How often the GPUs are looked at for what others have changed. This asks the driver, and not the API server. By default 30 seconds.
    /// </summary>
    public TimeSpan ReadInterval { get; set; } = TimeSpan.FromSeconds(30);

    /// <summary>
    /// How long it takes at most until a change that failed is tried again: at first a second, then longer and longer. By default
    /// 5 minutes.
    /// </summary>
    public TimeSpan MaxRetryDelay { get; set; } = TimeSpan.FromMinutes(5);

    /// <summary>How long pods that must pause may take to go. By default 5 minutes.</summary>
    public TimeSpan PodTimeout { get; set; } = TimeSpan.FromMinutes(5);

    internal sealed partial class Validator : IValidateOptions<KubernetesOptions>
    {
        public ValidateOptionsResult Validate(string? name, KubernetesOptions options)
        {
            List<string> wrong = [];
            if (options.Node is not { Length: > 0 and <= 253 } node || !DnsName().IsMatch(node))
                wrong.Add($"{nameof(Node)} is '{options.Node}': it must be the name of this node, as 'kubectl get nodes' has it.");
            if (options.Namespace.Length > 63 || !DnsName().IsMatch(options.Namespace))
                wrong.Add($"{nameof(Namespace)} is '{options.Namespace}': it must be the name of a namespace.");
            if (options.Server is { } server && !IsServer(server))
                wrong.Add($"{nameof(Server)} is '{server}': it must be https://HOST:PORT; http only on this machine itself.");
            if (!Path.IsPathFullyQualified(options.JournalFolder))
                wrong.Add($"{nameof(JournalFolder)} is '{options.JournalFolder}': it must be an absolute path.");
            (string Name, TimeSpan Value)[] positive =
            [
                (nameof(ReadInterval), options.ReadInterval), (nameof(MaxRetryDelay), options.MaxRetryDelay),
                (nameof(PodTimeout), options.PodTimeout),
            ];
            wrong.AddRange(positive.Where(p => p.Value <= TimeSpan.Zero || p.Value > TimeSpan.FromDays(1))
                .Select(p => $"{p.Name} is {p.Value}: it must be more than 0, and a day at most."));
            return wrong.Count == 0 ? ValidateOptionsResult.Success : ValidateOptionsResult.Fail(wrong);
        }

        /// <summary>A token must not be seen on the way.</summary>
        private static bool IsServer(string server) => Uri.TryCreate(server, UriKind.Absolute, out Uri? uri)
            && (uri.Scheme == Uri.UriSchemeHttps || (uri.Scheme == Uri.UriSchemeHttp && uri.IsLoopback));

        [GeneratedRegex(@"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?\z", RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 1000)]
        private static partial Regex DnsName();
    }
}
