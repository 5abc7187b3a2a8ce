using System.Runtime.InteropServices;
using Nvml.Mig.Cli.Output;

namespace Nvml.Mig.Cli;

/// <summary>
/// Ctrl-C, SIGTERM and SIGHUP as a token, for as long as this lives: the call under way ends, since nothing can interrupt it, and nothing
/// further is begun. Then what was begun is taken back, or what was done is told, and the process must live on until then.
/// </summary>
internal sealed class Interruption : IDisposable
{
    private readonly CancellationTokenSource _cancellation = new();
    private readonly PosixSignalRegistration[] _registrations;

    public Interruption()
    {
        Console.SetError(new PatientWriter(Console.Error)); // Before SIGHUP the terminal is gone.
        _registrations = [.. ((PosixSignal[])[PosixSignal.SIGINT, PosixSignal.SIGTERM, PosixSignal.SIGHUP]).Select(signal => PosixSignalRegistration.Create(signal, Cancel))];
    }

    public CancellationToken Token => _cancellation.Token;

    /// <summary>Comes before each thing that is begun.</summary>
    /// <exception cref="OperationCanceledException">There was an interruption: nothing further is to be begun.</exception>
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
