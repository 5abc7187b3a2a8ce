namespace Nvml.Mig.Simulator;

/// <summary>
/// A stand-in for CUDA's Multi-Process Service: the programs <c>nvidia-cuda-mps-control</c> and <c>nvidia-cuda-mps-server</c>, as they were
/// measured on an H200, and a client. They are real processes, so that what supervises MPS can be tested with their deaths.
/// </summary>
/// <remarks>
/// <para>
/// The programs obey <c>CUDA_MPS_PIPE_DIRECTORY</c> and the other variables of MPS. What they simulate is set by variables:
/// <c>MPS_STUB_MEMORY_MIB</c> (the memory of a device, 143155), <c>MPS_STUB_SMS</c> (its multiprocessors, 132) and <c>MPS_STUB_DEVICES</c>
/// (a folder in which the processes on a device share its memory).
/// </para>
/// <para>
/// <c>mps-client MIB</c> allocates memory in blocks of 64 MiB, prints what it got, and holds it until its standard input ends. The line
/// <c>fault</c> there is an illegal access, <c>break</c> a fault after which the server stays in the state FAULT.
/// </para>
/// </remarks>
public static class SimulatedMps
{
    private const UnixFileMode Runnable =
        UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute | UnixFileMode.GroupRead | UnixFileMode.GroupExecute
        | UnixFileMode.OtherRead | UnixFileMode.OtherExecute;

    /// <summary>
    /// Puts <c>nvidia-cuda-mps-control</c> and <c>mps-client</c> into a folder, which is created where needed. Nothing is found by
    /// accident: a program that looks for MPS finds the stand-in where this folder is on PATH.
    /// </summary>
    /// <param name="folder">The folder.</param>
    /// <returns>The path of <c>nvidia-cuda-mps-control</c>.</returns>
    /// <exception cref="FileNotFoundException">The stand-in is not beside the program.</exception>
    /// <exception cref="IOException">The folder cannot be written.</exception>
    /// <exception cref="PlatformNotSupportedException">The system is Windows.</exception>
    public static string Install(string folder)
    {
        ArgumentException.ThrowIfNullOrEmpty(folder);
        if (OperatingSystem.IsWindows())
            throw new PlatformNotSupportedException("MPS exists on Linux only.");
        Directory.CreateDirectory(folder);
        string control = Path.Combine(folder, "nvidia-cuda-mps-control");
        File.Delete(control);
        // NuGet may have taken the right to run it, and the package's folder is not ours to change.
        if ((File.GetUnixFileMode(StubControls.MpsPath) & UnixFileMode.OtherExecute) == UnixFileMode.None)
        {
            File.Copy(StubControls.MpsPath, control);
            File.SetUnixFileMode(control, Runnable);
        }
        else
        {
            File.CreateSymbolicLink(control, StubControls.MpsPath);
        }

        string client = Path.Combine(folder, "mps-client");
        File.Delete(client);
        File.CreateSymbolicLink(client, Path.GetFileName(control));
        return control;
    }
}
