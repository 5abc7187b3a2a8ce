using System.Runtime.CompilerServices;
using BenchmarkDotNet.Exporters;
using BenchmarkDotNet.Loggers;
using BenchmarkDotNet.Reports;

namespace Nvml.Mig.Benchmarks.Running;

/// <summary>Keeps results in benchmarks/results, a folder for each processor: numbers of two machines are not to be compared.</summary>
internal static class Results
{
    public static string Repository { get; } = Path.GetFullPath(Path.Combine(SourceFolder(), "..", "..", ".."));

    public static void Keep(Summary summary)
    {
        if (summary.Reports.Length == 0)
            return;
        string processor = summary.HostEnvironmentInfo.CpuInfo.Value?.ProcessorName ?? "unknown processor";
        string name = string.Join(
            '-',
            string.Concat(processor.Select(c => char.IsAsciiLetterOrDigit(c) ? c : ' ')).Split(' ', StringSplitOptions.RemoveEmptyEntries));
        string folder = Path.Combine(Repository, "benchmarks", "results", name);
        Directory.CreateDirectory(folder);
        using StreamLogger file = new(Path.Combine(folder, summary.BenchmarksCases[0].Descriptor.Type.Name + ".md"));
        MarkdownExporter.GitHub.ExportToLog(summary, file);
    }

    private static string SourceFolder([CallerFilePath] string path = "") => Path.GetDirectoryName(path)!;
}
