using FsCheck;
using FsCheck.Fluent;
using Nvml.Mig.Configuration;
using Nvml.Mig.Configuration.Yaml;
using Nvml.Mig.Planning;
using Nvml.Mig.Tests.Planning;

namespace Nvml.Mig.Tests.Configuration;

/// <summary>Properties of every file and every layout.</summary>
public class RoundTripTests
{
    private static readonly Config Quick = Config.QuickThrowOnFailure.WithMaxTest(LongTests.Wanted ? 50_000 : 1_000);

    private static readonly string[] Profiles =
    [
        "1g.5gb", "1g.5gb+me", "2g.10gb", "3g.20gb", "7g.40gb", "1g.24gb+gfx", "1g.24gb+gfx+me", "1g.24gb-me",
        "2g.48gb+me.all", "12g.1234gb",
    ];

    private static Gen<string> Labels { get; } =
        from kind in Gen.Choose(0, 3)
        from word in Gen.Elements(
            "all-1g.5gb", "no", "~", "1", "a b", "#x", "über", "\"", "'", "\\", "<<", "{", "- a", "a: b",
            "&a", "*a", "!t", "%")
        from text in ArbMap.Default.GeneratorFor<NonEmptyString>()
        from index in Gen.Choose(0, 1000)
        let isText = !string.IsNullOrWhiteSpace(text.Get) && text.Get.EnumerateRunes()
            .All(r => r.Value != 0xFFFD && YamlReader.IsPrintable(r))
        select kind == 0 && isText ? text.Get + index : word + index;

    private static Gen<GpuSelector> Devices { get; } =
        from device in Gen.Choose(1, 0xFFFF)
        from subsystem in Gen.Choose(-0xFFFF, 0xFFFF)
        select GpuSelector.ParsePciDevice($"0x{device:X4}10DE" + (subsystem < 0 ? "" : $":0x{subsystem:X4}10DE"));

    private static Gen<GpuSelector> Indices { get; } = Gen.Choose(0, 31).Select(GpuSelector.ByIndex);

    private static Gen<GpuSelector> Gpus { get; } = Gen.OneOf(
        Devices,
        Indices,
        Gen.Choose(0, 0xFF).Select(bus => GpuSelector.Parse($"{bus:X2}:00.0")),
        Gen.Choose(0, 9).Select(n => GpuSelector.Parse($"GPU-00000000-0000-4000-8000-00000000000{n}")),
        Gen.Elements("NVIDIA H200", "Tesla T4", "yes", "NVIDIA: \"x\"", "- a").Select(GpuSelector.Parse));

    private static Gen<InstanceSpec> MigPartedItems { get; } =
        from profile in Gen.Elements(Profiles)
        from count in Gen.Choose(1, 9)
        from slices in Gen.Choose(0, 7)
        let size = ProfileName.Parse(profile).GpuSliceCount
        select new InstanceSpec(profile) { Count = count, Shared = slices > 0 && slices < size ? $"{slices}c" : null };

    private static Gen<InstanceSpec> Items { get; } =
        from item in MigPartedItems
        from start in Gen.Choose(-8, 7)
        from inside in Gen.Choose(0, 4)
        select item.Shared is not null || start < 0 ? item : item with
        {
            Start = start,
            Count = 1,
            ComputeInstances = inside == 0
                ? null
                : [.. Enumerable.Range(1, inside - 1).Select(i => new ComputeInstanceSpec($"{i}c", i == 2 ? 3 : null))],
        };

    private static Gen<LayoutFile> MigPartedFiles { get; } =
        from labels in Labels.NonEmptyListOf()
        from entries in Entries(Indices, Devices.ListOf(), MigPartedItems).NonEmptyListOf()
        select File(LayoutFileFormat.MigParted, labels, entries);

    private static Gen<LayoutFile> OwnFiles { get; } =
        from labels in Labels.NonEmptyListOf()
        from entries in Entries(Gpus, Gen.Constant(new List<GpuSelector>()), Items).NonEmptyListOf()
        select File(LayoutFileFormat.Nvmig, labels, entries);

    [Fact]
    public void A_file_reads_as_it_was_written() => Check.One(Quick, Prop.ForAll(Arb.From(Gen.OneOf(MigPartedFiles, OwnFiles)), file =>
    {
        LayoutFile read = LayoutFile.Parse(file.ToString(), "f");
        Describe(read).Should().Equal(Describe(file));
        read.ToString().Should().Be(file.ToString());
    }));

