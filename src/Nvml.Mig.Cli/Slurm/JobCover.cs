using System.Globalization;
using Nvml.Mig.Leasing;
using Nvml.Mig.Leasing.Scheduling;

namespace Nvml.Mig.Cli.Slurm;

/// <summary>
/// Whether the slices that Slurm counts for a job cover what it asks for: otherwise others would be given slices that are not there. And
/// whether the node could ever give it.
/// </summary>
internal sealed class JobCover
{
    /// <summary>A GPU with MIG disabled counts as much, in leasing too.</summary>
    public const int WholeGpuSlices = 7;

    private readonly IReadOnlyList<LeasableGpu> _gpus;
    private readonly IReadOnlyList<LeaseQueue> _queues;
    private readonly bool _isComplete;

    private JobCover(IReadOnlyList<LeasableGpu> gpus, IReadOnlyList<LeaseQueue> queues, bool isComplete) =>
        (_gpus, _queues, _isComplete) = (gpus, queues, isComplete);

    /// <summary>Reads the GPUs with MIG enabled.</summary>
    public static JobCover Read(IEnumerable<GpuDevice> devices, IReadOnlyList<LeaseQueue> queues)
    {
        List<LeasableGpu> gpus = [];
        Dictionary<string, GpuGeometry> geometries = new(StringComparer.Ordinal);
        bool isComplete = true;
        foreach (GpuDevice device in devices)
        {
            try
            {
                if (device.TryGetMigMode() is not { Current: true })
                    continue;
                if (!geometries.TryGetValue(device.Name, out GpuGeometry? geometry))
                    geometries[device.Name] = geometry = device.ReadGeometry();
                gpus.Add(new LeasableGpu(device.Uuid, geometry, device.Name));
            }
            catch (NvmlException)
            {
                isComplete = false; // It can have what the job asks for: the claim says what is wrong with it.
            }
        }

        return new JobCover(gpus, queues, isComplete);
    }

    /// <summary>The compute slices of a GPU with MIG enabled.</summary>
    public static int CountSlices(GpuGeometry geometry) => geometry.Profiles.Select(p => p.Profile.SliceCount).DefaultIfEmpty().Max();

    /// <summary>The models on which the job's slices cover the claim; empty: on all that the claim allows.</summary>
    /// <exception cref="JobRefusedException">They do not on any, or the node can never grant the claim.</exception>
    public IReadOnlyList<string> FindModels(Claim claim, int slices)
    {
        if (claim.Fraction is not null || claim.Requests.Any(r => r.Profile == GrantedFraction.WholeGpu))
        {
            string part = claim.Fraction is null ? "" : $"{claim.Fraction} of ";
            Require(CountParts(claim), slices, part + string.Join(", ", claim.Requests));
            return claim.Models;
        }

        string[] models = [.. _gpus.Select(g => g.Model).Distinct(StringComparer.Ordinal)];
        List<Offer> offers = [.. models.Select(model => Ask(claim, [model]))];
        if (models.Length > 1 && offers.TrueForAll(o => o.Grant is null))
            offers.Add(Ask(claim, models)); // Several instances, and no model has GPUs enough for all of them.
        Offer[] granted = [.. offers.Where(o => o.Grant is not null)];
        if (granted.Length == 0)
        {
            // Without a GPU with MIG, or where one does not answer, the claim itself is told what is wrong.
            return offers.Count == 0 || !_isComplete ? claim.Models : throw new JobRefusedException(NeverText(claim, offers[0]));
        }

        Offer[] covered = [.. granted.Where(o => o.Slices <= slices)];
        if (covered.Length == 0)
        {
            Offer cheapest = granted.MinBy(o => o.Slices)!;
            Require(cheapest.Slices, slices, string.Join(", ", cheapest.Grant!.Instances.Select(i => i.Profile)));
        }

        return covered.Length == granted.Length ? claim.Models : [.. covered.SelectMany(o => o.Models).Distinct(StringComparer.Ordinal)];
    }

    private static void Require(int needed, int slices, string what)
    {
        if (needed > slices)
        {
            throw new JobRefusedException(string.Create(
                CultureInfo.InvariantCulture,
                $"It gets {what}, which counts {needed}, and has asked for {slices}: ask with --gres={SlurmJob.Gres}:{needed}."));
        }
    }

    /// <summary>
    /// A fraction that can use what others leave unused costs all of its device: nobody else's is beside it. One that cannot costs its
    /// part, rounded up.
    /// </summary>
    private static int CountParts(Claim claim) => claim.Requests.Sum(request =>
    {
        if (claim.Fraction?.ComputeSlices is { } own)
            return own;
        int all = ProfileName.TryParse(request.Profile, out ProfileName name) ? name.GpuSliceCount : WholeGpuSlices;
        return claim.Fraction is { Mode: FractionMode.Strict, Share: { } share } ? (int)Math.Ceiling(share * all) : all * request.Count;
    });

    private string NeverText(Claim claim, Offer offer)
    {
        int most = _gpus.Max(g => CountSlices(g.Geometry));
        string why = $"This node can never grant it. {offer.Message}";
        return claim.Requests is [{ Need.ComputeSlices: var wanted }] && wanted > most
            ? string.Create(
                CultureInfo.InvariantCulture,
                $"{why} An instance has at most {most} compute slices: name several, as in --comment='{JobRequest.Mark} 1g.10gb*2'.")
            : why;
    }

    /// <summary>The grant if nobody else had anything.</summary>
    private Offer Ask(Claim claim, IReadOnlyList<string> models)
    {
        LeasableGpu[] gpus = [.. _gpus.Where(g => models.Contains(g.Model, StringComparer.Ordinal))];
        Decisions decisions = new Scheduler().Decide(new SchedulerInput(DateTimeOffset.UnixEpoch, gpus, _queues, [claim], []));
        return decisions.Grants is [{ } grant]
            ? new Offer(models, grant, grant.Instances.Sum(i => SlicesOf(i, gpus)), "")
            : new Offer(models, null, 0, decisions.Waiting[0].Message);
    }

    private static int SlicesOf(GrantedInstance instance, LeasableGpu[] gpus) =>
        Array.Find(gpus, g => g.Id == instance.Place.Gpu)!.Geometry.GetProfile(instance.Profile).Profile.SliceCount;

    private sealed record Offer(IReadOnlyList<string> Models, Grant? Grant, int Slices, string Message);
}
