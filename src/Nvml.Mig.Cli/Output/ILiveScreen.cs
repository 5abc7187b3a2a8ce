namespace Nvml.Mig.Cli.Output;

/// <summary>The screen that a live view is drawn on, and the keys that are pressed meanwhile.</summary>
internal interface ILiveScreen
{
    int Width { get; }

    int Height { get; }

    /// <summary>Whether nobody sees it any more.</summary>
    bool IsGone { get; }

    void Draw(IReadOnlyList<string> lines);

    /// <summary>Waits for a key; null if none came in time, or the token was cancelled.</summary>
    ConsoleKeyInfo? ReadKey(TimeSpan timeout, CancellationToken cancellationToken);
}

/// <summary>The terminal. What it showed before is there again once this is disposed of.</summary>
internal sealed class LiveScreen : ILiveScreen, IDisposable
{
    private static readonly TimeSpan LookInterval = TimeSpan.FromMilliseconds(50);

    public LiveScreen() => Terminal.OpenScreen();

    public int Width => Terminal.Width;

    public int Height => Terminal.Height;

    public bool IsGone => Terminal.IsOutputGone;

    public void Draw(IReadOnlyList<string> lines) => Terminal.DrawScreen(lines);

    public ConsoleKeyInfo? ReadKey(TimeSpan timeout, CancellationToken cancellationToken)
    {
        long end = TimeProvider.System.GetTimestamp() + (long)(timeout.TotalSeconds * TimeProvider.System.TimestampFrequency);
        while (!cancellationToken.IsCancellationRequested)
        {
            if (!Console.IsInputRedirected && Console.KeyAvailable)
                return Console.ReadKey(intercept: true);
            if (TimeProvider.System.GetTimestamp() >= end)
                break;
            cancellationToken.WaitHandle.WaitOne(LookInterval);
        }

        return null;
    }

    public void Dispose() => Terminal.CloseScreen();
}
