using System.Globalization;
using System.Text.RegularExpressions;

namespace Nvml.Mig.Configuration;

/// <summary>What a <see cref="GpuSelector"/> goes by.</summary>
public enum GpuSelectorKind
{
    /// <summary>NVML's index: one GPU.</summary>
    Index,

    /// <summary>The UUID: one GPU.</summary>
    Uuid,

    /// <summary>The PCI bus id: one GPU.</summary>
    PciBusId,

    /// <summary>The PCI device id, with or without the subsystem's: all GPUs of that kind.</summary>
    PciDevice,

    /// <summary>The product's name: all GPUs of that name.</summary>
    Model,
}

/// <summary>How a layout file chooses GPUs.</summary>
/// <remarks>
/// <list type="table">
/// <item><term><c>0</c></term><description>the GPU with that index</description></item>
/// <item><term><c>GPU-d9e55c6e-1a0e-25e3-9654-3ffe0e3174a4</c></term><description>the GPU with that UUID</description></item>
/// <item><term><c>00000000:07:00.0</c>, <c>07:00.0</c></term><description>the GPU at that PCI bus id</description></item>
/// <item><term><c>0x233010DE</c>, <c>0x25B610DE:0x14A910DE</c></term><description>all GPUs with that PCI device id, and in the second form that subsystem id</description></item>
/// <item><term><c>NVIDIA H100 80GB HBM3</c>, <c>H200</c></term><description>all GPUs of that name, with or without "NVIDIA", in any case</description></item>
/// </list>
/// </remarks>
public sealed partial record GpuSelector
{
    private const uint NvidiaVendor = 0x10DE;
    private const string Vendor = "NVIDIA ";

    private GpuSelector(GpuSelectorKind kind, string text)
    {
        Kind = kind;
        Text = text;
    }

    /// <summary>What it goes by.</summary>
    public GpuSelectorKind Kind { get; }

    /// <summary>The text, in the one form that compares equal: full bus ids, hexadecimal digits in upper case.</summary>
    public string Text { get; }

    /// <summary>Whether it means one GPU and not a kind of GPU.</summary>
    public bool IsOne => Kind is GpuSelectorKind.Index or GpuSelectorKind.Uuid or GpuSelectorKind.PciBusId;

    /// <summary>Reads one.</summary>
    /// <param name="text">Any of the forms above.</param>
    /// <exception cref="FormatException">It is none of them; the message says what was expected.</exception>
    public static GpuSelector Parse(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        string name = text.Trim();
        if (name.Length == 0)
            throw new FormatException("The name of a GPU is empty. " + Forms);
        if (int.TryParse(name, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out int index))
            return ByIndex(index);
        if (name.StartsWith("GPU-", StringComparison.OrdinalIgnoreCase))
        {
            return Guid.TryParseExact(name.AsSpan(4), "D", out Guid uuid)
                ? new GpuSelector(GpuSelectorKind.Uuid, $"GPU-{uuid:D}")
                : throw new FormatException($"'{name}' is not the UUID of a GPU: that is GPU- and 36 characters.");
        }

        if (BusId().Match(name) is { Success: true } bus)
        {
            string domain = bus.Groups["domain"].Value.PadLeft(8, '0');
            return new GpuSelector(GpuSelectorKind.PciBusId, $"{domain}:{bus.Groups["rest"].Value}".ToUpperInvariant());
        }

        if (name.StartsWith("0x", StringComparison.OrdinalIgnoreCase))
            return ParsePciDevice(name);
        if (name.StartsWith("MIG-", StringComparison.OrdinalIgnoreCase) || name.Equals("all", StringComparison.OrdinalIgnoreCase))
            throw new FormatException($"'{name}' does not name a GPU. " + Forms);
        return new GpuSelector(GpuSelectorKind.Model, name);
    }

