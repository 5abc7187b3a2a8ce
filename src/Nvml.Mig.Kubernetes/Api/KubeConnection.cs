using System.Net.Security;
using System.Security.Cryptography.X509Certificates;

namespace Nvml.Mig.Kubernetes.Api;

/// <summary>Where the API server is, and how this agent shows who it is: in a pod by its service account.</summary>
internal sealed class KubeConnection
{
    private const string ServiceAccount = "/var/run/secrets/kubernetes.io/serviceaccount";

    private readonly string? _tokenFile;
    private readonly string? _certificateFile;

    private KubeConnection(Uri server, string? tokenFile, string? certificateFile)
    {
        Server = server;
        _tokenFile = tokenFile;
        _certificateFile = certificateFile;
    }

    public Uri Server { get; }

    /// <summary>The connection that the options name, or of the pod that this runs in.</summary>
    /// <exception cref="InvalidOperationException">Neither is there.</exception>
    public static KubeConnection Find(KubernetesOptions options)
    {
        if (options.Server is { } server)
            return new KubeConnection(new Uri(server), options.TokenFile, options.CertificateFile);
        string? host = Environment.GetEnvironmentVariable("KUBERNETES_SERVICE_HOST");
        string port = Environment.GetEnvironmentVariable("KUBERNETES_SERVICE_PORT") ?? "443";
        if (string.IsNullOrEmpty(host))
        {
            throw new InvalidOperationException(
                "There is no API server: name it with Kubernetes:Server, or run this in a pod (KUBERNETES_SERVICE_HOST is not set).");
        }

        string name = host.Contains(':', StringComparison.Ordinal) ? $"[{host}]" : host;
        return new KubeConnection(
            new Uri($"https://{name}:{port}"),
            options.TokenFile ?? $"{ServiceAccount}/token",
            options.CertificateFile ?? $"{ServiceAccount}/ca.crt");
    }

    /// <summary>The token, read each time: it is renewed every hour, and requests are few.</summary>
    /// <exception cref="KubeException">The file cannot be read.</exception>
    public string? ReadToken()
    {
        if (_tokenFile is null)
            return null;
        try
        {
            return File.ReadAllText(_tokenFile).Trim();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new KubeException(null, $"The token for the API server cannot be read: {e.Message}", e);
        }
    }

    public HttpMessageHandler CreateHandler()
    {
        SocketsHttpHandler handler = new()
        {
            ConnectTimeout = TimeSpan.FromSeconds(10),
            // A watch is silent for long: a connection that has died without a word is found out by the protocol, not by requests.
            KeepAlivePingDelay = TimeSpan.FromSeconds(30),
            KeepAlivePingTimeout = TimeSpan.FromSeconds(15),
            KeepAlivePingPolicy = HttpKeepAlivePingPolicy.WithActiveRequests,
            PooledConnectionIdleTimeout = TimeSpan.FromMinutes(1),
            UseCookies = false,
            UseProxy = false,
        };
        if (_certificateFile is not null)
            handler.SslOptions = new SslClientAuthenticationOptions { CertificateChainPolicy = TrustOnly(_certificateFile) };
        return handler;
    }

    private static X509ChainPolicy TrustOnly(string file)
    {
        X509ChainPolicy policy = new()
        {
            TrustMode = X509ChainTrustMode.CustomRootTrust,
            RevocationMode = X509RevocationMode.NoCheck,
        };
        policy.CustomTrustStore.ImportFromPemFile(file);
        return policy;
    }
}
