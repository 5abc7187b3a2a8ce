using System.Globalization;
using FsCheck;
using FsCheck.Fluent;
using Nvml.Mig.Planning;

namespace Nvml.Mig.Tests.Planning;

/// <summary>What holds for every plan, whatever the GPU, what stands on it, who uses it and what is asked.</summary>
public class PlanPropertyTests
{
    private static readonly Config Quick = Config.QuickThrowOnFailure.WithMaxTest(LongTests.Wanted ? 50_000 : 2_000);

    /// <summary>A GPU, what stands on it, and a spec that would fit if it were empty.</summary>
    private static Arbitrary<Case> Cases { get; } = Arb.From(
        from model in Gen.Elements(SimulatedGeometries.Models.ToArray())
        from there in Contents(model)
        from inUse in Gen.Choose(0, 255)
        from asked in Contents(model)
        from order in Gen.Choose(0, int.MaxValue)
        select new Case(
            model,
            there,
            [.. Enumerable.Range(1, 8).Where(i => (inUse >> i & 1) != 0 && order % 3 == 0)],
            order % 4 == 1 ? States.Of(model, asked).ToString() : asked, // every place named
            order));

    [Fact]
    public void The_steps_lead_to_the_spec() => Check.One(Quick, Prop.ForAll(Cases, c =>
    {
        if (Plan(c) is not { } plan)
            return true;
        GpuSnapshot now = c.State;
        foreach (LayoutStep step in plan.Steps)
            now = Apply(now, step); // each state on the way is checked as every state is
        return now.ToString() == plan.GetResult().ToString() && c.IsFulfilledBy(now);
    }));

    [Fact]
    public void A_plan_for_what_is_reached_is_empty() => Check.One(Quick, Prop.ForAll(Cases, c =>
        Plan(c) is not { } plan
            || (States.Plan(plan.GetResult(), c.LayoutSpec).IsEmpty
            && States.Plan(plan.GetResult(), LayoutSpec.For(plan.GetResult()).ToString()).IsEmpty)));

    [Fact]
    public void Kept_and_created_instances_are_those_asked_for() => Check.One(Quick, Prop.ForAll(Cases, c =>
        Plan(c) is not { } plan
        || plan.Kept.Select(k => k.Profile.Id)
            .Concat(plan.Steps.Where(s => s.Kind == LayoutStepKind.CreateGpuInstance).Select(s => s.GpuInstance!.Profile.Id)).Order()
            .SequenceEqual(c.SpecProfiles.Order())));

    [Fact]
    public void Any_order_of_the_spec_gives_the_same_plan() => Check.One(Quick, Prop.ForAll(Cases, c =>
    {
        string[] items = c.LayoutSpec.Split(',');
        new Random(c.Order).Shuffle(items);
        GpuPlan? other = Plan(c with { LayoutSpec = string.Join(',', items) });
        GpuPlan? plan = Plan(c);
        return plan is null == other is null && (plan is null || plan.Steps.SequenceEqual(other!.Steps));
    }));

    [Fact]
    public void Instances_in_use_stay_with_their_uuids() => Check.One(Quick, Prop.ForAll(Cases, c =>
        Plan(c) is not { } plan
        || (plan.DestroyedInUseCount == 0
        && c.State.Instances.SelectMany(i => i.ComputeInstances.Where(x => x.IsInUse).Select(x => (i.Id, x)))
            .All(used => plan.GetResult().Instances.Any(i => i.Id == used.Id && i.ComputeInstances.Contains(used.x))))));

    [Fact]
    public void The_way_back_leads_back() => Check.One(Quick, Prop.ForAll(Cases, c =>
        Plan(c) is not { } plan
            || States.Plan(
                States.Plan(plan.GetResult(), LayoutSpec.For(c.State).ToString()).GetResult(),
                LayoutSpec.For(c.State).ToString()).IsEmpty));

    [Fact]
    public void The_question_and_the_plan_agree() => Check.One(Quick, Prop.ForAll(Cases, c =>
        Planner.CanPlan(c.State, States.Spec(c.LayoutSpec)) == Plan(c) is not null));

    /// <summary>One profile comes, one goes, and one instance goes by its id: the rest is what it was, wherever it stands now.</summary>
    [Fact]
    public void A_change_changes_what_it_names_and_nothing_else() => Check.One(Quick, Prop.ForAll(Cases, c =>
    {
        Random random = new(c.Order);
        GpuInstanceSnapshot[] there = [.. c.State.Instances];
        string added = c.SpecItems.Length == 0 ? "" : c.SpecItems[random.Next(c.SpecItems.Length)];
        GpuInstanceSnapshot? byId = there.Length > 0 && random.Next(2) == 0 ? there[random.Next(there.Length)] : null;
        GpuInstanceSnapshot? byProfile = there.Where(i => i != byId).OrderBy(_ => random.Next()).FirstOrDefault();
        string[] items = [
            added.Length > 0 ? $"+{added}" : "", byId is null ? "" : $"-GI{byId.Id}", byProfile is null ? "" : $"-{byProfile.Profile.Id}"];
        string spec = string.Join(',', items.Where(i => i.Length > 0));
        if (spec.Length == 0 || States.Search(c.State, LayoutSpec.Parse(spec)) is not { } plan)
            return true;

        List<string> left = [.. plan.GetResult().Instances.Select(Case.Describe)];
        List<string> before = [.. there.Where(i => i != byId).Select(Case.Describe)];
        bool cameAndRest = added.Length == 0 || left.Remove(c.Describe(added));
        bool restWasThere = left.TrueForAll(before.Remove);
        return cameAndRest && restWasThere
            && (byId is null || !plan.Kept.Contains(byId))
            && before.Select(d => d.Split('/')[0]).SequenceEqual(byProfile is null ? [] : [$"{byProfile.Profile.Id}"]);
    }));

