using FsCheck;
using FsCheck.Fluent;
using Nvml.Mig.Tests.Planning;
using Nvml.Mig.Tests.Simulator;

namespace Nvml.Mig.Tests.Devices;

public class ProfileNameTests
{
    private static readonly Config Checks = Config.QuickThrowOnFailure.WithMaxTest(LongTests.Wanted ? 100_000 : 2_000);

    /// <summary>The parts of a name.</summary>
    private static readonly Gen<Parts> AnyParts =
        from gpuSlices in Gen.Choose(1, 32)
        from computeSlices in Gen.Choose(1, gpuSlices)
        from memory in Gen.Choose(0, 2000)
        from words in Gen.SubListOf("me", "me.all", "gfx", "foo", "x9", "me.xyz.2")
        from signs in Gen.ArrayOf(Gen.Elements('+', '-'), words.Count)
        select new Parts(computeSlices, gpuSlices, memory, [.. words.Select((word, i) => signs[i] + word)]);

    [Theory]
    [InlineData("3g.20gb", 3, 3, 20, "")]
    [InlineData("1c.3g.20gb", 1, 3, 20, "")]
    [InlineData("1g.10gb+me", 1, 1, 10, "+me")]
    [InlineData("1g.24gb-me", 1, 1, 24, "-me")]
    [InlineData("2g.24gb+gfx", 2, 2, 24, "+gfx")]
    [InlineData("1g.24gb+me.all", 1, 1, 24, "+me.all")]
    [InlineData("1g.12gb+gfx+me", 1, 1, 12, "+gfx +me")]
    [InlineData("1c.4g.96gb+gfx", 1, 4, 96, "+gfx")]
    [InlineData("1g.0gb+gfx", 1, 1, 0, "+gfx")]
    [InlineData("2g.40gb+foo-bar", 2, 2, 40, "-bar +foo")]
    public void A_name_is_taken_apart(string text, int computeSlices, int gpuSlices, int memory, string attributes)
    {
        ProfileName name = ProfileName.Parse(text);

        (name.ComputeSliceCount, name.GpuSliceCount, name.MemoryGB).Should().Be((computeSlices, gpuSlices, memory));
        string.Join(' ', name.Attributes).Should().Be(attributes);
        name.IsPart.Should().Be(text.Contains('c', StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("MIG 3g.20gb", "3g.20gb")]
    [InlineData("mig  3G.20GB", "3g.20gb")]
    [InlineData(" 3g.20gb\n", "3g.20gb")]
    [InlineData("3c.3g.20gb", "3g.20gb")]
    [InlineData("MIG 1C.3g.20Gb", "1c.3g.20gb")]
    [InlineData("1g.12gb+me+gfx", "1g.12gb+gfx+me")]
    [InlineData("1g.24gb+ME.All", "1g.24gb+me.all")]
    public void A_name_is_written_as_the_driver_writes_it(string text, string expected)
    {
        ProfileName.Parse(text).ToString().Should().Be(expected);
        ProfileName.Parse(text).Should().Be(ProfileName.Parse(expected));
    }

    [Theory]
    [InlineData("", "it is empty")]
    [InlineData("MIG ", "it does not begin with a number of slices")]
    [InlineData("g.20gb", "it does not begin with a number of slices")]
    [InlineData("0g.20gb", "it does not begin with a number of slices")]
    [InlineData("-3g.20gb", "it does not begin with a number of slices")]
    [InlineData("9999999999g.20gb", "it does not begin with a number of slices")]
    [InlineData("03g.20gb", "it does not begin with a number of slices")]
    [InlineData("٣g.20gb", "it does not begin with a number of slices")]
    [InlineData("1c", "after the number of slices, 'g.' is missing")]
    [InlineData("1c.", "after 'c.', the number of slices of the GPU instance is missing")]
    [InlineData("4c.3g.20gb", "the compute instance has more slices than its GPU instance")]
    [InlineData("3.20gb", "after the number of slices, 'g.' is missing")]
    [InlineData("3g20gb", "after the number of slices, 'g.' is missing")]
    [InlineData("3g.gb", "after 'g.', the number of gigabytes is missing")]
    [InlineData("3g.20g", "after the number of gigabytes, 'gb' is missing")]
    [InlineData("3g.20 gb", "after the number of gigabytes, 'gb' is missing")]
    [InlineData("3g.20gb me", "after 'gb', only attributes can follow, as +me or -me")]
    [InlineData("1g.5gb.me", "after 'gb', only attributes can follow, as +me or -me")]
    [InlineData("1g.5gb+", "an attribute is a sign and a word, as +me, -me or +me.all")]
    [InlineData("1g.5gb+-me", "an attribute is a sign and a word, as +me, -me or +me.all")]
    [InlineData("1g.5gb+me.", "an attribute is a sign and a word, as +me, -me or +me.all")]
    [InlineData("1g.5gb+me gfx", "an attribute is a sign and a word, as +me, -me or +me.all")]
    [InlineData("1g.5gb+me-me", "an attribute stands in it twice")]
    public void What_is_no_name_is_told_why(string text, string problem)
    {
        ProfileName.TryParse(text, out ProfileName name).Should().BeFalse();

        name.Should().Be(default(ProfileName));
        FluentActions.Invoking(() => ProfileName.Parse(text)).Should().Throw<FormatException>()
            .Which.Message.Should().Be($"'{text}' is not a profile name: {problem}. One looks like 3g.20gb, 1g.5gb+me or 1c.3g.20gb.");
    }

    [Fact]
    public void A_name_that_is_written_and_read_is_the_same() =>
        Check(Prop.ForAll(AnyParts.ToArbitrary(), parts =>
        {
            ProfileName name = ProfileName.Parse(parts.ToString());
            ProfileName again = ProfileName.Parse(name.ToString());
            return again == name
                && again.GetHashCode() == name.GetHashCode()
                && again.ToString() == name.ToString()
                && name.Attributes.Order().SequenceEqual(parts.Attributes.Order())
                && (name.ComputeSliceCount, name.GpuSliceCount, name.MemoryGB) == (parts.ComputeSlices, parts.GpuSlices, parts.Memory);
        }));

    [Fact]
    public void Case_attribute_order_and_a_leading_MIG_do_not_matter() =>
        Check(Prop.ForAll(
            (from parts in AnyParts
             from shuffled in Gen.Shuffle(parts.Attributes)
             from prefix in Gen.Elements("", "MIG ", "mig ", " Mig\t")
             let text = prefix + (parts with { Attributes = shuffled })
             from upper in Gen.ArrayOf(Gen.Elements(true, false), text.Length)
             select (parts, text: string.Concat(text.Select((c, i) => upper[i] ? char.ToUpperInvariant(c) : c)))).ToArbitrary(),
            drawn => ProfileName.Parse(drawn.text) == ProfileName.Parse(drawn.parts.ToString())));

    [Fact]
    public void Junk_throws_a_format_exception_and_nothing_else()
    {
        Gen<string> nearNames =
            from parts in AnyParts
            let text = parts.ToString()
            from at in Gen.Choose(0, text.Length)
            from cut in Gen.Choose(0, text.Length - at)
            from put in Gen.Elements("", "g", "c.", ".", "+", "-", "9999999999", "0", " ", "é", "\0", "MIG ")
            select text[..at] + put + text[(at + cut)..];
        Check(Prop.ForAll(Gen.OneOf(nearNames, ArbMap.Default.GeneratorFor<string>()).ToArbitrary(), text =>
        {
            text ??= "";
            bool isName = ProfileName.TryParse(text, out ProfileName tried);
            try
            {
                return ProfileName.Parse(text) == tried && isName;
            }
            catch (FormatException e)
            {
                return !isName && e.Message.Contains(text, StringComparison.Ordinal);
            }
        }));
    }

    [Fact]
    public void It_can_be_read_wherever_net_reads_values()
    {
        Read<ProfileName>("1c.3g.20gb").Should().Be(ProfileName.Parse("1c.3g.20gb"));

        static T Read<T>(string text)
            where T : ISpanParsable<T> => T.TryParse(text, null, out T? value) ? value : T.Parse(text.AsSpan(), null);
    }

    [Fact]
    public void A_compute_instance_knows_its_gpu_instance()
    {
        ProfileName.Parse("1c.3g.20gb").GpuInstance.Should().Be(ProfileName.Parse("3g.20gb"));
        ProfileName.Parse("1g.5gb+me").GpuInstance.Should().Be(ProfileName.Parse("1g.5gb+me"));
    }

    [Theory]
    [InlineData("7g.80gb", "7g.79gb")] // A100 80GB with driver 510 and others
    [InlineData("7g.79gb", "7g.80gb")]
    [InlineData("3g.40gb", "3g.39gb")] // A100 with driver 495, and with 535
    [InlineData("1c.3g.40gb", "1c.3g.39gb")]
    [InlineData("4g.39gb", "4g.40gb")]
    [InlineData("1g.5gb", "1g.5gb")]
    public void Names_that_drivers_round_differently_mean_the_same(string wanted, string present) =>
        Find(wanted, "1g.10gb", present, "2g.20gb").Should().Equal(present);

    [Theory]
    [InlineData("1g.5gb", "1g.6gb")] // A100, A30: different sizes
    [InlineData("1g.23gb", "1g.24gb")] // B200, RTX PRO 6000
    [InlineData("7g.80gb", "7g.82gb")]
    [InlineData("4g.95gb", "4g.96gb")] // early GB200, RTX PRO 6000
    [InlineData("3g.48gb", "3g.47gb")] // GH200, H100 NVL
    [InlineData("3g.47gb", "3g.48gb")]
    [InlineData("4g.72gb", "4g.71gb")] // GH200 144G, H200
    [InlineData("2g.48gb", "2g.47gb")] // RTX PRO 6000, GB200
    [InlineData("7g.81gb", "7g.80gb")]
    [InlineData("7g.143gb", "7g.144gb")]
    [InlineData("4g.40gb", "3g.40gb")]
    [InlineData("7g.80gb", "7g.79gb+me")]
    [InlineData("1c.7g.80gb", "7g.79gb")]
    public void Names_of_different_sizes_do_not(string wanted, string present) => Find(wanted, present).Should().BeEmpty();

    [Fact]
    public void The_very_name_goes_before_one_that_is_near() =>
        Find("3g.40gb", "3g.39gb", "3g.40gb").Should().Equal("3g.40gb");

    [Fact]
    public void What_is_ambiguous_is_handed_back_as_such()
    {
        Find("1c.2g.20gb", "1c.2g.20gb", "MIG 1c.2g.20gb", "2g.20gb").Should().HaveCount(2);
    }

    [Theory]
    [InlineData("7g.79gb", "7g.79gb is 7g.80gb here: drivers round the size differently.")]
    [InlineData("3g.39gb*2", "3g.39gb is 3g.40gb here: *")]
    [InlineData("1c.3g.39gb*2", "3g.39gb is 3g.40gb here: *")]
    [InlineData("+4g.39gb", "4g.39gb is 4g.40gb here: *")]
    [InlineData("3g.39gb:0,MIG 3g.39gb:4/1c", "3g.39gb is 3g.40gb here: *")]
    public void A_name_of_another_driver_is_noted(string spec, string note) =>
        LayoutSpec.Parse(spec).GetNotes(SimulatedGeometries.Of("A100-SXM4-80GB")).Should().ContainSingle().Which.Should().Match(note);

    [Theory]
    [InlineData("7g.80gb,1g.10gb+me,1c.3g.40gb")]
    [InlineData("MIG 7G.80GB")]
    [InlineData("0,19:0")]
    [InlineData("-GI7")]
    [InlineData("7g.96gb")]
    [InlineData("none")]
    public void Other_names_are_not(string spec) =>
        LayoutSpec.Parse(spec).GetNotes(SimulatedGeometries.Of("A100-SXM4-80GB")).Should().BeEmpty();

    [Fact]
    public void Candidates_without_a_readable_name_are_passed_over() =>
        Find("3g.20gb", "", "of a later driver", "MIG 3g.20gb").Should().Equal("MIG 3g.20gb");

    [Theory]
    [InlineData("1c.3g.20gb", "3g.20gb", true)]
    [InlineData("3g.20gb", "3g.20gb", true)]
    [InlineData("1g.5gb", "1g.5gb+me", true)] // as drivers write it
    [InlineData("1g.5gb+me", "1g.5gb+me", true)]
    [InlineData("1c.3g.39gb", "3g.40gb", true)]
    [InlineData("1g.5gb+me", "1g.5gb", false)]
    [InlineData("1c.4g.20gb", "3g.20gb", false)]
    [InlineData("1c.3g.20gb", "3g.40gb", false)]
    public void It_is_known_which_compute_instances_a_gpu_instance_can_hold(string compute, string gpuInstance, bool expected) =>
        ProfileName.Parse(compute).IsIn(ProfileName.Parse(gpuInstance)).Should().Be(expected);

    [Fact]
    public void Every_name_round_trips_and_finds_its_profile()
    {
        foreach (TestedModel model in TestedModels.All)
        {
            using SimulatedGpu machine = SimulatedGpu.Start(model.Name);
            foreach (GpuInstanceProfile profile in machine.Gpu.GetGpuInstanceProfiles())
            {
                ProfileName name = ProfileName.Parse(profile.Name);
                (name.ToString(), name.GpuSliceCount, name.IsPart).Should().Be((profile.Name, profile.SliceCount, false), model.Name);
                machine.Gpu.GetGpuInstanceProfile($"MIG {profile.Name.ToUpperInvariant()}").Should().Be(profile, model.Name);

                GpuInstance instance = machine.Gpu.CreateGpuInstance(profile);
                foreach (ComputeInstanceProfile inside in instance.GetComputeInstanceProfiles())
                {
                    ProfileName part = ProfileName.Parse(inside.Name);
                    (part.ToString(), part.ComputeSliceCount).Should().Be((inside.Name, inside.SliceCount), model.Name);
                    part.IsIn(name).Should().BeTrue(model.Name);
                    instance.GetComputeInstanceProfile($"{inside.Id}").Should().Be(inside, model.Name);
                    bool isOnly = instance.GetComputeInstanceProfiles().Count(p => p.Name == inside.Name) == 1;
                    foreach (string written in (string[])[inside.Name, $"{inside.SliceCount}c.{profile.Name}", $"{inside.SliceCount}C"])
                    {
                        if (isOnly)
                            instance.GetComputeInstanceProfile(written).Should().Be(inside, $"{model.Name} {written}");
                        else
                            instance.Invoking(i => i.GetComputeInstanceProfile(written)).Should().Throw<NvmlException>();
                    }
                }

                instance.Destroy();
            }
        }
    }

    private static IReadOnlyList<string> Find(string wanted, params string[] candidates) =>
        ProfileName.Parse(wanted).FindIn(candidates, candidate => candidate);

    private static void Check(Property property) => property.Check(Checks);

    private sealed record Parts(int ComputeSlices, int GpuSlices, int Memory, string[] Attributes)
    {
        public override string ToString() => $"{ComputeSlices}c.{GpuSlices}g.{Memory}gb{string.Concat(Attributes)}";
    }
}
