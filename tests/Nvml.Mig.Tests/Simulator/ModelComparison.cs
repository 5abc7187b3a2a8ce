using System.Collections.Concurrent;

namespace Nvml.Mig.Tests.Simulator;

/// <summary>An operation on a GPU.</summary>
internal enum Act
{
    Enable,
    Disable,
    CreateGpuInstance,
    CreateGpuInstanceAt,
    CreateGpuInstanceAnywhere,
    CreateFromForeignProfile,
    DestroyGpuInstance,
    CreateWholeComputeInstance,
    CreateComputeInstance,
    CreateComputeInstanceAt,
    CreateComputeInstanceAnywhere,
    DestroyComputeInstance,
    FillUp,
    Clear,
    UseWhatIsGone,
    FindGpuInstance,
    ListGpuInstances,
    ListComputeInstances,
    ListMigDevices,
    FindMigDevice,
    ReadMode,
    ReadCapacity,
    ReadComputeCapacity,
    ReadPlaces,
    ReadComputePlaces,
}

/// <summary>
/// One operation, or several of a kind. The numbers choose among what there is when its turn comes, so that it means something in
/// every history, also in one that lost its beginning.
/// </summary>
internal readonly record struct Step(Act Act, int Gpu, int First, int Second, int Third);

/// <summary>A simulated machine and the model of each of its GPUs, side by side: each operation is done to both.</summary>
internal sealed class ModelComparison : IDisposable
{
    /// <summary>Two, so that one shows if it changes with the other.</summary>
    public const int Gpus = 2;

    /// <summary>In <see cref="Seen"/> if a GPU was found with as many MIG devices as it can have.</summary>
    public const string FullOfMigDevices = "ListMigDevices Full";

    private static readonly ConcurrentDictionary<string, IReadOnlyList<GpuOffer>> KnownOffers = new();

    private readonly string _gpus;
    private readonly SimulatedGpu _machine;
    private readonly DriverModel[] _models;

    // Objects are kept from the creation on. Those whose instance was destroyed must notice.
    private readonly Dictionary<(int Gpu, int Id), GpuInstance> _instances = [];
    private readonly Dictionary<(int Gpu, int InstanceId, int Id), ComputeInstance> _compute = [];
    private readonly List<object> _gone = [];

    // A MIG device's UUID follows from the place of its GPU instance and from its graphics engine. The driver gives a compute instance
    // the lowest engine that is free, as it does with ids: the same two ids, the same UUID, whatever the profiles and slices.
    private readonly Dictionary<(int Gpu, int InstanceId, int Id), string> _uuids = [];

    public ModelComparison(TestedModel model)
    {
        _gpus = $"{model.Name}*{Gpus}";
        IReadOnlyList<GpuOffer> offers = KnownOffers.GetOrAdd(model.Name, ReadOffers);
        _machine = SimulatedGpu.Start(_gpus, migEnabled: false);
        _models = [.. Enumerable.Range(0, Gpus).Select(_ => new DriverModel(model.Architecture, offers))];
    }

    /// <summary>The operations done, with the answers.</summary>
    public List<string> History { get; } = [];

    /// <summary>The kinds of operations and answers that there were: <c>DestroyGpuInstance InUse</c>.</summary>
    public HashSet<string> Seen { get; } = [];

    /// <summary>Where the two differ; null if they do not. Nothing makes sense after that.</summary>
    public string? Difference { get; private set; }

    public void Dispose() => _machine.Dispose();

    public override string ToString() => $"on {_gpus},\n  {string.Join("\n  ", History)}\n{Difference ?? "There is no difference."}";