    private static GpuPlan? Plan(Case c) =>
        States.Search(c.State, States.Spec(c.LayoutSpec));

    /// <summary>Written anew, with nothing of the planner's own way to do it.</summary>
    private static GpuSnapshot Apply(GpuSnapshot state, LayoutStep step)
    {
        GpuInstanceSnapshot? there = state.Instances.SingleOrDefault(i => i.Placement == step.GpuInstance!.Placement);
        if (step.Kind == LayoutStepKind.CreateGpuInstance)
        {
            there.Should().BeNull();
            return GpuSnapshot.Of(
                state.Geometry, [.. state.Instances, new GpuInstanceSnapshot(step.GpuInstance!.Profile, step.GpuInstance.Placement)]);
        }

        there.Should().NotBeNull();
        (there!.Profile, there.Id).Should().Be((step.GpuInstance!.Profile, step.GpuInstance.Id));
        GpuInstanceSnapshot[] others = [.. state.Instances.Where(i => i != there)];
        if (step.Kind == LayoutStepKind.DestroyGpuInstance)
        {
            there.ComputeInstances.Should().BeEmpty("the driver refuses it otherwise");
            return GpuSnapshot.Of(state.Geometry, others);
        }

        ComputeInstanceSnapshot[] inside = step.Kind == LayoutStepKind.CreateComputeInstance
            ? [.. there.ComputeInstances, new ComputeInstanceSnapshot(
                step.ComputeInstance!.Profile!, step.ComputeInstance.Placement!.Value)]
            : [.. there.ComputeInstances.Where(c => c.Placement != step.ComputeInstance!.Placement || c.Id != step.ComputeInstance.Id)];
        inside.Should().HaveCount(there.ComputeInstances.Count + (step.IsCreate ? 1 : -1));
        return GpuSnapshot.Of(state.Geometry, [.. others, there with { ComputeInstances = inside }]);
    }

    /// <summary>GPU instances by id of their profiles, with what is inside: as many of a random list as fit.</summary>
    private static Gen<string> Contents(string model)
    {
        GpuGeometry geometry = SimulatedGeometries.Of(model);
        string[] items =
        [
            .. geometry.Profiles.Where(p => p.Profile.SliceCount < 7)
            .SelectMany(p => new[] { $"{p.Profile.Id}", $"{p.Profile.Id}", $"{p.Profile.Id}", $"{p.Profile.Id}/none" }),
            .. geometry.Profiles.Where(p => p.Profile.SliceCount > 1)
            .SelectMany(p => new[] { $"{p.Profile.Id}/1c", $"{p.Profile.Id}/1c/1c" }),
            .. geometry.Profiles.Where(p => p.Profile.SliceCount == 4)
            .SelectMany(p => new[] { $"{p.Profile.Id}/2c/1c", $"{p.Profile.Id}/2c/2c" }),
        ];
        return from chosen in Gen.Elements(items).ArrayOf(6)
               from count in Gen.Choose(1, 6)
               select LongestThatFits(geometry, chosen[..count]);
    }

    private static string LongestThatFits(GpuGeometry geometry, string[] items)
    {
        List<string> kept = [];
        foreach (string item in items)
        {
            if (Planner.CanPlan(GpuSnapshot.Empty(geometry), LayoutSpec.Parse(string.Join(',', [.. kept, item]))))
                kept.Add(item);
        }

        return string.Join(',', kept);
    }

    private sealed record Case(string Model, string There, int[] InUse, string LayoutSpec, int Order)
    {
        public GpuSnapshot State { get; } = States.Of(Model, There, InUse);

        public string[] SpecItems => LayoutSpec.Split(',', StringSplitOptions.RemoveEmptyEntries);

        public IEnumerable<int> SpecProfiles => States.Spec(LayoutSpec).Items.Select(i => State.Geometry.GetProfile(i.Profile).Profile.Id);

        /// <summary>The same GPU instances with the same inside, and at its start what was asked with one.</summary>
        public bool IsFulfilledBy(GpuSnapshot state) =>
            state.Instances.Select(Describe).Order(StringComparer.Ordinal)
                .SequenceEqual(SpecItems.Select(Describe).Order(StringComparer.Ordinal))
            && States.Spec(LayoutSpec).Items.Where(i => i.Start is not null).All(i => state.Instances.Any(there =>
                there.Placement.Start == i.Start
                && there.Profile == state.Geometry.GetProfile(i.Profile).Profile
                && (i.ComputeInstances ?? [])
                    .All(
                        c =>
                            c.Start is null
                                || there.ComputeInstances.Any(
                                    inside => inside.Placement!.Value.Start == c.Start && $"{inside.SliceCount}c" == c.Profile))));

        /// <summary><c>9/1/2</c>: a 3g.20gb with a compute instance of one slice and one of two.</summary>
        public static string Describe(GpuInstanceSnapshot instance) =>
            string.Join('/', [instance.Profile.Id, .. instance.ComputeInstances.Select(c => c.SliceCount).Order()]);

        public string Describe(string asked)
        {
            InstanceSpec item = InstanceSpec.Parse(asked);
            GpuInstanceProfile profile = State.Geometry.GetProfile(item.Profile).Profile;
            IEnumerable<int> inside = item.ComputeInstances?.Select(c => int.Parse(c.Profile.TrimEnd('c'), CultureInfo.InvariantCulture))
                ?? [profile.SliceCount];
            return string.Join('/', [profile.Id, .. inside.Order()]);
        }

        public override string ToString() => $"{Model}: {State}, in use {string.Join(',', InUse)} -> {LayoutSpec}";
    }
}
