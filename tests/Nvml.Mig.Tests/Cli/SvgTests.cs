using System.Globalization;
using System.Xml.Linq;
using Nvml.Mig.Cli.Output;

namespace Nvml.Mig.Tests.Cli;

/// <summary>Layouts as drawings: what can be read from them without looking.</summary>
public class SvgTests
{
    private static readonly XNamespace Svg = "http://www.w3.org/2000/svg";

    [Fact]
    public void Every_instance_is_drawn_at_its_place_as_wide_as_it_is()
    {
        using Nvmig nvmig = new();
        nvmig.Run("apply", "9:4/1c:0/2c:1,14:0,15:2/none").ExitCode.Should().Be(0);
        string file = Path.Combine(nvmig.Folder, "layout.svg");

        nvmig.Run("list", "--svg", file).Out.Should().Contain("┌").And.Be(nvmig.Run("list").Out);

        XElement svg = XDocument.Load(file).Root!;
        double[] axis = [.. svg.Elements(Svg + "text").Where(t => Class(t) == "axis").Take(8).Select(t => Value(t, "x"))];
        double slice = axis[1] - axis[0];
        Boxes(svg, "instance").Select(
            box => (box.Labels, Math.Round((box.X - axis[0]) / slice + 0.5, 1), Math.Round(box.Width / slice, 1))).Should().Equal(
            ("2g.10gb GI 3 CI 0", 0, 2), ("1g.10gb GI 4", 2, 2), ("3g.20gb GI 2 CI 0 CI 1", 4, 4));
        XElement half = Instances(svg)[2];
        (string Label, double X, double Width)[] inside = [
            .. half.Elements(Svg + "g")
            .Select(c => (Text(c), Value(c.Element(Svg + "rect")!, "x") - 1, Value(c.Element(Svg + "rect")!, "width") + 2))];
        inside.Select(
            c =>
                (c.Label, Math.Round(
                    (c.X - inside.Min(i => i.X)) / inside.Min(i => i.Width), 1), Math.Round(c.Width / inside.Min(i => i.Width), 1)))
            .Should().BeEquivalentTo([("CI 0", 0.0, 1.0), ("CI 1", 1.0, 2.0)], "they have three compute slices between them");
        (inside.Sum(c => c.Width) / slice).Should().BeInRange(3.8, 4, "which are as wide as its four memory slices");
        Instances(svg)[1].Elements(Svg + "rect").Count(r => Class(r) == "slice").Should().Be(1, "one compute slice, with nothing on it");
        svg.Elements(Svg + "text").First().Value.Should().StartWith("GPU 0  NVIDIA A100-SXM4-40GB  00000000:07:00.0");
        half.Element(Svg + "title")!.Value.Should().MatchRegex("^GI 2: 3g.20gb at 4:4, MIG-[0-9a-f-]{36}, MIG-[0-9a-f-]{36}$");
    }

    [Fact]
    public void Unusable_room_is_drawn_apart_from_free_room()
    {
        using Nvmig nvmig = new();
        nvmig.Run("apply", "5,14:4,19:6").ExitCode.Should().Be(0);
        Boxes(nvmig, "free").Should().BeEmpty();
        Boxes(nvmig, "unusable").Should().Equal([7], "the seven compute slices are taken");

        nvmig.Run("apply", "5,14:4").ExitCode.Should().Be(0);
        Boxes(nvmig, "free").Should().Equal([6, 7], "a 1g.10gb can stand there");
        Boxes(nvmig, "unusable").Should().BeEmpty();

        static IEnumerable<int> Boxes(Nvmig nvmig, string kind) =>
            SvgTests.Boxes(XElement.Parse(nvmig.Run("list", "--svg", "-").Out), kind).Select(box => (int)Math.Round((box.X - 24) / 100));
    }

    [Fact]
    public void A_plan_is_drawn_before_and_after()
    {
        using Nvmig nvmig = Sample();

        XElement svg = XElement.Parse(nvmig.Run("plan", "1g.5gb*2,3g.20gb", "--svg", "-").Out);

        svg.Elements(Svg + "text").Where(t => Class(t) == "heading").Skip(1).Select(t => t.Value).Should().Equal("Before", "After");
        Instances(svg).Select(g => (Class(g), string.Join(' ', Labels(g)))).Should().Equal(
            ("instance stays", "1g.5gb GI 8 CI 0"),
            ("instance goes", "2g.10gb GI 5"),
            ("instance comes", "1g.5gb new new"),
            ("instance stays", "1g.5gb GI 8 CI 0"),
            ("instance comes", "3g.20gb new new"));
    }

