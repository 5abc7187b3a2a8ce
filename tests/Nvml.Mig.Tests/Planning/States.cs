using Nvml.Mig.Planning;

namespace Nvml.Mig.Tests.Planning;

/// <summary>States of simulated GPUs for tests, written as wishes with placements.</summary>
internal static class States
{
    public const string A100 = "A100-SXM4-40GB";

    /// <summary>
    /// What stands there, with ids 1, 2, ... from the left and made-up UUIDs; <paramref name="inUse"/> are the ids of those whose compute
    /// instances a process uses, 4711 and so on.
    /// </summary>
    public static GpuState Of(string model, string layout, params int[] inUse)
    {
        GpuGeometry geometry = SimulatedGeometries.Of(model);
        Planner.TryPlan(GpuState.Empty(geometry), LayoutSpec.Parse(layout), out GpuPlan? plan, out _).Should().BeTrue(layout);
        return new GpuState(geometry, plan!.GetResult().Instances.Select((instance, i) => instance with
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

    public static GpuPlan Plan(GpuState state, string wish, params int[] allowInUse)
    {
        Planner.TryPlan(state, LayoutSpec.Parse(wish), out GpuPlan? plan, out PlanRefusal? refusal, allowInUse).Should().BeTrue(refusal?.Message);
        Planner.CanPlan(state, LayoutSpec.Parse(wish), allowInUse).Should().BeTrue();
        return plan!;
    }

    public static PlanRefusal Refuse(GpuState state, string wish)
    {
        Planner.TryPlan(state, LayoutSpec.Parse(wish), out _, out PlanRefusal? refusal).Should().BeFalse();
        Planner.CanPlan(state, LayoutSpec.Parse(wish)).Should().BeFalse();
        return refusal!;
    }

    /// <summary>Where GPU instances stand: <c>3g.20gb at 4:4, ...</c></summary>
    public static string Describe(GpuState state) => string.Join(", ", state.Instances.Select(i => $"{i.Profile} at {i.Placement}"));
}