    /// <summary>Does it to both, unless there is nothing to do it to.</summary>
    public void Perform(Step step)
    {
        int index = step.Gpu % Gpus;
        GpuDevice gpu = _machine.Session.Devices[index];
        DriverModel model = _models[index];
        GpuOffer offer = Pick(model.Offers, step.First);
        switch (step.Act)
        {
            case Act.Enable:
                Compare(step, index, "enable MIG", model.SetMigMode(true), () => gpu.EnableMig());
                break;
            case Act.Disable:
                Compare(step, index, "disable MIG", model.SetMigMode(false), () => gpu.DisableMig());
                break;
            case Act.CreateGpuInstance:
                CreateGpuInstance(step, index, offer, null);
                break;
            case Act.CreateGpuInstanceAt:
                CreateGpuInstance(step, index, offer, Pick(offer.Places, step.Second));
                break;
            case Act.CreateGpuInstanceAnywhere:
                CreateGpuInstance(step, index, offer, Anywhere(step, model.MemoryUnits));
                break;
            case Act.CreateFromForeignProfile:
                GpuInstanceProfile foreign = offer.Profile with { MemoryMiB = offer.Profile.MemoryMiB + 1 };
                Compare(step, index, $"create {foreign} of another GPU", nameof(ArgumentException), () => gpu.CreateGpuInstance(foreign));
                break;
            case Act.DestroyGpuInstance when model.Instances.Count > 0:
                DestroyGpuInstance(step, index);
                break;
            case Act.CreateWholeComputeInstance when model.Instances.Count > 0:
                CreateComputeInstance(step, index, PickLarge(model, step), null, null);
                break;
            case Act.CreateComputeInstance or Act.CreateComputeInstanceAt or Act.CreateComputeInstanceAnywhere
                when model.Instances.Count > 0:
                ModelGpuInstance inside = PickLarge(model, step);
                ComputeOffer compute = Pick(inside.Offer.Compute, step.Second);
                CreateComputeInstance(step, index, inside, compute, step.Act switch
                {
                    Act.CreateComputeInstanceAt => Pick(compute.Places, step.Third),
                    Act.CreateComputeInstanceAnywhere => Anywhere(step, inside.Offer.Profile.SliceCount),
                    _ => null,
                });
                break;
            case Act.DestroyComputeInstance when model.MigDevices.Any():
                DestroyComputeInstance(step, index);
                break;
            case Act.FillUp:
                FillUp(step, index);
                break;
            case Act.Clear:
                Clear(step, index);
                break;
            case Act.UseWhatIsGone when _gone.Count > 0:
                UseWhatIsGone(step, index);
                break;
            case Act.FindGpuInstance:
                int id = step.First % 20 == 19 ? int.MaxValue : step.First % 20;
                Compare(step, index, $"find GPU instance {id}", model.FindGpuInstance(id), () => Describe(gpu.GetGpuInstance(id)));
                break;
            case Act.ListMigDevices:
                CompareMigDevices(step, index, "list MIG devices", model.MigDevices, gpu.GetMigDevices);
                if (model.MigDevices.Count() == model.Offers.Max(o => o.Profile.SliceCount))
                    Seen.Add(FullOfMigDevices);
                break;
            case Act.FindMigDevice when model.MigDevices.Any():
                (ModelGpuInstance of, ModelComputeInstance found) = Pick([.. model.MigDevices], step.First);
                CompareMigDevices(
                    step, index, $"find the MIG device of compute instance {found.Id} of GPU instance {of.Id}", [(of, found)], () =>
                        [_compute[(index, of.Id, found.Id)].GetMigDevice()]);
                break;
            default:
                Read(step, index);
                break;
        }
    }

    /// <summary>Reads everything that can be read.</summary>
    public void CompareAll()
    {
        foreach (int gpu in Enumerable.Range(0, Gpus))
        {
            Act[] once = [Act.ReadMode, Act.ListGpuInstances, Act.ListMigDevices];
            DriverModel model = _models[gpu];
            IEnumerable<Step> steps =
            [
                .. once.Select(act => new Step(act, gpu, 0, 0, 0)),
                .. model.Offers.Select((_, i) => new Step(Act.ReadCapacity, gpu, i, 0, 0)),
                .. model.Instances.Select((_, i) => new Step(Act.ListComputeInstances, gpu, i, 0, 0)),
                .. model.Instances.SelectMany((instance, i) =>
                    instance.Offer.Compute.Select((_, j) => new Step(Act.ReadComputeCapacity, gpu, i, j, 0))),
            ];
            foreach (Step step in steps)
            {
                if (Difference is null)
                    Perform(step);
            }
        }
    }

