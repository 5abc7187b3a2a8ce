using System.Net;
using System.Net.Sockets;
using Microsoft.Playwright;

namespace Nvml.Mig.Agent.Tests.Page;

/// <summary>
/// Debian's Chromium on the agent's page. A browser opens no unix socket: as with ssh -L, a port of this machine leads there.
/// </summary>
internal sealed class Browser : IAsyncDisposable
{
    private readonly CancellationTokenSource _end = new();
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly IPlaywright _playwright;
    private readonly IBrowser _browser;

    private Browser(IPlaywright playwright, IBrowser browser, string socket)
    {
        _playwright = playwright;
        _browser = browser;
        _listener.Start();
        _ = ForwardAllAsync(socket);
    }

    /// <summary>The program: the one that CHROMIUM names, or Debian's; null if there is none.</summary>
    public static string? Program { get; } =
        ((string?[])[Environment.GetEnvironmentVariable("CHROMIUM"), "/usr/bin/chromium"]).FirstOrDefault(File.Exists);

    public string Address => $"http://127.0.0.1:{((IPEndPoint)_listener.LocalEndpoint).Port}/";

    public static async Task<Browser> OpenAsync(AgentMachine machine)
    {
        IPlaywright playwright = await Playwright.CreateAsync();
        IBrowser browser = await playwright.Chromium.LaunchAsync(new() { ExecutablePath = Program, Args = ["--no-sandbox"] });
        return new Browser(playwright, browser, machine.Socket);
    }

    /// <summary>The page of the machine, in a window of this width.</summary>
    public async Task<IPage> ShowAsync(int width, ColorScheme scheme = ColorScheme.Light, bool scripts = true, string path = "")
    {
        IBrowserContext context = await _browser.NewContextAsync(new()
        {
            ViewportSize = new() { Width = width, Height = 900 },
            ColorScheme = scheme,
            JavaScriptEnabled = scripts,
        });
        IPage page = await context.NewPageAsync();
        await page.GotoAsync(Address + path);
        return page;
    }

    public async ValueTask DisposeAsync()
    {
        await _browser.DisposeAsync();
        _playwright.Dispose();
        await _end.CancelAsync();
        _listener.Dispose();
        _end.Dispose();
    }

    private async Task ForwardAllAsync(string socket)
    {
        try
        {
            while (true)
                _ = ForwardAsync(await _listener.AcceptTcpClientAsync(_end.Token), socket);
        }
        catch (OperationCanceledException)
        {
            // The end of the test.
        }
    }

    private async Task ForwardAsync(TcpClient client, string path)
    {
        try
        {
            using (client)
            {
                using Socket socket = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
                await socket.ConnectAsync(new UnixDomainSocketEndPoint(path), _end.Token);
                await using NetworkStream there = new(socket);
                await using NetworkStream here = client.GetStream();
                await Task.WhenAny(here.CopyToAsync(there, _end.Token), there.CopyToAsync(here, _end.Token));
            }
        }
        catch (Exception e) when (e is IOException or SocketException or OperationCanceledException)
        {
            // The browser or the agent has closed it.
        }
    }
}

/// <summary>A test in a browser.</summary>
[AttributeUsage(AttributeTargets.Method)]
internal sealed class BrowserFactAttribute : FactAttribute
{
    public BrowserFactAttribute()
    {
        if (Browser.Program is null)
            Skip = "There is no Chromium: apt-get install chromium, or name one in CHROMIUM.";
    }
}
