using Nvml.Mig.Planning;

namespace Nvml.Mig.Tests.Planning;

/// <summary>States of simulated GPUs for tests, written as specs with placements.</summary>
internal static class States
{
    public const string A100 = "A100-SXM4-40GB";

    /// <summary>
    /// What stands there, with ids 1, 2, ... from the left and made-up UUIDs; <paramref name="inUse"/> are the ids of those whose compute
    /// instances a process uses, 4711 and so on.
    /// </summary>
    public static GpuSnapshot Of(string model, string layout, params int[] inUse)
    {
        GpuGeometry geometry = SimulatedGeometries.Of(model);
        Planner.TryPlan(GpuSnapshot.Empty(geometry), Spec(layout), out GpuPlan? plan, out _).Should().BeTrue(layout);
        return GpuSnapshot.Of(geometry, plan!.GetResult().Instances.Select((instance, i) => instance with
        {
            Id = i + 1,
            ComputeInstances = [.. instance.ComputeInstances.Select((c, j) => c with
            {
                Id = j,
                MigUuid = $"MIG-{i + 1}-{j}",
                IsInUse = inUse.Contains(i + 1),
                Users = inUse.Contains(i + 1) ? [new GpuProcess(4710 + i + 1, "python", GpuProcessKinds.Compute, null, i + 1, j)] : [],
            })],
        }));
    }

    public static GpuPlan Plan(GpuSnapshot state, string spec, params int[] allowInUse)
    {
        return Plan(state, spec, new PlanOptions { AllowInUse = allowInUse });
    }

    public static GpuPlan Plan(GpuSnapshot state, string spec, PlanOptions options)
    {
        Planner.TryPlan(state, Spec(spec), out GpuPlan? plan, out PlanRefusal? refusal, options).Should().BeTrue(refusal?.Message);
        Planner.CanPlan(state, Spec(spec), options).Should().BeTrue();
        return plan!;
    }

    /// <summary>A spec; none for an empty text.</summary>
    public static LayoutSpec Spec(string text) => text.Length == 0 ? new LayoutSpec() : LayoutSpec.Parse(text);

    /// <summary>The plan, or null; nobody asks why.</summary>
    public static GpuPlan? Search(GpuSnapshot state, LayoutSpec spec, params int[] allowInUse)
    {
        SnapshotTables tables = SnapshotTables.Of(state);
        return Planner.Search(tables, ResolvedSpec.Of(spec, tables), Guard.From(new PlanOptions { AllowInUse = allowInUse }, state));
    }

    public static PlanRefusal Refuse(GpuSnapshot state, string spec, PlanOptions? options = null)
    {
        Planner.TryPlan(state, Spec(spec), out _, out PlanRefusal? refusal, options).Should().BeFalse();
        Planner.CanPlan(state, Spec(spec), options).Should().BeFalse();
        return refusal!;
    }

    /// <summary>Where GPU instances stand: <c>3g.20gb at 4:4, ...</c></summary>
    public static string Describe(GpuSnapshot state) => string.Join(", ", state.Instances.Select(i => $"{i.Profile} at {i.Placement}"));
}