    private static IReadOnlyList<GpuOffer> ReadOffers(string model)
    {
        using SimulatedGpu machine = SimulatedGpu.Start(model);
        return GpuOffer.Read(machine.Gpu);
    }

    private static T Pick<T>(IReadOnlyCollection<T> of, int number) => of.ElementAt(number % of.Count);

    /// <summary>Large ones more often: more can happen inside.</summary>
    private static ModelGpuInstance PickLarge(DriverModel model, Step step) =>
        Pick([.. model.Instances.SelectMany(instance => Enumerable.Repeat(instance, instance.Offer.Profile.SliceCount))], step.First);

    /// <summary>Possible or not, in the grid or beside it.</summary>
    private static Placement Anywhere(Step step, int grid) => new(step.Second % (grid + 3) - 1, step.Third % (grid + 2));

    private static string Describe(GpuInstance instance) => $"{instance.Id} {instance.Profile} at {instance.Placement}";

    private static string Describe(ComputeInstance compute) =>
        $"{compute.Id} {compute.Profile} ({compute.Profile.Id}) at {compute.Placement}";

    private static string Describe<T>(IEnumerable<T> all) => $"[{string.Join("; ", all)}]";

    private static string At(Placement? place) => place is { } at ? $" at {at}" : "";

    private void Read(Step step, int index)
    {
        GpuDevice gpu = _machine.Session.Devices[index];
        DriverModel model = _models[index];
        GpuOffer offer = Pick(model.Offers, step.First);
        switch (step.Act)
        {
            case Act.ReadMode:
                Compare(step, index, "read the mode", new MigMode(model.MigEnabled, model.MigEnabled), () => gpu.GetMigMode());
                return;
            case Act.ListGpuInstances:
                Compare(step, index, "list GPU instances", Describe(model.Instances), () =>
                    Describe(gpu.GetGpuInstances().Select(Describe)));
                return;
            case Act.ReadCapacity:
                Compare(step, index, $"capacity for {offer.Profile}", model.GetRemainingCapacity(offer), () =>
                    gpu.GetRemainingCapacity(offer.Profile));
                return;
            case Act.ReadPlaces:
                Compare(step, index, $"places of {offer.Profile}", Describe(offer.Places), () =>
                    Describe(gpu.GetPossiblePlacements(offer.Profile)));
                return;
        }

        if (model.Instances.Count == 0)
            return;
        ModelGpuInstance instance = Pick(model.Instances, step.First);
        GpuInstance native = _instances[(index, instance.Id)];
        ComputeOffer compute = Pick(instance.Offer.Compute, step.Second);
        string where = $"{compute} in GPU instance {instance.Id}";
        switch (step.Act)
        {
            case Act.ListComputeInstances:
                Compare(step, index, $"list compute instances of GPU instance {instance.Id}", Describe(instance.Compute.Values), () =>
                    Describe(native.GetComputeInstances().Select(Describe)));
                return;
            case Act.ReadComputeCapacity:
                Compare(step, index, $"capacity for {where}", DriverModel.GetRemainingCapacity(instance, compute), () =>
                    native.GetRemainingCapacity(compute.Profile));
                return;
            case Act.ReadComputePlaces:
                Compare(step, index, $"places of {where}", Describe(compute.Places), () =>
                    Describe(native.GetPossiblePlacements(compute.Profile)));
                return;
        }
    }

    private void CreateGpuInstance(Step step, int index, GpuOffer offer, Placement? place)
    {
        Answer<ModelGpuInstance> expected = _models[index].CreateGpuInstance(offer, place);
        Compare(step, index, $"create {offer.Profile}{At(place)}", expected, () =>
        {
            GpuInstance created = _machine.Session.Devices[index].CreateGpuInstance(offer.Profile, place);
            _instances[(index, created.Id)] = created;
            return Describe(created);
        });
    }