    /// <summary>The GPU with an index.</summary>
    /// <param name="index">NVML's index.</param>
    /// <exception cref="FormatException">It is negative.</exception>
    public static GpuSelector ByIndex(int index) =>
        index >= 0
            ? new GpuSelector(GpuSelectorKind.Index, index.ToString(CultureInfo.InvariantCulture))
            : throw new FormatException(string.Create(CultureInfo.InvariantCulture, $"There is no GPU {index}: indices begin at 0."));

    /// <summary>Reads a PCI device id as mig-parted's device filters have it.</summary>
    /// <param name="text">The id, such as <c>0x233010DE</c> or, with the subsystem's, <c>0x25B610DE:0x14A910DE</c>.</param>
    /// <exception cref="FormatException">
    /// It is none, or can be none of NVIDIA's. mig-parted takes anything for a filter, and finds no GPU for such a one.
    /// </exception>
    public static GpuSelector ParsePciDevice(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        if (DeviceFilter().Match(text) is not { Success: true } match)
        {
            throw new FormatException(
                $"'{text}' is not a PCI device id: that is 0x, 4 hexadecimal digits for the device and 4 for the vendor, as in 0x233010DE, and with a subsystem 0x25B610DE:0x14A910DE. 'nvidia-smi --query-gpu=pci.device_id --format=csv' prints it.");
        }

        string device = match.Groups["device"].Value;
        return (uint.Parse(device, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture) & 0xFFFF) == NvidiaVendor
            ? new GpuSelector(GpuSelectorKind.PciDevice, PciDevice(device, match.Groups["subsystem"] is { Success: true } subsystem ? subsystem.Value : null))
            : throw new FormatException($"'{text}' is not the id of an NVIDIA device: its last 4 digits must be 10DE, as in 0x233010DE.");
    }

    /// <summary>Whether it chooses a GPU.</summary>
    /// <param name="gpu">The GPU.</param>
    public bool Matches(GpuIdentity gpu)
    {
        ArgumentNullException.ThrowIfNull(gpu);
        return Kind switch
        {
            GpuSelectorKind.Index => Text == gpu.Index.ToString(CultureInfo.InvariantCulture),
            GpuSelectorKind.Uuid => Text.Equals(gpu.Uuid, StringComparison.OrdinalIgnoreCase),
            GpuSelectorKind.PciBusId => Text.Equals(gpu.PciBusId, StringComparison.OrdinalIgnoreCase),
            GpuSelectorKind.PciDevice => Text == PciDevice(Hex(gpu.PciDeviceId), Text.Contains(':', StringComparison.Ordinal) ? Hex(gpu.PciSubsystemId) : null),
            _ => gpu.Name.Equals(Text, StringComparison.OrdinalIgnoreCase) || gpu.Name.Equals(Vendor + Text, StringComparison.OrdinalIgnoreCase),
        };
    }

    /// <summary>The text.</summary>
    public override string ToString() => Text;

    private const string Forms = "GPUs are chosen by index (0), UUID (GPU-...), PCI bus id (0000:07:00.0), PCI device id (0x233010DE) or name (H200).";

    private static string Hex(uint id) => id.ToString("X8", CultureInfo.InvariantCulture);

    private static string PciDevice(string device, string? subsystem) =>
        subsystem is null ? $"0x{device.ToUpperInvariant()}" : $"0x{device.ToUpperInvariant()}:0x{subsystem.ToUpperInvariant()}";

    [GeneratedRegex(@"^((?<domain>[0-9a-f]{4}|[0-9a-f]{8}):)?(?<rest>[0-9a-f]{2}:[0-9a-f]{2}\.[0-7])\z", RegexOptions.IgnoreCase | RegexOptions.ExplicitCapture | RegexOptions.CultureInvariant, 1000)]
    private static partial Regex BusId();

    [GeneratedRegex(@"^0x(?<device>[0-9a-f]{8})(:0x(?<subsystem>[0-9a-f]{8}))?\z", RegexOptions.IgnoreCase | RegexOptions.ExplicitCapture | RegexOptions.CultureInvariant, 1000)]
    private static partial Regex DeviceFilter();
}
