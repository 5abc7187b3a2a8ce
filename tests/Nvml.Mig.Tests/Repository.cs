using System.Reflection;

namespace Nvml.Mig.Tests;

/// <summary>The clone that these tests were built in.</summary>
internal static class Repository
{
    private static readonly string Root =
        typeof(Repository).Assembly.GetCustomAttributes<AssemblyMetadataAttribute>().Single(a => a.Key == "Repository").Value!;

    public static string File(string name) => Path.GetFullPath(Path.Combine(Root, name));
}
