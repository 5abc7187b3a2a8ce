using BenchmarkDotNet.Attributes;
using Nvml.Mig.Planning;

namespace Nvml.Mig.Benchmarks.Planning;

/// <summary>Requests over a fleet of A100s: linear in requests, nearly the same for any number of GPUs.</summary>
public class GpuPoolBenchmarks
{
    private static readonly string[] Profiles = ["19", "19", "19", "19", "14", "14", "15", "9", "9", "5", "0"];

    private GpuSnapshot _empty = null!;
    private PoolRequest[] _requests = null!;
    private GpuPool _fleet = null!;

    [Params(100, 10_000)]
    public int Gpus { get; set; }

    [Params(10_000, 100_000)]
    public int Requests { get; set; }

    [GlobalSetup]
    public void ReadTheGpu()
    {
        _empty = GpuSnapshot.Empty(Geometries.Simulated("A100-SXM4-40GB"));
        Random random = new(1);
        PoolRequest[] kinds = [.. Profiles.Select(p => new PoolRequest(p))];
        _requests = [.. Enumerable.Range(0, Requests).Select(_ => kinds[random.Next(kinds.Length)])];
    }

    [IterationSetup]
    public void EmptyThePool() => _fleet = new GpuPool(Enumerable.Range(0, Gpus).Select(i => new PoolGpu($"{i}", _empty)));

    /// <summary>Instances come, and the oldest go when there are three for each GPU, or when there is no room.</summary>
    [Benchmark(Baseline = true)]
    public int ComeAndGo()
    {
        Queue<PoolPlacement> placed = new();
        int count = 0;
        foreach (PoolRequest request in _requests)
        {
            PoolPlacement place;
            while (!_fleet.TryPlace(request, out place))
                _fleet.Release(placed.Dequeue());
            placed.Enqueue(place);
            count++;
            if (placed.Count > 3 * Gpus)
                _fleet.Release(placed.Dequeue());
        }

        return count;
    }

    /// <summary>Instances come until there is no room, and the rest is refused.</summary>
    [Benchmark]
    public int ComeOnly() => _requests.Count(request => _fleet.TryPlace(request, out _));
}