    private void CreateComputeInstance(Step step, int index, ModelGpuInstance instance, ComputeOffer? offer, Placement? place)
    {
        string what = offer is null ? "the whole" : $"{offer}{At(place)}";
        Answer<ModelComputeInstance> expected = _models[index].CreateComputeInstance(instance, offer, place);
        Compare(step, index, $"create {what} in GPU instance {instance.Id}", expected, () =>
        {
            ComputeInstance created = _instances[(index, instance.Id)].CreateComputeInstance(offer?.Profile, place);
            _compute[(index, instance.Id, created.Id)] = created;
            return Describe(created);
        });
    }

    private void DestroyGpuInstance(Step step, int index)
    {
        ModelGpuInstance instance = Pick(_models[index].Instances, step.First);
        GpuInstance kept = _instances[(index, instance.Id)];
        bool byAnotherObject = step.Second % 2 == 0;
        NvmlReturnCode expected = _models[index].DestroyGpuInstance(instance);
        Compare(step, index, $"destroy GPU instance {instance.Id}{(byAnotherObject ? " through another object" : "")}", expected, () =>
        {
            GpuInstance native = byAnotherObject ? _machine.Session.Devices[index].GetGpuInstance(instance.Id) : kept;
            native.Destroy();
            return NvmlReturnCode.Success;
        });
        if (expected == NvmlReturnCode.Success)
        {
            _instances.Remove((index, instance.Id));
            _gone.Add(kept);
        }
    }

    private void DestroyComputeInstance(Step step, int index)
    {
        (ModelGpuInstance instance, ModelComputeInstance compute) = Pick([.. _models[index].MigDevices], step.First);
        ComputeInstance kept = _compute[(index, instance.Id, compute.Id)];
        bool byAnotherObject = step.Second % 2 == 0;
        instance.Compute.Remove(compute.Id);
        string how = byAnotherObject ? " through another object" : "";
        Compare(step, index, $"destroy compute instance {compute.Id} of GPU instance {instance.Id}{how}", NvmlReturnCode.Success, () =>
        {
            ComputeInstance native = byAnotherObject ? kept.GpuInstance.GetComputeInstances().Single(c => c.Id == compute.Id) : kept;
            native.Destroy();
            return NvmlReturnCode.Success;
        });
        _compute.Remove((index, instance.Id, compute.Id));
        _gone.Add(kept);
    }

    /// <summary>The smallest instances wherever one fits, and compute instances in them all.</summary>
    private void FillUp(Step step, int index)
    {
        DriverModel model = _models[index];
        GpuOffer small = model.Offers.First(offer => offer.Profile.Number == 0);
        while (Difference is null && model.MigEnabled && model.GetRemainingCapacity(small) > 0)
            CreateGpuInstance(step with { Act = Act.CreateGpuInstance }, index, small, null);
        foreach (ModelGpuInstance instance in model.Instances)
        {
            ComputeOffer oneSlice = instance.Offer.Compute.OrderBy(compute => compute.Places[0].Size).First();
            while (Difference is null && DriverModel.GetRemainingCapacity(instance, oneSlice) > 0)
                CreateComputeInstance(step with { Act = Act.CreateComputeInstance }, index, instance, oneSlice, null);
        }

        Perform(step with { Act = Act.ListMigDevices });
    }

    private void Clear(Step step, int index)
    {
        while (Difference is null && _models[index].MigDevices.Any())
            DestroyComputeInstance(step with { Act = Act.DestroyComputeInstance }, index);
        while (Difference is null && _models[index].Instances.Count > 0)
            DestroyGpuInstance(step with { Act = Act.DestroyGpuInstance }, index);
    }

