namespace Nvml.Mig.Host;

/// <summary>An action of the caller's before services are stopped, or after they were started again.</summary>
/// <param name="Name">Its name in reports.</param>
/// <param name="RunAsync">The action. It fails by throwing.</param>
public sealed record ServiceHook(string Name, Func<CancellationToken, Task> RunAsync)
{
    /// <summary>A command. Its output goes into the report if it fails.</summary>
    /// <remarks>It has ended when its output has: processes that it leaves in the background must write elsewhere.</remarks>
    /// <param name="program">A name on PATH, or a path.</param>
    /// <param name="arguments">Its arguments, word by word: no shell is involved.</param>
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
