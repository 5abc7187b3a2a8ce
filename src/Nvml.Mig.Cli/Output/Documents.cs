using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;
using Nvml.Mig.Cli.Apply;
using Nvml.Mig.Cli.Assert;
using Nvml.Mig.Cli.Bench;
using Nvml.Mig.Cli.Create;
using Nvml.Mig.Cli.Destroy;
using Nvml.Mig.Cli.Devices;
using Nvml.Mig.Cli.Doctor;
using Nvml.Mig.Cli.Export;
using Nvml.Mig.Cli.Leases;
using Nvml.Mig.Cli.List;
using Nvml.Mig.Cli.Mode;
using Nvml.Mig.Cli.Placements;
using Nvml.Mig.Cli.Plan;
using Nvml.Mig.Cli.Profiles;
using Nvml.Mig.Cli.Queues;
using Nvml.Mig.Cli.Reservations;
using Nvml.Mig.Cli.Simulate;
using Nvml.Mig.Cli.Slurm;
using Nvml.Mig.Cli.Top;

namespace Nvml.Mig.Cli.Output;

/// <summary>
/// The documents of <c>--json</c>. Members are added, never renamed or removed. In each document <c>error</c> is null exactly if the exit
/// code is 0; in each entry of <c>gpus</c> it is what failed on that GPU.
/// </summary>
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, WriteIndented = true, UseStringEnumConverter = true)]
[JsonSerializable(typeof(DevicesDocument))]
[JsonSerializable(typeof(DoctorDocument))]
[JsonSerializable(typeof(ModeDocument))]
[JsonSerializable(typeof(ProfilesDocument))]
[JsonSerializable(typeof(PlacementsDocument))]
[JsonSerializable(typeof(ListDocument))]
[JsonSerializable(typeof(CreateDocument))]
[JsonSerializable(typeof(DestroyDocument))]
[JsonSerializable(typeof(PlanDocument))]
[JsonSerializable(typeof(ApplyDocument))]
[JsonSerializable(typeof(AssertDocument))]
[JsonSerializable(typeof(ExportDocument))]
[JsonSerializable(typeof(BenchDocument))]
[JsonSerializable(typeof(LeaseDocument))]
[JsonSerializable(typeof(LeaseListDocument))]
[JsonSerializable(typeof(ClearDocument))]
[JsonSerializable(typeof(PolicyDocument))]
[JsonSerializable(typeof(QueuesDocument))]
[JsonSerializable(typeof(ReservationsDocument))]
[JsonSerializable(typeof(TopDocument))]
[JsonSerializable(typeof(SlurmJobDocument))]
[JsonSerializable(typeof(SlurmConfigDocument))]
[JsonSerializable(typeof(ErrorDocument))]
[JsonSerializable(typeof(ResetDocument))]
[JsonSerializable(typeof(ModelsDocument))]
internal sealed partial class Documents : JsonSerializerContext
{
    public static void Print<T>(T document)
    {
        // It goes to a terminal or a file, not into a web page, so the plus in 1g.5gb+me stays a plus.
        Documents plain = new(new JsonSerializerOptions(Default.Options) { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping });
        Terminal.WriteLines(JsonSerializer.Serialize(document, typeof(T), plain) + "\n");
    }
}
