using System.CommandLine;
using System.Reflection;
using System.Runtime.InteropServices;
using Nvml.Mig.Cli.Arguments;
using Nvml.Mig.Cli.Output;
using Nvml.Mig.Leasing;

namespace Nvml.Mig.Cli.Doctor;

/// <summary><c>nvmig doctor</c>: reports what a support engineer asks for first. Changes nothing.</summary>
internal static class DoctorCommand
{
    public static Command Build()
    {
        Command command = new(
            "doctor",
            "Report on driver, privileges and GPUs, the processes that hold them, and whether they are ready for a change. Changes "
                + "nothing.")
        {
            HostOption.Root,
        };
        command.SetAction(parsed => Run(parsed));
        return command;
    }

    private static int Run(ParseResult parsed)
    {
        string? simulated = parsed.GetValue(GlobalOptions.Simulate);
        bool json = parsed.GetValue(GlobalOptions.Json);
        // A simulated machine has no host unless one is named.
        HostReport? host = simulated is not null && parsed.GetResult(HostOption.Root) is null
            ? null
            : HostExamination.Examine(HostOption.GetRoot(parsed));
        DriverReport? driver = null;
        List<GpuReport> gpus = [];
        NvmlException? failure = null;
        IReadOnlyList<SharingOffer> sharing = SharingOffer.Find([]);
        try
        {
            using Machine machine = Machine.Open(parsed);
            driver = ReadDriver(machine.Session);
            IReadOnlyList<GpuDevice> devices = machine.Gpus();
            sharing = SharingOffer.Find(devices);
            Progress.Run(machine.Json, say =>
            {
                foreach (GpuDevice gpu in devices)
                {
                    say($"GPU {gpu.Index}: reading");
                    gpus.Add(GpuExamination.Examine(gpu));
                }
            });
        }
        catch (NvmlException e) when (driver is null || parsed.GetResult(GlobalOptions.Gpu) is null)
        {
            failure = e; // An unusable NVML is a finding here, not the end. A GPU that does not exist is an error as in any command.
        }

        ErrorEntry? error = ErrorEntry.FromOptional(failure);
        (IReadOnlyList<GpuReport> examined, IReadOnlyList<Finding> findings) = Diagnosis.Of(host, driver, gpus, error);
        DoctorDocument document = new(
            Version(),
            DateTimeOffset.UtcNow,
            new SystemReport(
                RuntimeInformation.OSDescription,
                Environment.OSVersion.VersionString,
                RuntimeInformation.OSArchitecture.ToString(),
                RuntimeInformation.FrameworkDescription,
                Environment.GetEnvironmentVariable("NVML_LIBRARY_PATH"),
                simulated),
            host,
            driver,
            examined,
            findings,
            error ?? gpus.Select(gpu => gpu.Error).FirstOrDefault(e => e is not null))
        {
            Sharing = host is null
                ? null
                : [.. sharing.Select(o => new SharingReport(o.Backend.ToString(), o.Enforces, o.Problem))],
        };
        if (json)
            Documents.Print(document);
        else
            DoctorView.Show(document);
        return document.Error is { } failed ? ExitCodes.For((NvmlReturnCode)failed.Code) : ExitCodes.Success;
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
            LibraryFile() ?? (Path.IsPathFullyQualified(session.LibraryPath) ? session.LibraryPath : null),
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
                unread.Add(new UnreadEntry(what, e.Code, e.Function, e.Message));
                return null;
            }
        }
    }

    /// <summary>The file that the loader found for a name without a folder.</summary>
    private static string? LibraryFile()
    {
        try
        {
            return File.ReadLines("/proc/self/maps")
                .Select(line => line[Math.Max(0, line.IndexOf('/', StringComparison.Ordinal))..])
                .FirstOrDefault(path => Path.GetFileName(path).StartsWith("libnvidia-ml.so", StringComparison.Ordinal));
        }
        catch (IOException)
        {
            return null;
        }
    }

    private static string Version() =>
        typeof(DoctorCommand).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion ?? "unknown";
}
