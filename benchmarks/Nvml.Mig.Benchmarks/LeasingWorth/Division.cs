using Nvml.Mig.Leasing.Scheduling;

namespace Nvml.Mig.Benchmarks.LeasingWorth;

/// <summary>How GPUs are divided: by leases, or once and for all.</summary>
/// <param name="Name">What it is called in the results.</param>
/// <param name="Layouts">The fixed layouts, and on how many GPUs each; null: by leases.</param>
/// <param name="KeepsCache">Whether an instance stays when its lease ends.</param>
/// <param name="ReuseAcrossUsers">Whether it goes to other users too.</param>
/// <param name="LargerWillDo">Whether a job can have a larger instance than the smallest that does, as long as that is taken.</param>
internal sealed record Division(
    string Name,
    IReadOnlyList<(string Layout, int Gpus)>? Layouts,
    bool KeepsCache = false,
    bool ReuseAcrossUsers = false,
    bool LargerWillDo = true)
{
    public const int GpusOfMachine = 8;

    public bool IsFixed => Layouts is not null;

    public static IReadOnlyList<Division> All(int gpus, GpuGeometry geometry) =>
    [
        new("fixed: all 1g.10gb", [("1g.10gb*7", gpus)]),
        // NVIDIA's all-balanced layout, and two whole GPUs on each machine for what is larger.
        new("fixed: balanced", [("3g.40gb,2g.20gb,1g.10gb*2", gpus * 6 / 8), ("7g.80gb", gpus - (gpus * 6 / 8))], LargerWillDo: false),
        new("fixed: fitted to the demand", Fitted(gpus, new Sizes(geometry)), LargerWillDo: false),
        new("fixed: fitted, larger will do", Fitted(gpus, new Sizes(geometry))),
        new("leases, no cache", null),
        new("leases", null, KeepsCache: true),
        new("leases, reuse across users", null, KeepsCache: true, ReuseAcrossUsers: true),
    ];

    /// <summary>The pool that the scheduler sees. Of a fixed layout each instance is one: it can be had, and nothing else.</summary>
    public IReadOnlyList<LeasableGpu> Pool(int gpus, GpuGeometry geometry)
    {
        if (Layouts is null)
            return [.. Enumerable.Range(0, gpus).Select(i => new LeasableGpu($"GPU-{i:D4}", geometry, "H100"))];
        Dictionary<string, GpuGeometry> single = [];
        List<LeasableGpu> pool = [];
        foreach ((string layout, int count) in Layouts)
        {
            foreach (string profile in Enumerable.Repeat(layout, count).SelectMany(Profiles))
            {
                if (!single.TryGetValue(profile, out GpuGeometry? one))
                {
                    ProfileGeometry found = geometry.GetProfile(profile);
                    one = new GpuGeometry([new ProfileGeometry(found.Profile, [new Placement(0, found.Placements[0].Size)])]);
                    single[profile] = one;
                }

                pool.Add(new LeasableGpu($"{profile}-{pool.Count:D4}", one, profile));
            }
        }

        return pool;
    }

    private static IEnumerable<string> Profiles(string layout) => layout.Split(',')
        .Select(part => part.Split('*'))
        .SelectMany(part => Enumerable.Repeat(part[0], part.Length > 1 ? part[1][0] - '0' : 1));

    /// <summary>Each kind of layout on as many GPUs as the mean demand for its profiles takes.</summary>
    private static List<(string Layout, int Gpus)> Fitted(int gpus, Sizes sizes)
    {
        Dictionary<string, double> demand = JobStream.Sample(100_000)
            .GroupBy(j => sizes.ProfileOf(j.Need).Name, StringComparer.Ordinal)
            .ToDictionary(g => g.Key, g => g.Sum(j => (double)j.Count), StringComparer.Ordinal);
        double Of(string profile) => demand.GetValueOrDefault(profile);
        (string Layout, double Part)[] parts =
        [
            ("7g.80gb", Of("7g.80gb")),
            ("4g.40gb,3g.40gb", Of("4g.40gb")),
            ("3g.40gb*2", Math.Max(0, Of("3g.40gb") - Of("4g.40gb")) / 2),
            ("2g.20gb*3,1g.10gb", Of("2g.20gb") / 3),
            ("1g.20gb*4", Of("1g.20gb") / 4),
            ("1g.10gb*7", Math.Max(0, Of("1g.10gb") - (Of("2g.20gb") / 3)) / 7),
        ];
        double all = parts.Sum(p => p.Part);
        List<(string Layout, int Gpus)> layouts =
            [.. parts.Where(p => p.Part > 0).Select(p => (p.Layout, Math.Max(1, (int)Math.Round(gpus * p.Part / all))))];
        (string layout, int most) = layouts.MaxBy(l => l.Gpus);
        layouts[layouts.IndexOf((layout, most))] = (layout, most + gpus - layouts.Sum(l => l.Gpus));
        return layouts;
    }
}
