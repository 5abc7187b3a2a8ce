namespace Nvml.Mig.Host;

/// <summary>Something of the caller's that is done before services are stopped, or after they were started again.</summary>
/// <param name="Name">What reports call it.</param>
/// <param name="RunAsync">What it does. It fails by throwing.</param>
public sealed record ServiceHook(string Name, Func<CancellationToken, Task> RunAsync)
{
    /// <summary>A command: what it says goes into the report if it fails.</summary>
    /// <remarks>It has ended when its output has: what it leaves running in the background must write elsewhere.</remarks>
    /// <param name="program">A name on PATH, or a path.</param>
    /// <param name="arguments">What it is given, word by word: no shell is involved.</param>
    /// <param name="timeout">How long it may take before it is killed; by default 2 minutes.</param>
    public static ServiceHook Command(string program, IReadOnlyList<string>? arguments = null, TimeSpan? timeout = null)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(program);
        string[] words = [.. arguments ?? []];
        return new ServiceHook(
            string.Join(' ', [program, .. words]),
            cancellationToken => HostCommand.RunAsync(program, words, timeout ?? GpuServices.DefaultTimeout, cancellationToken));
    }
}
