using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Reflection;
using System.Text;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Nvml.Mig.Agent.Documents;
using Nvml.Mig.Agent.Options;
using Nvml.Mig.Leasing;
using Nvml.Mig.Leasing.Tests.Leases;

namespace Nvml.Mig.Agent.Tests;

/// <summary>A simulated machine, an agent on it, and clients of its socket.</summary>
internal sealed class AgentMachine : IAsyncDisposable
{
    private readonly string _folder = MakeFolder();
    private readonly List<HttpClient> _clients = [];
    private WebApplication? _agent;

    public AgentMachine(string gpus = "A100-SXM4-40GB") => Leases = new LeaseMachine(gpus, File("shared"));

    /// <summary>The machine, which other processes can share.</summary>
    public LeaseMachine Leases { get; }

    /// <summary>The folder of the clone.</summary>
    public static string Repository { get; } = typeof(AgentMachine).Assembly
        .GetCustomAttributes<AssemblyMetadataAttribute>().Single(a => a.Key == "Repository").Value!;

    public string Socket => File("agent.sock");

    public HttpClient Client { get; private set; } = null!;

    public LeaseManager Manager => _agent!.Services.GetRequiredService<LeaseManager>();

    public IServiceProvider Services => _agent!.Services;

    public string StateFile => Path.Combine(File("shared"), "machine");

    public static async Task<AgentMachine> StartAsync(string gpus = "A100-SXM4-40GB", Action<AgentOptions>? configure = null)
    {
        AgentMachine machine = new(gpus);
        await machine.StartAgentAsync(configure);
        return machine;
    }

    public string File(string name) => Path.Combine(_folder, name);

    public async Task StartAgentAsync(Action<AgentOptions>? configure = null)
    {
        _agent = Build(configure);
        await _agent.StartAsync();
        Client = Connect();
    }

    public WebApplication Build(Action<AgentOptions>? configure = null) => AgentServer.Build(
        new ConfigurationBuilder().Build(),
        options =>
        {
            options.Socket = Socket;
            options.LibraryPath = Leases.Simulator.LibraryPath;
            options.Leasing.JournalFolder = Leases.JournalFolder;
            configure?.Invoke(options);
        },
        logging => logging.SetMinimumLevel(LogLevel.Error));

    /// <summary>Tells it to stop, and leaves the clients as they are.</summary>
    public Task StopAsync() => _agent!.StopAsync();

    public async Task StopAgentAsync()
    {
        foreach (HttpClient client in _clients)
            client.Dispose();
        _clients.Clear();
        if (_agent is { } agent)
        {
            await agent.StopAsync();
            await agent.DisposeAsync();
        }

        _agent = null;
    }

    /// <summary>A client with connections of its own.</summary>
    public HttpClient Connect()
    {
        HttpClient client = new(new SocketsHttpHandler
        {
            ConnectCallback = (_, cancellation) => AgentAddress.ConnectAsync(Socket, cancellation),
        })
        {
            BaseAddress = new Uri("http://localhost"),
        };
        _clients.Add(client);
        return client;
    }

    public async Task<Stream> OpenAsync() => await AgentAddress.ConnectAsync(Socket, CancellationToken.None);

    public Task<Answer> GetAsync(string path) => SendAsync(HttpMethod.Get, path);

    public Task<Answer> PostAsync(string path, string body) => SendAsync(HttpMethod.Post, path, body);

    public async Task<Answer> SendAsync(HttpMethod method, string path, string? body = null, HttpClient? client = null)
    {
        using HttpRequestMessage request = new(method, path);
        if (body is not null)
            request.Content = new StringContent(body, Encoding.UTF8, "application/json");
        using HttpResponseMessage response = await (client ?? Client).SendAsync(request);
        string text = await response.Content.ReadAsStringAsync();
        return new Answer(response.StatusCode, text);
    }

    /// <summary>Runs curl on the socket: as root, or as another user.</summary>
    public Task<Answer> CurlAsync(string path, params string[] options) => CurlAsync(null, path, options);

