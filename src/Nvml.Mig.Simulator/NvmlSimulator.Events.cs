namespace Nvml.Mig.Simulator;

/// <content>Events of the machine, seen by all processes that share it.</content>
public sealed partial class NvmlSimulator
{
    private readonly Lock _processesLock = new();
    private readonly List<int> _processes = [];

    /// <summary>
    /// Starts a process that uses a GPU as a whole: while it runs, the GPU gets no first instance, and on Ampere no other MIG mode.
    /// </summary>
    /// <param name="gpu">The index of the GPU.</param>
    /// <param name="pid">The process id, from 1.</param>
    /// <param name="name">The process's name, of which the first 23 bytes are kept.</param>
    /// <param name="memoryMiB">The GPU memory that it uses, in MiB.</param>
    /// <param name="kind">Its kind of work.</param>
    /// <returns>Ends the process, on all GPUs, when it is disposed of, or the machine is.</returns>
    /// <exception cref="NvmlNotFoundException">There is no such GPU.</exception>
    /// <exception cref="NvmlException">
    /// 8 processes and holders use the GPU already (<see cref="NvmlReturnCode.InsufficientSize"/>): the simulator has no room for more.
    /// </exception>
    /// <exception cref="ArgumentOutOfRangeException">The process id is not positive, or the memory is negative.</exception>
    /// <exception cref="ObjectDisposedException">The machine was disposed of.</exception>
    public IDisposable StartProcess(
        int gpu, int pid, string name, int memoryMiB = 0, SimulatedProcessKind kind = SimulatedProcessKind.Compute)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(pid);
        return BeginProcess(gpu, -1, -1, pid, name, memoryMiB, kind);
    }

    /// <summary>
    /// Starts a process that uses a MIG device: while it runs, its compute instance and GPU instance cannot be destroyed.
    /// </summary>
    /// <param name="device">The MIG device.</param>
    /// <param name="pid">The process id, from 1.</param>
    /// <param name="name">The process's name, of which the first 23 bytes are kept.</param>
    /// <param name="memoryMiB">The GPU memory that it uses, in MiB.</param>
    /// <param name="kind">Its kind of work.</param>
    /// <returns>Ends the process, on all GPUs, when it is disposed of, or the machine is.</returns>
    /// <exception cref="NvmlNotFoundException">The MIG device is gone.</exception>
    /// <exception cref="NvmlException">
    /// 8 processes and holders use the GPU already (<see cref="NvmlReturnCode.InsufficientSize"/>): the simulator has no room for more.
    /// </exception>
    /// <exception cref="ArgumentOutOfRangeException">The process id is not positive, or the memory is negative.</exception>
    /// <exception cref="ObjectDisposedException">The machine was disposed of.</exception>
    public IDisposable StartProcess(
        MigDevice device, int pid, string name, int memoryMiB = 0, SimulatedProcessKind kind = SimulatedProcessKind.Compute)
    {
        ArgumentNullException.ThrowIfNull(device);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(pid);
        return BeginProcess(device.Device.Index, device.GpuInstanceId, device.ComputeInstanceId, pid, name, memoryMiB, kind);
    }

    /// <summary>
    /// Lets a client hold a GPU that NVML shows nowhere, as DCGM does: the GPU instances that there are cannot be destroyed (a compute
    /// instance in them can), and the MIG mode cannot change on Ampere, nor be disabled on newer GPUs.
    /// </summary>
    /// <param name="gpu">The index of the GPU.</param>
    /// <returns>Lets go when it is disposed of, or the machine is.</returns>
    /// <exception cref="NvmlNotFoundException">There is no such GPU.</exception>
    /// <exception cref="NvmlException">
    /// 8 processes and holders use the GPU already (<see cref="NvmlReturnCode.InsufficientSize"/>): the simulator has no room for more.
    /// </exception>
    /// <exception cref="ObjectDisposedException">The machine was disposed of.</exception>
    public IDisposable HoldGpu(int gpu) => BeginProcess(gpu, -1, -1, NextHiddenClient(), "", 0, SimulatedProcessKind.Compute);

    /// <summary>
    /// Lets a client that NVML shows nowhere hold one GPU instance, as one does that looked into it and stayed: it cannot be destroyed; a
    /// compute instance in it can.
    /// </summary>
    /// <param name="instance">The GPU instance.</param>
    /// <returns>Lets go when it is disposed of, or the machine is.</returns>
    /// <exception cref="NvmlNotFoundException">There is no such GPU instance.</exception>
    /// <exception cref="NvmlException">
    /// 8 processes and holders use the GPU already (<see cref="NvmlReturnCode.InsufficientSize"/>): the simulator has no room for more.
    /// </exception>
    /// <exception cref="ObjectDisposedException">The machine was disposed of.</exception>
    public IDisposable HoldGpuInstance(GpuInstance instance)
    {
        ArgumentNullException.ThrowIfNull(instance);
        return BeginProcess(instance.Device.Index, instance.Id, -1, NextHiddenClient(), "", 0, SimulatedProcessKind.Compute);
    }

    /// <summary>Lets a GPU report an Xid error, for those who wait for its events.</summary>
    /// <param name="gpu">The index of the GPU.</param>
    /// <param name="xid">The number, such as 94 for a contained memory error.</param>
    /// <param name="device">The MIG device that it is about; null: the GPU as a whole.</param>
    /// <exception cref="NvmlNotFoundException">There is no such GPU.</exception>
    /// <exception cref="ObjectDisposedException">The machine was disposed of.</exception>
    public void RaiseXid(int gpu, int xid, MigDevice? device = null)
    {
        ThrowIfDisposed();
        int result = StubControls.nvmlStubRaiseXid((uint)gpu, device?.GpuInstanceId ?? -1, device?.ComputeInstanceId ?? -1, (uint)xid);
        Happen("nvmlStubRaiseXid", $"raise Xid {xid} on GPU {gpu}", result);
    }

    /// <summary>Sets how a GPU is; what is not said is as on a new machine.</summary>
    /// <param name="gpu">The index of the GPU.</param>
    /// <param name="persistenceMode">Whether persistence mode is on.</param>
    /// <param name="rowRemapPending">Whether a bad row of memory waits for a reset to be replaced.</param>
    /// <param name="rowRemapFailed">Whether a bad row of memory could not be replaced.</param>
    /// <param name="uncorrectedEccErrors">The aggregate count of uncorrected memory errors.</param>
    /// <exception cref="NvmlNotFoundException">There is no such GPU.</exception>
    /// <exception cref="ArgumentOutOfRangeException">The count is negative.</exception>
    /// <exception cref="ObjectDisposedException">The machine was disposed of.</exception>
    public void SetHealth(
        int gpu, bool persistenceMode = true, bool rowRemapPending = false, bool rowRemapFailed = false, int uncorrectedEccErrors = 0)
    {
        ThrowIfDisposed();
        ArgumentOutOfRangeException.ThrowIfNegative(uncorrectedEccErrors);
        static uint Flag(bool value) => value ? 1u : 0;
        Happen(
            "nvmlStubSetHealth",
            $"set the health of GPU {gpu}",
            StubControls.nvmlStubSetHealth(
                (uint)gpu, Flag(persistenceMode), Flag(rowRemapPending), Flag(rowRemapFailed), (uint)uncorrectedEccErrors));
    }

    /// <summary>
    /// Sets how busy the streaming multiprocessors of a GPU, or of one of its GPU instances, are: what NVML's metrics then say.
    /// </summary>
    /// <param name="gpu">The index of the GPU.</param>
    /// <param name="percent">From 0 to 100; null: what the processes there make of it, as on a new machine.</param>
    /// <param name="gpuInstance">The id of a GPU instance; null: the GPU as a whole.</param>
    /// <exception cref="NvmlNotFoundException">There is no such GPU, or GPU instance.</exception>
    /// <exception cref="ArgumentOutOfRangeException">It is no percentage.</exception>
    /// <exception cref="ObjectDisposedException">The machine was disposed of.</exception>
    public void SetActivity(int gpu, int? percent, int? gpuInstance = null)
    {
        ThrowIfDisposed();
        if (percent is < 0 or > 100)
            throw new ArgumentOutOfRangeException(nameof(percent), percent, "A percentage is from 0 to 100.");
        Happen(
            "nvmlStubSetActivity",
            $"set the activity of GPU {gpu}",
            StubControls.nvmlStubSetActivity((uint)gpu, gpuInstance ?? -1, percent ?? -1));
    }

    /// <summary>
    /// Resets a GPU as <c>nvidia-smi --gpu-reset</c> does: a pending MIG mode comes, and if it was lost it is back. Where MIG stays enabled
    /// the driver restores the instances, with the same ids.
    /// </summary>
    /// <param name="gpu">The index of the GPU.</param>
    /// <exception cref="NvmlInUseException">Clients hold it.</exception>
    /// <exception cref="NvmlNotSupportedException">It is passed through to a virtual machine, which cannot reset it.</exception>
    /// <exception cref="NvmlNotFoundException">There is no such GPU.</exception>
    /// <exception cref="ObjectDisposedException">The machine was disposed of.</exception>
    public void ResetGpu(int gpu)
    {
        ThrowIfDisposed();
        Happen("nvmlStubResetGpu", $"reset GPU {gpu}", StubControls.nvmlStubResetGpu((uint)gpu));
    }

    /// <summary>
    /// Unloads the driver's kernel module and loads it again: instances go. MIG mode stays on Ampere, which keeps it in the GPU, and goes
    /// on newer GPUs.
    /// </summary>
    /// <exception cref="NvmlInUseException">Clients hold a GPU.</exception>
    /// <exception cref="ObjectDisposedException">The machine was disposed of.</exception>
    public void ReloadModule()
    {
        ThrowIfDisposed();
        Happen("nvmlStubReloadModule", "reload the kernel module", StubControls.nvmlStubReloadModule());
    }

    /// <summary>
    /// Reboots the machine: instances and processes go. MIG mode stays on Ampere, which keeps it in the GPU, and goes on newer GPUs.
    /// </summary>
    /// <exception cref="ObjectDisposedException">The machine was disposed of.</exception>
    public void Reboot()
    {
        ThrowIfDisposed();
        Happen("nvmlStubReboot", "reboot", StubControls.nvmlStubReboot());
    }

    private ProcessEnd BeginProcess(
        int gpu, int gpuInstance, int computeInstance, int pid, string name, int memoryMiB, SimulatedProcessKind kind)
    {
        ArgumentNullException.ThrowIfNull(name);
        ArgumentOutOfRangeException.ThrowIfNegative(memoryMiB);
        lock (_processesLock)
        {
            ThrowIfDisposed();
            Happen(
                "nvmlStubStartProcess",
                $"start a process on GPU {gpu}",
                StubControls.nvmlStubStartProcess((uint)gpu, gpuInstance, computeInstance, (uint)pid, name, (uint)memoryMiB, (uint)kind));
            _processes.Add(pid);
        }

        return new ProcessEnd(this, pid);
    }

    private void EndProcess(int pid)
    {
        lock (_processesLock)
        {
            if (_processes.Remove(pid) && _disposed == 0)
                _ = StubControls.nvmlStubEndProcess((uint)pid); // it may have ended with a reboot
        }
    }

    /// <summary>The stub's name for a client without a process: above all process ids, and unlike those of other processes.</summary>
    private static int NextHiddenClient() => unchecked((int)(0x8000_0000u | (uint)Random.Shared.Next()));

    private static void Happen(string function, string act, int result)
    {
        NvmlReturnCode code = (NvmlReturnCode)result;
        string message = $"Simulated machine: cannot {act} ({code}, {result}, from {function}).";
        if (code == NvmlReturnCode.Success)
            return;
        throw code switch
        {
            NvmlReturnCode.NotFound => new NvmlNotFoundException(code, function, message),
            NvmlReturnCode.InUse => new NvmlInUseException(code, function, message),
            NvmlReturnCode.NotSupported => new NvmlNotSupportedException(code, function, message),
            _ => new NvmlException(code, function, message),
        };
    }

    /// <summary>Ends a process when it is disposed of, once.</summary>
    private sealed class ProcessEnd(NvmlSimulator simulator, int pid) : IDisposable
    {
        private int _ended;

        public void Dispose()
        {
            if (Interlocked.Exchange(ref _ended, 1) == 0)
                simulator.EndProcess(pid);
        }
    }
}
