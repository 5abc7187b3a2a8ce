using System.Diagnostics;
using Nvml.Mig.Configuration;

namespace Nvml.Mig.Tests.Configuration;

/// <summary>A file from somebody else does nothing to the terminal, the memory or the time of the reader.</summary>
public class UntrustedFileTests
{
    private const string Head = "version: v1\nmig-configs:\n  x:\n";

    [Theory]
    [InlineData("\"\\e[31m\": [{devices: all, mig-enabled: no}]", "f:4:3: *, U+001B: *")]
    [InlineData("a: [{devices: \"\\x1b[2J\", mig-enabled: no}]", "f:4:17: *, U+001B: *")]
    [InlineData("a: [{devices: all, mig-enabled: \"\\u009B\"}]", "f:4:*: *, U+009B: *")]
    [InlineData("a: [{devices: all, device-filter: \"\\a\", mig-enabled: no}]", "f:4:*: *, U+0007: *")]
    [InlineData("a: [{devices: all, mig-enabled: yes, mig-devices: {\"1g.5gb\\b\": 1}}]", "f:4:*: *, U+0008: *")]
    [InlineData("a: \"\\N\"", "f:4:6: *, U+0085: *")]
    [InlineData("a: \"\\L\"", "f:4:6: *, U+2028: *")]
    [InlineData("a: \"\\u202E\"", "f:4:6: *, U+202E: *")]
    [InlineData("a: \u202Ex", "f:4:6: *, U+202E: *")]
    [InlineData("a: \"x\\ny\"", "f:4:6: There is a line break or a tab in this value: *")]
    [InlineData("a: |\n    x\n", "f:4:6: There is a line break *")]
    [InlineData("a: \"x\\ty\"", "f:4:6: There is a line break or a tab *")]
    [InlineData("\"a\\nnvmig: x\": []", "f:4:3: A key must be a word on one line.")]
    [InlineData("a: !%1B[31m x", "f:4:6: *")]
    [InlineData("a: *a\u202E", "f:4:6: There is no anchor for this alias before it.")]
    public void Control_characters_are_refused_with_their_place(string entry, string message) =>
        FluentActions.Invoking(() => LayoutFile.Parse("version: v1\nmig-configs:\n  b: []\n  " + entry, "f")).Should().Throw<LayoutFileException>()
            .WithMessage(message).Which.Message.Should().NotMatchRegex(@"[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]");

    [Fact]
    public void An_emoji_in_a_comment_is_no_control_character() =>
        LayoutFile.Parse("# by 👩‍💻\n" + Head + "  - {devices: all, mig-enabled: no}\n", "f").Layouts.Should().ContainSingle();

    [Theory]
    [InlineData("nvmig: v1\nlayouts:\n  x:\n  - gpus: all\n    layout: ", "1g.5gb", ",", "f:5:13: *50000 *")]
    [InlineData("nvmig: v1\nlayouts:\n  x:\n  - gpus: all\n    layout: 3g.20gb", "/1c", "", "f:5:13: *")]
    [InlineData(Head + "  - devices: all\n    mig-enabled: true\n    mig-devices: {", "{0}g.{0}gb: 1", ",", "f:6:18: *50000 *")]
    [InlineData(Head + "  - devices: all\n    mig-enabled: true\n    mig-devices: {", "{0}g.{0}gb: 1024", ",", "f:6:18: *instances*")]
    public void A_layout_that_no_gpu_holds_is_refused_at_once(string head, string item, string separator, string message)
    {
        string text = head + string.Join(separator, Enumerable.Range(1, 50_000).Select(i => item.Replace("{0}", $"{i}", StringComparison.Ordinal)))
            + (head.EndsWith('{') ? "}" : "");

        long start = Stopwatch.GetTimestamp();
        FluentActions.Invoking(() => LayoutFile.Parse(text, "f")).Should().Throw<LayoutFileException>().WithMessage(message);
        Stopwatch.GetElapsedTime(start).Should().BeLessThan(TimeSpan.FromSeconds(20));
    }

    [Fact]
    public void A_message_lists_no_thousands_of_labels()
    {
        string text = "version: v1\nmig-configs:\n"
            + string.Concat(Enumerable.Range(1, 50_000).Select(i => $"  l{i}: [{{devices: all, mig-enabled: no}}]\n"));
        long start = Stopwatch.GetTimestamp();

        LayoutFile.Parse(text, "f").Invoking(file => file.GetLayout("x")).Should().Throw<LayoutFileException>()
            .WithMessage("f:1:1: The file has no layout 'x'. It has: l1, l2, *, l100 and 49900 more.");
        Stopwatch.GetElapsedTime(start).Should().BeLessThan(TimeSpan.FromSeconds(30));
    }

    [Fact]
    public void A_file_without_end_is_refused()
    {
        FluentActions.Invoking(() => LayoutFile.Read("/dev/zero")).Should().Throw<IOException>().WithMessage("*not a regular file*");
        using FileStream endless = System.IO.File.OpenRead("/dev/zero");
        FluentActions.Invoking(() => LayoutFile.Read(endless, "standard input")).Should().Throw<LayoutFileException>()
            .WithMessage("standard input:1:1: The file has more than 4 MiB: that is no layout file.");
        FluentActions.Invoking(() => LayoutFile.Parse(new string(' ', 5_000_000), "f")).Should().Throw<LayoutFileException>()
            .WithMessage("f:1:1: The file has more than 4 MiB*");
    }
}
