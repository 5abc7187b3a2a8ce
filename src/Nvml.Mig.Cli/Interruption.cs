using System.Runtime.InteropServices;
using Nvml.Mig.Cli.Output;

namespace Nvml.Mig.Cli;

/// <summary>
/// Turns Ctrl-C, SIGTERM and SIGHUP into a token while it exists. The current native call ends, since nothing can interrupt it, and no
/// further one begins. The process lives on to roll back, or to report what was done.
/// </summary>
internal sealed class Interruption : IDisposable
{
    private readonly CancellationTokenSource _cancellation = new();
    private readonly PosixSignalRegistration[] _registrations;

    /// <summary>Without <paramref name="changes"/> the command only prints, and fails if it cannot.</summary>
    public Interruption(bool changes = true)
    {
        if (changes)
            Terminal.BeginChange();
        PosixSignal[] signals = [PosixSignal.SIGINT, PosixSignal.SIGTERM, PosixSignal.SIGHUP];
        _registrations = [.. signals.Select(signal => PosixSignalRegistration.Create(signal, Cancel))];
    }

    public CancellationToken Token => _cancellation.Token;

    /// <summary>Call it before each change.</summary>
    /// <exception cref="OperationCanceledException">There was an interruption, so no further change may begin.</exception>
    public void ThrowIfRequested(string message)
    {
        if (Token.IsCancellationRequested)
            throw new OperationCanceledException(message, Token);
    }

    public void Dispose()
    {
        foreach (PosixSignalRegistration registration in _registrations)
            registration.Dispose();
        _cancellation.Dispose();
    }

    private void Cancel(PosixSignalContext signal)
    {
        signal.Cancel = true;
        _cancellation.Cancel();
    }
}