    public async Task<Answer> CurlAsync(uint? uid, string path, params string[] options)
    {
        string[] curl = ["curl", "-s", "-w", "\n%{http_code}", "--unix-socket", Socket, $"http://localhost{path}", .. options];
        string[] command = uid is null ? curl : ["setpriv", $"--reuid={uid}", $"--regid={uid}", "--clear-groups", .. curl];
        (int exit, string output, string error) = await RunAsync(command);
        exit.Should().Be(0, error);
        int end = output.LastIndexOf('\n');
        return new Answer((HttpStatusCode)int.Parse(output[(end + 1)..], CultureInfo.InvariantCulture), output[..end]);
    }

    /// <summary>The tool: the one that NVMIG_TEST_PROGRAM names, such as a native one; else the one built here.</summary>
    public static string Tool { get; } = Environment.GetEnvironmentVariable("NVMIG_TEST_PROGRAM") is { Length: > 0 } path
        ? path
        : FindTool(new DirectoryInfo(AppContext.BaseDirectory)); // .../bin/Nvml.Mig.Agent.Tests/debug

    /// <summary>Runs nvmig on the same machine and the same leases, which it keeps itself.</summary>
    public async Task<string> NvmigAsync(params string[] arguments)
    {
        (int exit, string output, string error) = await AskAgentAsync([.. arguments, "--record-folder", Leases.JournalFolder]);
        exit.Should().Be(0, error);
        return output;
    }

    /// <summary>Runs nvmig on the same machine, whose leases it asks the agent for.</summary>
    public Task<(int Exit, string Output, string Error)> AskAgentAsync(params string[] arguments) =>
        RunAsync([Tool, .. arguments], ToolEnvironment);

    /// <summary>The machine is a real one for a tool that has it, and its agent is this.</summary>
    public (string Name, string Value)[] ToolEnvironment =>
    [
        ("NVML_LIBRARY_PATH", Leases.Simulator.LibraryPath), ("NVML_STUB_STATE", StateFile), ("NVML_STUB_GPUS", Leases.Simulator.Gpus),
        ("NVMIG_AGENT_SOCKET", Socket),
    ];

    public static async Task<(int Exit, string Output, string Error)> RunAsync(
        string[] command, params (string Name, string Value)[] environment)
    {
        ProcessStartInfo start = new(command[0], command[1..])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            UseShellExecute = false,
        };
        foreach ((string name, string value) in environment)
            start.Environment[name] = value;
        using Process process = Process.Start(start)!;
        Task<string> output = process.StandardOutput.ReadToEndAsync();
        Task<string> error = process.StandardError.ReadToEndAsync();
        using CancellationTokenSource late = new(TimeSpan.FromMinutes(2));
        await process.WaitForExitAsync(late.Token);
        return (process.ExitCode, await output, await error);
    }

    public async ValueTask DisposeAsync()
    {
        await StopAgentAsync();
        Leases.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    /// <summary>In a folder of its own: the copy beside these tests lacks what ASP.NET Core brings to them.</summary>
    private static string FindTool(DirectoryInfo built) =>
        Path.Combine(built.Parent!.Parent!.FullName, "Nvml.Mig.Cli", built.Name, "nvmig");

    /// <summary>A folder that other users can go through.</summary>
    private static string MakeFolder()
    {
        string folder = Directory.CreateTempSubdirectory("nvmig-agent-").FullName;
        System.IO.File.SetUnixFileMode(folder, (UnixFileMode)0b111_101_101);
        Directory.CreateDirectory(Path.Combine(folder, "shared"));
        return folder;
    }
}

/// <summary>An answer of the agent.</summary>
internal sealed record Answer(HttpStatusCode Status, string Text)
{
    public int Code => (int)Status;

    public JsonNode Json => JsonNode.Parse(Text)!;

    public string? At(params object[] path) => path.Aggregate(
        (JsonNode?)Json, (node, step) => step is int index ? node?[index] : node?[(string)step])?.ToString();

    public override string ToString() => $"{Code} {Text}";
}

/// <summary>A test that needs to become other users.</summary>
[AttributeUsage(AttributeTargets.Method)]
internal sealed class RootFactAttribute : FactAttribute
{
    public RootFactAttribute()
    {
        if (Environment.UserName != "root")
            Skip = "It runs programs as other users, which root can do.";
    }
}
