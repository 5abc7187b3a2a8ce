using System.Text.RegularExpressions;

namespace Nvml.Mig.Tests.Simulator;

/// <summary>The house of the simulator's C: a source and its header are one component, and components include downwards only.</summary>
public sealed partial class NativeSourceTests
{
    [Fact]
    public void Components_include_each_other_without_a_circle()
    {
        Dictionary<string, HashSet<string>> includes = ReadIncludes();
        includes.Should().ContainKeys("state", "calls", "faults", "session");
        HashSet<string> done = [];
        List<string> circles = [];
        foreach (string component in includes.Keys)
            Walk(component, [], includes, done, circles);
        circles.Should().BeEmpty();
    }

    private static Dictionary<string, HashSet<string>> ReadIncludes()
    {
        string folder = Repository.File("native-stubs/src");
        Dictionary<string, HashSet<string>> includes = [];
        foreach (string file in Directory.EnumerateFiles(folder, "*", SearchOption.AllDirectories))
        {
            string component = Path.GetFileNameWithoutExtension(file);
            if (!includes.TryGetValue(component, out HashSet<string>? included))
                includes.Add(component, included = []);
            foreach (Match match in Include().Matches(File.ReadAllText(file)))
                included.Add(Path.GetFileNameWithoutExtension(match.Groups["file"].Value));
            included.Remove(component);
        }

        return includes;
    }

    private static void Walk(
        string component, string[] path, Dictionary<string, HashSet<string>> includes, HashSet<string> done, List<string> circles)
    {
        int first = Array.IndexOf(path, component);
        if (first >= 0)
        {
            circles.Add(string.Join(" -> ", [.. path[first..], component]));
            return;
        }

        if (done.Contains(component) || !includes.TryGetValue(component, out HashSet<string>? included))
            return;
        foreach (string next in included)
            Walk(next, [.. path, component], includes, done, circles);
        done.Add(component);
    }

    [GeneratedRegex("^#include \"(?<file>[^\"]+)\"", RegexOptions.Multiline | RegexOptions.NonBacktracking | RegexOptions.ExplicitCapture)]
    private static partial Regex Include();
}