    [Fact]
    public void The_picture_in_the_documentation_is_what_nvmig_draws()
    {
        using Nvmig nvmig = Sample();

        nvmig.Run("plan", "1g.5gb*2,3g.20gb", "--svg", "-").Out.Should().Be(File.ReadAllText(Repository.File("docs/plan.svg")));
    }

    [Fact]
    public void Without_a_plan_the_picture_says_why()
    {
        using Nvmig nvmig = Sample();

        Nvmig.Answer answer = nvmig.Run("plan", "3g.20gb*3", "--svg", "-");

        answer.ExitCode.Should().Be(23);
        XElement.Parse(answer.Out).Elements(Svg + "text").Should().Contain(t => t.Value.StartsWith("No plan: ", StringComparison.Ordinal));
        nvmig.RunBare("plan", "1g.6gb*4", "--for", "A30", "--svg", "-").Out.Should()
            .Contain("NVIDIA A30").And.Contain("After").And.NotContain("Before");
    }

    [Fact]
    public void Gpus_are_drawn_one_below_the_other()
    {
        using Nvmig nvmig = new("A100-SXM4-40GB*3,T4");
        nvmig.Run("apply", "9", "-i", "0,2").ExitCode.Should().Be(0);

        XElement svg = XElement.Parse(nvmig.Run("list", "--svg", "-").Out);

        svg.Elements(Svg + "text").Where(t => Class(t) == "heading").Select(t => t.Value[^8..])
            .Should().Equal(" Enabled", "Disabled", " Enabled");
        Instances(svg).Should().HaveCount(2);
        Instances(svg).Select(g => Value(g.Element(Svg + "rect")!, "y")).Should().BeInAscendingOrder();
    }

    [Fact]
    public void The_picture_is_well_formed_with_any_name()
    {
        const string name = "GPU <0> & \"B\" 'C' ]]> é\u0001\uD800";
        GpuInstanceEntry instance = new(2, "<1g.5gb>&", 19, new PlacementEntry(0, 1), []);
        SvgRow row = new("", new GpuGeometry([]), [instance], (_, _) => SvgFate.Stays);

        XElement svg = XElement.Parse(SvgPicture.Draw([new SvgGpu(name, ["a < b && c"], [row])]));

        svg.Elements(Svg + "text").Select(t => t.Value)
            .Should().Equal("GPU <0> & \"B\" 'C' ]]> é\\u0001\uFFFD", "a < b && c", "memory slice");
    }

    [Fact]
    public void A_picture_that_cannot_be_written_is_an_error()
    {
        using Nvmig nvmig = Sample();

        nvmig.Run("list", "--svg", "-", "--json").ExitCode.Should().Be(64);
        Nvmig.Answer answer = nvmig.Run("list", "--svg", "/no/such/folder/layout.svg");
        answer.ExitCode.Should().Be(17);
        answer.Complaints.Should().ContainSingle().Which.Should().StartWith("nvmig: Cannot write the picture: ");
    }

    /// <summary>The GPU of the README's sample of a plan.</summary>
    private static Nvmig Sample()
    {
        Nvmig nvmig = new();
        nvmig.Run("create", "1g.5gb:1", "--enable-mig").ExitCode.Should().Be(0);
        nvmig.Run("create", "2g.10gb:4", "--no-compute-instances").ExitCode.Should().Be(0);
        return nvmig;
    }

    private static XElement[] Instances(XElement svg) =>
        [.. svg.Elements(Svg + "g").Where(g => Class(g).StartsWith("instance", StringComparison.Ordinal))];

    /// <summary>Where the boxes of a kind are, their margin included.</summary>
    private static IEnumerable<(string Labels, double X, double Width)> Boxes(XElement svg, string kind) =>
        svg.Elements(Svg + "g").Where(g => Class(g).Split(' ')[0] == kind && g.Element(Svg + "text") is not null).Select(g =>
            (string.Join(' ', Labels(g)), Value(g.Element(Svg + "rect")!, "x") - 2, Value(g.Element(Svg + "rect")!, "width") + 4));

    private static IEnumerable<string> Labels(XElement group) => group.Descendants(Svg + "text").Select(t => t.Value);

    private static string Text(XElement group) => group.Element(Svg + "text")!.Value;

    private static string Class(XElement element) => element.Attribute("class")?.Value ?? "";

    private static double Value(XElement element, string name) =>
        double.Parse(element.Attribute(name)!.Value, CultureInfo.InvariantCulture);
}
