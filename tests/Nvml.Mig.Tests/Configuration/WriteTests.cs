using Nvml.Mig.Configuration;
using Nvml.Mig.Tests.Planning;

namespace Nvml.Mig.Tests.Configuration;

/// <summary>The layouts of GPUs are written in either format.</summary>
public class WriteTests
{
    [Fact]
    public void Our_own_format_has_placements_and_groups_gpus_that_are_alike()
    {
        Write(LayoutFileFormat.Nvmig, "3g.20gb:4/2c/1c:2,1g.5gb:0*1", "none", null, "3g.20gb:4/2c/1c:2,1g.5gb:0").Should().Be(
            """
            nvmig: v1
            layouts:
              current:
              - gpus: [0, 3]
                layout: "3g.20gb:4/2c/1c:2,1g.5gb:0"
              - gpus: [1]
                layout: "none"
              - gpus: [2]
                mig-enabled: false

            """);
    }

    [Fact]
    public void A_mig_parted_file_has_numbers_and_no_places()
    {
        const string Other = "1g.5gb:2,3g.20gb:4,1g.5gb:6,1g.5gb+me:3";

        Write(LayoutFileFormat.MigParted, "3g.20gb:4,1g.5gb:0,1g.5gb:1,1g.5gb+me:2", "none", null, Other).Should().Be(
            """
            version: v1
            mig-configs:
              current:
              - devices: [0, 3]
                mig-enabled: true
                mig-devices:
                  3g.20gb: 1
                  1g.5gb: 2
                  1g.5gb+me: 1
              - devices: [1]
                mig-enabled: true
                mig-devices: {}
              - devices: [2]
                mig-enabled: false
                mig-devices: {}

            """);
    }

    [Theory]
    [InlineData("3g.20gb:4/1c:0/1c:1/1c:2", "1c.3g.20gb: 3")]
    [InlineData("3g.20gb:0/1c/1c/1c,3g.20gb:4/1c", "1c.3g.20gb: 4")]
    [InlineData("3g.20gb:0/2c/1c,3g.20gb:4/1c", "2c.3g.20gb: 1\n      1c.3g.20gb: 2")]
    [InlineData("3g.20gb:0/1c,3g.20gb:4", "1c.3g.20gb: 1\n      3g.20gb: 1")]
    [InlineData("3g.20gb/1c.3g.20gb", "1c.3g.20gb: 1")]
    [InlineData("3g.20gb/3c", "3g.20gb: 1")]
    [InlineData("1c.3g.20gb*2", "1c.3g.20gb: 2")]
    [InlineData("1g.24gb+me+gfx*2", "1g.24gb+gfx,me: 2")]
    [InlineData("1g.24gb-me", "1g.24gb-me: 1")]
    [InlineData("2g.10gb+me/1c/1c", "1c.2g.10gb+me: 2")]
    public void Compute_instances_are_written_for_mig_parted(string layout, string devices)
    {
        Write(LayoutFileFormat.MigParted, layout).Should().EndWith($"    mig-devices:\n      {devices}\n");
    }

    [Theory]
    [InlineData("1g.5gb,3g.20gb:4/none", "'3g.20gb:4/none' has no compute instance, and mig-parted creates no GPU instance without one.")]
    [InlineData(
        "3g.20gb:0/1c,3g.20gb:4/1c/1c",
        "the GPU instances 3g.20gb have 1c and 1c/1c inside, and for as many compute instances mig-parted first tries 1c/1c/1c.")]
    [InlineData(
        "3g.20gb:0/2c/1c,3g.20gb:4/2c/1c",
        "the GPU instances 3g.20gb have 2c/1c and 2c/1c inside, and for as many compute instances mig-parted first tries 2c and "
            + "2c/1c and 1c.")]
    [InlineData("3g.20gb:0/1c,1c.3g.20gb", "the GPU instances 3g.20gb have 1c inside, *")]
    [InlineData("9:4", "'9' is not a name as 3g.20gb, and mig-parted knows profiles by name only.")]
    [InlineData("3g.20gb/7", "the compute instance '7' of '3g.20gb/7' is not named by its slices, *")]
    [InlineData("1g.24gb+gfx-me", "1g.24gb+gfx-me has attributes with + and with -, and mig-parted reads only those of one sign.")]
    public void A_layout_that_mig_parted_cannot_express_is_refused(string layout, string message)
    {
        FluentActions.Invoking(() => Write(LayoutFileFormat.MigParted, "none", layout)).Should().Throw<LayoutFileException>()
            .WithMessage($"mig-parted's format cannot express what is on GPU 1 (NVIDIA A100-SXM4-40GB, 0x20B010DE): {message}");
        Write(LayoutFileFormat.Nvmig, "none", layout).Should().Contain($"\"{layout}\"");
    }