    /// <summary>
    /// An object whose instance was destroyed says so, also where another one stands in its place now. Where that one is just like the
    /// first nobody can tell them apart, and it is left in peace.
    /// </summary>
    private void UseWhatIsGone(Step step, int gpu)
    {
        object gone = Pick(_gone, step.First);
        switch (gone)
        {
            case GpuInstance instance when !IsThere(instance):
                Compare(step, gpu, $"destroy {instance}, which is gone", NvmlReturnCode.NotFound, () => Do(instance.Destroy));
                Compare(step, gpu, $"create the whole in {instance}, which is gone", NvmlReturnCode.NotFound, () =>
                    instance.CreateComputeInstance());
                break;
            case ComputeInstance compute when !IsThere(compute):
                Compare(step, gpu, $"destroy {compute}, which is gone", NvmlReturnCode.NotFound, () => Do(compute.Destroy));
                Compare(step, gpu, $"find the MIG device of {compute}, which is gone", NvmlReturnCode.NotFound, () =>
                    compute.GetMigDevice());
                break;
        }

        static NvmlReturnCode Do(Action action)
        {
            action();
            return NvmlReturnCode.Success;
        }
    }

    private bool IsThere(GpuInstance instance) => Find(instance) is not null;

    private bool IsThere(ComputeInstance compute) =>
        Find(compute.GpuInstance) is { } instance
        && instance.Compute.TryGetValue(compute.Id, out ModelComputeInstance? found)
        && found.Offer.Profile == compute.Profile && found.Place == compute.Placement;

    private ModelGpuInstance? Find(GpuInstance instance) =>
        _models[instance.Device.Index].FindGpuInstance(instance.Id).Value is { } found
        && found.Offer.Profile == instance.Profile && found.Place == instance.Placement
            ? found
            : null;

    private void CompareMigDevices(
        Step step,
        int index,
        string what,
        IEnumerable<(ModelGpuInstance Instance, ModelComputeInstance Compute)> expected,
        Func<IReadOnlyList<MigDevice>> driver)
    {
        string actual = Ask(() => Describe(driver().Select(Remember)));
        string name = _machine.Session.Devices[index].Name;
        Compare(
            step,
            index,
            what,
            Describe(expected.Select(d =>
                $"{d.Instance.Id}/{d.Compute.Id} {name} MIG {d.Compute.Offer.Profile} {Uuid(d.Instance, d.Compute)}")),
            () => actual);

        // A new device may have any UUID that no other has.
        string Remember(MigDevice device)
        {
            if (!_uuids.ContainsValue(device.Uuid))
                _uuids.TryAdd((index, device.GpuInstanceId, device.ComputeInstanceId), device.Uuid);
            return $"{device.GpuInstanceId}/{device.ComputeInstanceId} {device.GetName()} {device.Uuid}";
        }

        string Uuid(ModelGpuInstance instance, ModelComputeInstance compute) =>
            _uuids.GetValueOrDefault((index, instance.Id, compute.Id), "with a UUID that no other has");
    }

    private void Compare<TExpected, TActual>(Step step, int gpu, string what, TExpected expected, Func<TActual> driver)
    {
        if (Difference is not null)
            return;
        string wanted = $"{expected}";
        string actual = Ask(driver);
        History.Add($"GPU {gpu}: {what} -> {actual}");
        bool isRefusal = Enum.IsDefined(typeof(NvmlReturnCode), actual.Split(' ')[0]) || actual == nameof(ArgumentException);
        Seen.Add($"{step.Act} {(isRefusal ? actual.Split(' ')[0] : nameof(NvmlReturnCode.Success))}");
        if (actual != wanted)
            Difference = $"GPU {gpu}: {what}\n  by the model  {wanted}\n  the simulator {actual}";
    }

    private static string Ask<T>(Func<T> driver)
    {
        try
        {
            return $"{driver()}";
        }
        catch (NvmlException e)
        {
            return $"{e.Code}";
        }
        catch (ArgumentException)
        {
            return nameof(ArgumentException);
        }
    }
}
