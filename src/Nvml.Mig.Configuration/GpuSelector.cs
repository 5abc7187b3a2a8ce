using System.Globalization;
using System.Text.RegularExpressions;

namespace Nvml.Mig.Configuration;

/// <summary>The kinds of <see cref="GpuSelector"/>.</summary>
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

/// <summary>Chooses GPUs in a layout file.</summary>
/// <remarks>
/// <list type="table">
/// <item><term><c>0</c></term><description>the GPU with that index</description></item>
/// <item><term><c>GPU-d9e55c6e-1a0e-25e3-9654-3ffe0e3174a4</c></term><description>the GPU with that UUID</description></item>
/// <item><term><c>00000000:07:00.0</c>, <c>07:00.0</c></term><description>the GPU at that PCI bus id</description></item>
/// <item><term><c>0x233010DE</c></term><description>all GPUs with that PCI device id</description></item>
/// <item><term><c>0x25B610DE:0x14A910DE</c></term><description>all GPUs with that PCI device id and subsystem id</description></item>
/// <item>
/// <term><c>NVIDIA H100 80GB HBM3</c>, <c>H200</c></term><description>all GPUs of that name, with or without "NVIDIA", in any
/// case</description>
/// </item>
/// </list>
/// </remarks>
public sealed partial record GpuSelector
{
    private const uint NvidiaVendor = 0x10DE;
    private const string Vendor = "NVIDIA ";
    private const RegexOptions Options = RegexOptions.IgnoreCase | RegexOptions.ExplicitCapture | RegexOptions.CultureInvariant;

    private GpuSelector(GpuSelectorKind kind, string text)
    {
        Kind = kind;
        Text = text;
    }

    /// <summary>The kind.</summary>
    public GpuSelectorKind Kind { get; }

    /// <summary>The text in its normal form: full bus ids, hexadecimal digits in upper case.</summary>
    public string Text { get; }

    /// <summary>Whether it means one GPU, not a kind of GPU.</summary>
    public bool IsOne => Kind is GpuSelectorKind.Index or GpuSelectorKind.Uuid or GpuSelectorKind.PciBusId;

    /// <summary>Reads a selector.</summary>
    /// <param name="text">Any of the forms above.</param>
    /// <exception cref="FormatException">The text has none of these forms; the message says what was expected.</exception>
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
    /// <param name="text">
    /// The id, such as <c>0x233010DE</c> or, with the subsystem's, <c>0x25B610DE:0x14A910DE</c>. As for mig-parted, the numbers can be
    /// decimal too, or have the prefixes of Go: <c>0b</c>, <c>0o</c> and <c>0</c>.
    /// </param>
    /// <exception cref="FormatException">
    /// The text is no such id, or not one of NVIDIA's. mig-parted accepts any text as a filter, and finds no GPU for such a one.
    /// </exception>
    public static GpuSelector ParsePciDevice(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        string[] parts = text.Split(':');
        uint? device = ReadGoNumber(parts[0]);
        uint? subsystem = parts.Length == 2 ? ReadGoNumber(parts[1]) : null;
        if (device is null || parts.Length > 2 || (parts.Length == 2 && subsystem is null))
        {
            throw new FormatException(
                $"'{text}' is not a PCI device id: that is 0x, 4 hexadecimal digits for the device and 4 for the vendor, "
                + "as in 0x233010DE, and with a subsystem 0x25B610DE:0x14A910DE. "
                + "'nvidia-smi --query-gpu=pci.device_id --format=csv' prints it.");
        }

        return (device & 0xFFFF) == NvidiaVendor
            ? new GpuSelector(GpuSelectorKind.PciDevice, PciDevice(device.Value, subsystem))
            : throw new FormatException($"'{text}' is not the id of an NVIDIA device: its last 4 digits must be 10DE, as in 0x233010DE.");
    }

    /// <summary>Whether it chooses a GPU. Only an index chooses one that does not answer.</summary>
    /// <param name="gpu">The GPU.</param>
    public bool Matches(GpuIdentity gpu)
    {
        ArgumentNullException.ThrowIfNull(gpu);
        if (!gpu.IsReadable && Kind != GpuSelectorKind.Index)
            return false;
        return Kind switch
        {
            GpuSelectorKind.Index => Text == gpu.Index.ToString(CultureInfo.InvariantCulture),
            GpuSelectorKind.Uuid => Text.Equals(gpu.Uuid, StringComparison.OrdinalIgnoreCase),
            GpuSelectorKind.PciBusId => Text.Equals(gpu.PciBusId, StringComparison.OrdinalIgnoreCase),
            GpuSelectorKind.PciDevice =>
                Text == PciDevice(gpu.PciDeviceId, Text.Contains(':', StringComparison.Ordinal) ? gpu.PciSubsystemId : null),
            _ => gpu.Name.Equals(Text, StringComparison.OrdinalIgnoreCase)
                || gpu.Name.Equals(Vendor + Text, StringComparison.OrdinalIgnoreCase),
        };
    }

    /// <summary>The text.</summary>
    public override string ToString() => Text;

    private const string Forms =
        "GPUs are chosen by index (0), UUID (GPU-...), PCI bus id (0000:07:00.0), PCI device id (0x233010DE) or name (H200).";

    /// <summary>A number as Go's <c>strconv.ParseUint(text, 0, 32)</c> reads it, with which mig-parted reads device filters.</summary>
    private static uint? ReadGoNumber(string text)
    {
        if (GoNumber().Match(text) is not { Success: true } match)
            return null;
        (string digits, ulong radix) = match.Groups switch
        {
            var g when g["hex"].Success => (g["hex"].Value, 16UL),
            var g when g["binary"].Success => (g["binary"].Value, 2UL),
            var g when g["octal"].Success => (g["octal"].Value, 8UL),
            var g => (g["decimal"].Value, 10UL),
        };
        ulong number = 0;
        foreach (char digit in digits.Where(digit => digit != '_'))
        {
            number = (number * radix) + (ulong)Convert.ToInt32(digit.ToString(), 16);
            if (number > uint.MaxValue)
                return null;
        }

        return (uint)number;
    }

    private static string PciDevice(uint device, uint? subsystem) => subsystem is { } id ? $"0x{device:X8}:0x{id:X8}" : $"0x{device:X8}";

    [GeneratedRegex(@"^((?<domain>[0-9a-f]{4}|[0-9a-f]{8}):)?(?<rest>[0-9a-f]{2}:[0-9a-f]{2}\.[0-7])\z", Options, 1000)]
    private static partial Regex BusId();

    [GeneratedRegex(
        @"^(0x(?<hex>(_?[0-9a-f])+)|0b(?<binary>(_?[01])+)|0o?(?<octal>(_?[0-7])+)|(?<decimal>0|[1-9](_?[0-9])*))\z", Options, 1000)]
    private static partial Regex GoNumber();
}
