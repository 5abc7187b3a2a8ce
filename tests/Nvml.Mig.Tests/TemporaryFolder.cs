namespace Nvml.Mig.Tests;

/// <summary>A folder for one test.</summary>
internal sealed class TemporaryFolder(string? under = null) : IDisposable
{
    public string Path { get; } = under is null
        ? Directory.CreateTempSubdirectory("nvml-mig-tests-").FullName
        : Directory.CreateDirectory(System.IO.Path.Combine(under, $"nvml-mig-tests-{Guid.NewGuid():N}")).FullName;

    public string File(string name) => System.IO.Path.Combine(Path, name);

    public void Dispose() => Directory.Delete(Path, recursive: true);
}