    [Theory]
    [InlineData("no", "\"no\":")]
    [InlineData("On", "\"On\":")]
    [InlineData("12", "\"12\":")]
    [InlineData("1e3", "\"1e3\":")]
    [InlineData("-", "\"-\":")]
    [InlineData("a: b", "\"a: b\":")]
    [InlineData("über", "\"über\":")]
    [InlineData("all-1g.5gb.me", "all-1g.5gb.me:")]
    public void An_ambiguous_label_is_in_quotes(string label, string written)
    {
        string text = LayoutFile.For(label, [new ResolvedGpu(Machines.A100(0), null)], LayoutFileFormat.MigParted).ToString();

        text.Should().Contain($"\n  {written}\n");
        LayoutFile.Parse(text, "f").GetLayout().Label.Should().Be(label);
    }

    [Fact]
    public void An_export_leads_back_to_the_same_layout()
    {
        foreach ((string model, string layout) in (ReadOnlySpan<(string, string)>)[
            ("A100-SXM4-40GB", "3g.20gb:0/2c:0/1c:2,1g.5gb:6,1g.5gb+me:4/none"),
            ("H200", "2g.35gb:4,1g.18gb:3,1g.35gb:0,1g.18gb+me:6"),
            ("RTX-PRO-6000-SERVER", "1g.24gb+gfx:3,2g.48gb:6")])
        {
            if (!SimulatedGeometries.Models.Contains(model))
                continue;
            GpuSnapshot state = States.Of(model, layout);
            ResolvedGpu[] gpus = [new(Machines.A100(0), LayoutSpec.For(state))];
            string text = LayoutFile.For("current", gpus, LayoutFileFormat.Nvmig).ToString();

            LayoutSpec read = LayoutFile.Parse(text, "f").GetLayout().Resolve(Machines.A100s(1)).Gpus[0].Layout!;

            States.Plan(GpuSnapshot.Empty(state.Geometry), read.ToString()).GetResult().ToString().Should().Be(state.ToString());
        }
    }

    [Theory]
    [InlineData("7g.79gb", "7g.80gb: 1")]
    [InlineData("3g.39gb*2", "3g.40gb: 2")]
    [InlineData("3g.39gb/1c", "1c.3g.40gb: 1")]
    [InlineData("3g.71gb", "3g.71gb: 1")]
    public void Sizes_are_written_for_mig_parted_as_it_computes_them(string layout, string devices) =>
        Write(LayoutFileFormat.MigParted, layout).Should().EndWith($"    mig-devices:\n      {devices}\n");

    [Theory]
    [InlineData("\u001b[31m")]
    [InlineData("a\nb")]
    [InlineData("\u009b")]
    [InlineData("\u202e")]
    public void A_label_with_control_characters_is_not_written(string label) =>
        FluentActions.Invoking(() => LayoutFile.For(label, [new ResolvedGpu(Machines.A100(0), null)], LayoutFileFormat.Nvmig))
            .Should().Throw<ArgumentException>();

    [Fact]
    public void Gpus_that_cannot_be_divided_are_written_as_mig_parted_does()
    {
        foreach (LayoutFileFormat format in Enum.GetValues<LayoutFileFormat>())
        {
            string text = LayoutFile.For(
                "x", [new(Machines.A100(0), new LayoutSpec()), new(Machines.T4(1), null), new(Machines.A100(2), null)], format).ToString();

            ResolvedLayout read = LayoutFile.Parse(text, "f").GetLayout().Resolve([Machines.A100(0), Machines.T4(1), Machines.A100(2)]);

            Machines.Describe(read).Should().Equal("0: none", "2: off");
            read.LeftOut.Should().BeEmpty();
            read.NotMigCapable.Should().ContainSingle().Which.Gpu.Should().Be(Machines.T4(1));
        }
    }

    [Fact]
    public void Nonsense_is_not_written()
    {
        ResolvedGpu[][] nonsense =
        [
            [],
            [new ResolvedGpu(Machines.A100(0), LayoutSpec.Parse("+1g.5gb"))],
        ];
        foreach (ResolvedGpu[] gpus in nonsense)
            FluentActions.Invoking(() => LayoutFile.For("x", gpus, LayoutFileFormat.Nvmig)).Should().Throw<ArgumentException>();
    }

    private static string Write(LayoutFileFormat format, params string?[] layouts) =>
        LayoutFile.For(
            "current",
            layouts.Select((layout, i) => new ResolvedGpu(
                Machines.A100(i), layout is null ? null : LayoutSpec.Parse(layout.Replace("*1", "", StringComparison.Ordinal)))),
            format).ToString();
}
