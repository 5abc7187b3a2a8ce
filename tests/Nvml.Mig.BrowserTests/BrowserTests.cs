using System.Reflection;
using Deque.AxeCore.Commons;
using Deque.AxeCore.Playwright;
using Microsoft.Playwright;
using Nvml.Mig.Leasing;

namespace Nvml.Mig.Agent.Tests.Page;

/// <summary>The page as people see and use it.</summary>
public sealed class BrowserTests : IAsyncLifetime
{
    private AgentMachine _machine = null!;
    private Browser _browser = null!;

    public async Task InitializeAsync()
    {
        if (Browser.Program is null)
            return;
        _machine = await SharedMachine.StartAsync();
        await _machine.GetAsync("/");
        await Task.Delay(1100);
        SharedMachine.Remember(_machine);
        _browser = await Browser.OpenAsync(_machine);
    }

    public async Task DisposeAsync()
    {
        if (Browser.Program is null)
            return;
        await _browser.DisposeAsync();
        await _machine.DisposeAsync();
    }

    [BrowserFact]
    public async Task It_fits_wide_and_narrow_light_and_dark()
    {
        using CancellationTokenSource end = new();
        Task waiting = _machine.Manager.ClaimAsync(
            Want("batch-17", "product", "3g.40gb", 990), LeaseHold.UntilReleased, cancellationToken: end.Token);
        await Task.Delay(300);
        foreach (int width in (int[])[1280, 390])
        {
            foreach (ColorScheme scheme in (ColorScheme[])[ColorScheme.Light, ColorScheme.Dark])
            {
                IPage page = await _browser.ShowAsync(width, scheme);

                (await page.EvaluateAsync<int>("document.documentElement.scrollWidth")).Should().Be(width, "nothing is cut off");
                string file = $"{scheme}-{width}.png".ToLowerInvariant();
                await page.ScreenshotAsync(new() { Path = Path.Combine(Pictures, file), FullPage = true });
                await page.Context.CloseAsync();
            }
        }

        await end.CancelAsync();
        await waiting.Awaiting(w => w).Should().ThrowAsync<OperationCanceledException>();
    }

    [BrowserFact]
    public async Task Axe_finds_nothing()
    {
        foreach (int width in (int[])[1280, 390])
        {
            foreach (ColorScheme scheme in (ColorScheme[])[ColorScheme.Light, ColorScheme.Dark])
            {
                foreach (string path in (string[])["", "lease?id=train-llm"])
                {
                    IPage page = await _browser.ShowAsync(width, scheme, path: path);

                    AxeResult result = await page.RunAxe();

                    result.Violations.Select(v => $"{v.Id}: {v.Help}: {v.Nodes[0].Html}")
                        .Should().BeEmpty("of /{0} at {1} {2}", path, width, scheme);
                    await page.Context.CloseAsync();
                }
            }
        }
    }

    [BrowserFact]
    public async Task A_new_lease_appears_by_itself()
    {
        IPage page = await _browser.ShowAsync(1280);
        (await page.GetByRole(AriaRole.Link, new() { Name = "late" }).CountAsync()).Should().Be(0);

        await _machine.Manager.ClaimAsync(Want("late", "teaching", "1g.10gb", 2003), LeaseHold.UntilReleased);

        await page.GetByRole(AriaRole.Row).GetByRole(AriaRole.Link, new() { Name = "late" }).WaitForAsync(new() { Timeout = 3000 });
        await _machine.Manager.ReleaseAsync("late");
        await page.GetByRole(AriaRole.Row).GetByRole(AriaRole.Link, new() { Name = "late" })
            .WaitForAsync(new() { State = WaitForSelectorState.Detached, Timeout = 3000 });
    }

    [BrowserFact]
    public async Task An_update_leaves_the_focus()
    {
        IPage page = await _browser.ShowAsync(1280);
        await page.GetByRole(AriaRole.Row).GetByRole(AriaRole.Link, new() { Name = "notebook-bob" }).FocusAsync();

        await _machine.Manager.ClaimAsync(Want("another", "teaching", "1g.10gb", 2003), LeaseHold.UntilReleased);
        await page.GetByRole(AriaRole.Row).GetByRole(AriaRole.Link, new() { Name = "another" }).WaitForAsync();

        (await page.EvaluateAsync<string>("document.activeElement.textContent")).Should().Be("notebook-bob");
    }

    [BrowserFact]
    public async Task Without_scripts_it_says_the_same()
    {
        IPage page = await _browser.ShowAsync(1280, scripts: false);

        (await page.GetByRole(AriaRole.Row).GetByRole(AriaRole.Link, new() { Name = "train-llm" }).CountAsync()).Should().Be(1);
        await page.GetByRole(AriaRole.Link, new() { Name = "train-llm" }).First.ClickAsync();
        (await page.GetByRole(AriaRole.Heading, new() { Name = "History" }).CountAsync()).Should().Be(1);
    }

    [BrowserFact]
    public async Task Keys_reach_every_lease()
    {
        IPage page = await _browser.ShowAsync(1280);
        HashSet<string> reached = [];
        for (int i = 0; i < 40; i++)
        {
            await page.Keyboard.PressAsync("Tab");
            reached.Add(await page.EvaluateAsync<string>("document.activeElement.textContent"));
        }

        reached.Should().Contain(["train-llm", "evaluate", "api-blue", "notebook-ann", "notebook-bob", "pretrain"]);
    }

    [BrowserFact]
    public async Task An_agent_that_stops_is_said()
    {
        IPage page = await _browser.ShowAsync(1280);
        await page.WaitForTimeoutAsync(500);

        await _machine.StopAgentAsync();

        await page.GetByText("The agent does not answer").WaitForAsync(new() { Timeout = 15_000 });
    }

    private static string Pictures { get; } = Environment.GetEnvironmentVariable("NVMIG_ACCEPT_PICTURES") == "1"
        ? Path.Combine(
            typeof(BrowserTests).Assembly.GetCustomAttributes<AssemblyMetadataAttribute>().Single(a => a.Key == "Repository").Value!,
            "docs",
            "page")
        : Directory.CreateTempSubdirectory("nvmig-pictures-").FullName;

    private static Claim Want(string id, string queue, string profile, uint uid) =>
        new(id, queue, new LeaseOwner(uid), [InstanceRequest.Of(profile)]);
}
