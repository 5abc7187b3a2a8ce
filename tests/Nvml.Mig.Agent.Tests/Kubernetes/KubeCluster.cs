using System.Diagnostics;
using System.Net;
using System.Net.Http.Headers;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;

namespace Nvml.Mig.Agent.Tests.Kubernetes;

/// <summary>A test that needs a real API server: an environment variable names a folder with etcd, kube-apiserver and kubectl.</summary>
[AttributeUsage(AttributeTargets.Method)]
internal sealed class KubeFactAttribute : FactAttribute
{
    public KubeFactAttribute() => Skip = KubeCluster.WhyNot;
}

/// <summary>The same with several cases.</summary>
[AttributeUsage(AttributeTargets.Method)]
internal sealed class KubeTheoryAttribute : TheoryAttribute
{
    public KubeTheoryAttribute() => Skip = KubeCluster.WhyNot;
}

/// <summary>All tests of one API server.</summary>
[CollectionDefinition(Name)]
public sealed class KubeTests : ICollectionFixture<KubeCluster>
{
    public const string Name = "Kubernetes";
}

/// <summary>A real API server with etcd on loopback, and our manifest's objects in it. There is no kubelet and no controller.</summary>
public sealed class KubeCluster : IAsyncLifetime
{
    public const string Namespace = "gpu-operator";

    /// <summary>The account of our manifest, with the rights of our manifest.</summary>
    public const string AgentToken = "agent-token";

    /// <summary>An account that may look at nodes, and no more.</summary>
    public const string WeakToken = "weak-token";

    private const string Variable = "NVMIG_KUBE_APISERVER";
    private const string AdminToken = "admin-token";

    private readonly string _folder = Directory.CreateTempSubdirectory("nvmig-kube-").FullName;
    private readonly List<Process> _processes = [];
    private int _nodes;

    public static string? WhyNot => Environment.GetEnvironmentVariable(Variable) is { Length: > 0 }
        ? null
        : $"It needs a real API server: {Variable} names a folder with bin/etcd, bin/kube-apiserver and bin/kubectl.";

    public string Server { get; private set; } = "";

    /// <summary>An administrator's client.</summary>
    public HttpClient Client { get; private set; } = null!;

    public string CertificateFile => File("certs/apiserver.crt");

    public string File(string name) => Path.Combine(_folder, name);

    public string TokenFile(string token)
    {
        string file = File(token);
        System.IO.File.WriteAllText(file, token);
        return file;
    }

    public string NextNode() => $"node-{Interlocked.Increment(ref _nodes)}";

    public async Task InitializeAsync()
    {
        if (WhyNot is not null)
            return;
        try
        {
            await StartAsync();
        }
        catch
        {
            await DisposeAsync(); // xunit does not, of what has not begun.
            throw;
        }
    }

    private async Task StartAsync()
    {
        int client = FindPort(), peer = FindPort(), secure = FindPort();
        string etcd = $"http://127.0.0.1:{client}";
        Start(
            "etcd", "--data-dir", File("etcd"), "--listen-client-urls", etcd, "--advertise-client-urls", etcd,
            "--listen-peer-urls", $"http://127.0.0.1:{peer}", "--initial-advertise-peer-urls", $"http://127.0.0.1:{peer}",
            "--initial-cluster", $"default=http://127.0.0.1:{peer}");
        using (RSA key = RSA.Create(2048))
            await System.IO.File.WriteAllTextAsync(File("key.pem"), key.ExportRSAPrivateKeyPem());
        await System.IO.File.WriteAllTextAsync(
            File("tokens.csv"),
            $"""
            {AdminToken},admin,1,"system:masters"
            {AgentToken},system:serviceaccount:{Namespace}:nvmig-agent,2,"system:serviceaccounts"
            {WeakToken},weak,3,"weak"

            """);
        Start(
            "kube-apiserver", "--etcd-servers", etcd, "--secure-port", $"{secure}", "--bind-address", "127.0.0.1",
            "--cert-dir", File("certs"),
            "--service-account-key-file", File("key.pem"), "--service-account-signing-key-file", File("key.pem"),
            "--service-account-issuer", "https://test", "--token-auth-file", File("tokens.csv"), "--authorization-mode", "RBAC",
            "--disable-admission-plugins", "ServiceAccount", "--allow-privileged");
        Server = $"https://127.0.0.1:{secure}";
        Client = Connect(Server);
        await WaitUntilReadyAsync();
        await RunKubectlAsync("create", "namespace", Namespace);
        await RunKubectlAsync("apply", "-f", Path.Combine(AgentMachine.Repository, "deploy/kubernetes/nvmig-agent.yaml"));
        await RunKubectlAsync("create", "clusterrole", "weak", "--verb=list,watch,get", "--resource=nodes");
        await RunKubectlAsync("create", "clusterrolebinding", "weak", "--clusterrole=weak", "--group=weak");
    }