    [Fact]
    public void Any_text_is_read_or_refused_with_a_place() => Check.One(Quick, Prop.ForAll(
        Arb.From(
            from file in Gen.OneOf(MigPartedFiles, OwnFiles)
            from changes in (from at in Gen.Choose(0, int.MaxValue) from what in Gen.Choose(0, 45) select (at, what)).NonEmptyListOf()
            select changes.Aggregate(file.ToString(), (text, change) => Damage(text, change.at, change.what))),
        text =>
        {
            try
            {
                LayoutFile read = LayoutFile.Parse(text, "f");
                foreach (NamedLayout layout in read.Layouts)
                    layout.Resolve(Machines.A100s(2));
                return true;
            }
            catch (LayoutFileException e)
            {
                return e.Location is { File: "f", Line: > 0, Column: > 0 } && !e.Message.Any(char.IsControl);
            }
        }));

    [Fact]
    public void An_export_for_mig_parted_leads_to_as_many_devices()
    {
        int expressed = 0;
        Check.One(Quick, Prop.ForAll(Arb.From(Contents()), layout =>
        {
            GpuSnapshot state = States.Of(States.A100, layout);
            LayoutFile written;
            try
            {
                written = LayoutFile.For("x", [new ResolvedGpu(Machines.A100(0), LayoutSpec.For(state))], LayoutFileFormat.MigParted);
            }
            catch (LayoutFileException)
            {
                return true;
            }

            expressed++;
            LayoutSpec read = LayoutFile.Parse(written.ToString(), "f").GetLayout().Resolve(Machines.A100s(1)).Gpus[0].Layout!;
            return Count(States.Plan(GpuSnapshot.Empty(state.Geometry), read.ToString()).GetResult()).SequenceEqual(Count(state));
        }));
        expressed.Should().BeGreaterThan(500);
    }

    /// <summary>Layouts that an A100 has room for.</summary>
    private static Gen<string> Contents() =>
        from items in Gen.Elements(
            "1g.5gb", "1g.5gb", "1g.5gb+me", "1g.10gb", "2g.10gb", "2g.10gb/1c/1c", "2g.10gb/1c", "3g.20gb", "3g.20gb/1c/1c/1c",
            "3g.20gb/2c/1c", "3g.20gb/1c", "4g.20gb", "4g.20gb/2c/1c/1c", "1g.5gb/none").ListOf()
        select items.Aggregate("", (layout, item) =>
        {
            string more = layout.Length == 0 ? item : $"{layout},{item}";
            GpuSnapshot empty = GpuSnapshot.Empty(SimulatedGeometries.Of(States.A100));
            return Planner.TryPlan(empty, LayoutSpec.Parse(more), out _, out _) ? more : layout;
        });

    private static string[] Count(GpuSnapshot state) =>
        [.. state.Instances.SelectMany(i => i.ComputeInstances.Select(c => $"{c.SliceCount}c in {i.Profile}"))
            .Order(StringComparer.Ordinal)];

    private static Gen<List<LayoutEntry>> Entries(Gen<GpuSelector> gpus, Gen<List<GpuSelector>> filters, Gen<InstanceSpec> items) =>
        (from all in Gen.Choose(0, 2)
         from chosen in gpus.NonEmptyListOf()
         from filter in filters
         from mode in Gen.Choose(0, 3)
         from instances in items.ListOf()
         let layout = mode == 0 ? null : new LayoutSpec(instances.DistinctBy(i => i.Shared + i.Profile))
         select new LayoutEntry(null, all == 0 ? null : [.. chosen], [.. filter], layout))
        .NonEmptyListOf().Select(entries => entries.ToList());

    private static LayoutFile File(LayoutFileFormat format, IEnumerable<string> labels, List<List<LayoutEntry>> entries) =>
        new(format, [.. labels.Distinct().Select((label, i) => new NamedLayout(null, format, label, entries[i % entries.Count]))]);

    private static IEnumerable<string> Describe(LayoutFile file) => file.Layouts.SelectMany(layout => layout.Entries.Select(entry =>
        $"{file.Format} {layout.Label}: {string.Join(' ', entry.Gpus?.Select(gpu => $"{gpu.Kind} {gpu}") ?? ["all"])}"
            + $" | {string.Join(' ', entry.DeviceFilter)} | {entry.Layout?.ToString() ?? "off"}"));

    private static string Damage(string text, int at, int what)
    {
        const string Signs = "{}[]:,-?&*#!|>'\"%@`<\n\t 0aé\0\uFEFF\\~+=.x";
        string[] escapes = ["\\e[31m", "%1B", "\"\\e[31m\\n\"", "!%1B ", "&\u202E"];
        at %= text.Length + 1;
        return what < Signs.Length ? text.Insert(at, Signs[what].ToString())
            : what - Signs.Length < escapes.Length ? text.Insert(at, escapes[what - Signs.Length])
            : text.Remove(at / 2, (text.Length - (at / 2)) / 2);
    }
}
