using System.CommandLine;
using System.Reflection;
using System.Runtime.InteropServices;
using Nvml.Mig.Cli.Doctor;
using Nvml.Mig.Cli.Output;

namespace Nvml.Mig.Cli.Commands;

/// <summary><c>nvmig doctor</c>: what a support engineer would ask first. Changes nothing.</summary>
internal static class DoctorCommand
{
    public static Command Build()
    {
        Command command = new("doctor", "Report on driver, privileges and GPUs, who holds them, and whether they are ready for a change. Changes nothing.")
        {
            HostOption.Root,
        };
        command.SetAction(parsed => Run(parsed));
        return command;
    }

    private static int Run(ParseResult parsed)
    {
        string? simulated = parsed.GetValue(GlobalOptions.Simulate);
        // A simulated machine has no host, unless one is named.
        HostRoot? root = simulated is not null && parsed.GetResult(HostOption.Root) is null ? null : HostOption.GetRoot(parsed);
        PrivilegesReport? privileges = root is { } host ? ReadPrivileges(host) : null;
        HoldersReport? holders = root is { } hostOfHolders ? ReadHolders(hostOfHolders) : null;
        DriverReport? driver = null;
        IReadOnlyList<GpuReport> gpus = [];
        NvmlException? failure = null;
        try
        {
            using Machine machine = Machine.Open(parsed);
            driver = ReadDriver(machine.Session);
            gpus = [.. machine.Gpus().Select(GpuExamination.Examine)];
        }
        catch (NvmlException e)
        {
            failure = e; // That NVML cannot be used is a finding here, not the end.
        }

        ErrorEntry? error = ErrorEntry.FromOptional(failure);
        DoctorDocument document = new(
            Version(),
            new SystemReport(
                RuntimeInformation.OSDescription, RuntimeInformation.OSArchitecture.ToString(), RuntimeInformation.FrameworkDescription, simulated),
            driver,
            privileges,
            holders,
            gpus,
            Diagnosis.Of(driver, privileges, holders, gpus, error),
            error);
        if (parsed.GetValue(GlobalOptions.Json))
            Documents.Print(document);
        else
            DoctorView.Show(document);
        NvmlReturnCode? code = failure?.Code ?? gpus.Select(gpu => (NvmlReturnCode?)gpu.Error?.Code).FirstOrDefault(c => c is not null);
        return code is { } failed ? ExitCodes.For(failed) : ExitCodes.Success;
    }

    private static DriverReport ReadDriver(NvmlSession session)
    {
        List<UnreadEntry> unread = [];
        return new DriverReport(
            Try("driverVersion", session.GetDriverVersion),
            Try("driverBranch", session.GetDriverBranch),
            Try("nvmlVersion", session.GetNvmlVersion),
            Try("cudaVersion", () => session.GetCudaVersion().ToString()),
            session.LibraryPath,
            session.GetFunctions(),
            unread);

        string? Try(string what, Func<string> read)
        {
            try
            {
                return read();
            }
            catch (NvmlException e)
            {
                unread.Add(new UnreadEntry(what, e.Code, e.Function));
                return null;
            }
        }
    }

    private static PrivilegesReport ReadPrivileges(HostRoot root)
    {
        MigPrivileges privileges = MigPrivileges.Read(root);
        return new PrivilegesReport(
            privileges.EffectiveUserId,
            privileges.HasSysAdmin,
            privileges.IsInHostUserNamespace,
            privileges.Config.ToString(),
            privileges.Monitor.ToString(),
            privileges.CanChange,
            privileges.CanList,
            $"{privileges.ChangeExplanation} {privileges.ListExplanation}");
    }

    private static HoldersReport ReadHolders(HostRoot root)
    {
        GpuHolders holders = GpuHolders.Find(root);
        return new HoldersReport(
            holders.IsComplete,
            holders.UnreadableProcessCount,
            [.. holders.Holders.Where(h => !h.IsSelf).Select(h => new HolderReport(h.ProcessId, h.Name, h.Command, h.Service, h.SystemdUnit, h.Files))]);
    }

    private static string Version() =>
        typeof(DoctorCommand).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion ?? "unknown";
}