    public async Task DisposeAsync()
    {
        Client?.Dispose();
        foreach (Process process in Enumerable.Reverse(_processes))
        {
            process.Kill();
            await process.WaitForExitAsync();
            process.Dispose();
        }

        Directory.Delete(_folder, recursive: true);
    }

    /// <summary>Whatever certificate the server has: it is on loopback, and agents check it.</summary>
    internal static SocketsHttpHandler TrustAll() => new()
    {
#pragma warning disable CA5359 // The test's own server on loopback makes its certificate at each start.
        SslOptions = { RemoteCertificateValidationCallback = (_, _, _, _) => true },
#pragma warning restore CA5359
    };

    public async Task<string> RunKubectlAsync(params string[] arguments)
    {
        (int exit, string output, string error) = await AgentMachine.RunAsync([
            ProgramOf("kubectl"), "--server", Server, "--token", AdminToken, "--insecure-skip-tls-verify", "--cache-dir", File("cache"),
            .. arguments]);
        exit.Should().Be(0, error);
        return output;
    }

    public async Task<JsonNode> SendAsync(HttpMethod method, string path, string? body = null, string type = "application/json")
    {
        using HttpRequestMessage request = new(method, path);
        if (body is not null)
            request.Content = new StringContent(body, Encoding.UTF8, type);
        using HttpResponseMessage response = await Client.SendAsync(request);
        string text = await response.Content.ReadAsStringAsync();
        response.IsSuccessStatusCode.Should().BeTrue($"{method} {path} gave {text}");
        return JsonNode.Parse(text)!;
    }

    private static HttpClient Connect(string server) => new(TrustAll())
    {
        BaseAddress = new Uri(server),
        DefaultRequestHeaders = { Authorization = new AuthenticationHeaderValue("Bearer", AdminToken) },
    };

    private static string ProgramOf(string name) => Path.Combine(Environment.GetEnvironmentVariable(Variable)!, "bin", name);

    private async Task WaitUntilReadyAsync()
    {
        for (int i = 0; i < 1200; i++)
        {
            try
            {
                using HttpResponseMessage response = await Client.GetAsync(new Uri("/readyz", UriKind.Relative));
                if (response.StatusCode == HttpStatusCode.OK)
                    return;
            }
            catch (HttpRequestException)
            {
            }

            if (_processes.Find(p => p.HasExited) is { } dead)
                throw new InvalidOperationException($"{dead.StartInfo.FileName} ended: {System.IO.File.ReadAllText(File("log"))}");
            await Task.Delay(100);
        }

        throw new InvalidOperationException($"The API server is not ready in two minutes: {System.IO.File.ReadAllText(File("log"))}");
    }

    private void Start(string program, params string[] arguments)
    {
        ProcessStartInfo start = new(ProgramOf(program), arguments)
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            UseShellExecute = false,
            WorkingDirectory = _folder,
        };
        Process process = Process.Start(start)!;
        process.OutputDataReceived += (_, line) => Log(line.Data);
        process.ErrorDataReceived += (_, line) => Log(line.Data);
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
        _processes.Add(process);

        void Log(string? line)
        {
            lock (_folder)
            {
                if (Directory.Exists(_folder))
                    System.IO.File.AppendAllText(File("log"), line + "\n");
            }
        }
    }

    private static int FindPort()
    {
        using TcpListener listener = new(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }
}
