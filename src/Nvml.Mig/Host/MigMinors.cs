using System.Globalization;

namespace Nvml.Mig.Host;

/// <summary>
/// The numbers of MIG's capabilities: the access rights of the device node <c>/dev/nvidia-caps/nvidia-capN</c> decide who may change MIG,
/// who may list it, and who may use an instance. The driver lists them in one file.
/// </summary>
/// <remarks>
/// The file is there as soon as the driver is loaded, MIG enabled or not, and has every instance that there can be: 4322 lines on an
/// H200 with driver 580. It names a GPU by its minor number (<see cref="GpuDevice.MinorNumber"/>), not by NVML's index.
/// </remarks>
public sealed class MigMinors
{
    /// <summary>The driver's file, on the host.</summary>
    public const string FilePath = "/proc/driver/nvidia-caps/mig-minors";

    /// <summary>Ten times the file of driver 580, of 4322 lines.</summary>
    private const int MaxBytes = 1 << 20;

    private readonly Dictionary<string, int> _numbers = new(StringComparer.Ordinal);
    private readonly Dictionary<int, string> _names = [];

    private MigMinors()
    {
    }

    /// <summary>
    /// The numbers that every driver known so far gives (R450 to R595, for 32 GPUs of 15 GPU instances of 8 compute instances): for
    /// machines without the driver, as where specifications are prepared for others. On a machine with it, read its file.
    /// </summary>
    public static MigMinors Known { get; } = CreateKnown();

    /// <summary>The number of the capability to change MIG (1); null if the driver has none.</summary>
    public int? Config => Find("config");

    /// <summary>The number of the capability to list instances (2); null if the driver has none.</summary>
    public int? Monitor => Find("monitor");

    /// <summary>Reads the driver's file. Needs no privileges.</summary>
    /// <param name="root">Where the host's file system is.</param>
    /// <exception cref="FileNotFoundException">There is none: no NVIDIA driver is loaded, or the root is not that of a host.</exception>
    /// <exception cref="MigMinorsFormatException">The file is not of the form that is known.</exception>
    /// <exception cref="IOException">The file cannot be read.</exception>
    /// <exception cref="UnauthorizedAccessException">The file cannot be read.</exception>
    public static MigMinors Read(HostRoot root = default)
    {
        string file = root.Locate(FilePath);
        try
        {
            using StreamReader reader = new(new MemoryStream(RegularFile.ReadAllBytes(file, MaxBytes)));
            return Read(reader, file);
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            throw new FileNotFoundException(
                $"There is no {file}, where the NVIDIA driver lists the device numbers of MIG's capabilities. Load the driver (nvidia-smi "
                + "or 'modprobe nvidia' does); in a container, mount the host's /proc and name the root that it is under.",
                file,
                e);
        }
    }

    /// <summary>Reads the text of the driver's file, line by line.</summary>
    /// <param name="reader">The text.</param>
    /// <param name="source">Its name in messages.</param>
    /// <exception cref="MigMinorsFormatException">
    /// A line is not of the form <c>gpu0/gi1/ci0/access 13</c>, or says what another said.
    /// </exception>
    public static MigMinors Read(TextReader reader, string source = FilePath)
    {
        ArgumentNullException.ThrowIfNull(reader);
        MigMinors minors = new();
        int lineNumber = 0;
        while (reader.ReadLine() is { } line)
        {
            lineNumber++;
            // Names that are not known are kept: later drivers may have more than GPUs and instances.
            if (line.Split(' ') is not [{ Length: > 0 } name, string text]
                || !int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out int number))
            {
                throw new MigMinorsFormatException(source, lineNumber, $"'{line}' is not a name and a number, as in 'gpu0/gi1/access 12'");
            }

            if (!minors._numbers.TryAdd(name, number))
                throw new MigMinorsFormatException(source, lineNumber, $"{name} has a number already, {minors._numbers[name]}");
            if (!minors._names.TryAdd(number, name))
                throw new MigMinorsFormatException(source, lineNumber, $"{number} is the number of {minors._names[number]} already");
        }

        return minors;
    }

    /// <summary>The number of the capability to use a GPU instance; null if the driver has none for it.</summary>
    /// <param name="gpuMinor">The minor number of the GPU.</param>
    /// <param name="gpuInstanceId">The id of the GPU instance.</param>
    public int? GetGpuInstance(int gpuMinor, int gpuInstanceId) => Find(NameOf(gpuMinor, gpuInstanceId));

    /// <summary>The number of the capability to use a compute instance; null if the driver has none for it.</summary>
    /// <param name="gpuMinor">The minor number of the GPU.</param>
    /// <param name="gpuInstanceId">The id of the GPU instance.</param>
    /// <param name="computeInstanceId">The id of the compute instance in it.</param>
    public int? GetComputeInstance(int gpuMinor, int gpuInstanceId, int computeInstanceId) =>
        Find(NameOf(gpuMinor, gpuInstanceId, computeInstanceId));

    /// <summary>
    /// The capability of a number: <c>config</c>, <c>monitor</c>, <c>gpu0/gi1/access</c>, <c>gpu0/gi1/ci0/access</c>; null if for nothing.
    /// </summary>
    /// <param name="number">The number, the N of <c>/dev/nvidia-caps/nvidia-capN</c>.</param>
    public string? GetName(int number) => _names.GetValueOrDefault(number);

    /// <summary>The device node of a number.</summary>
    internal const string DeviceNodePrefix = "/dev/nvidia-caps/nvidia-cap";

    internal static string DeviceNode(int number) => string.Create(CultureInfo.InvariantCulture, $"{DeviceNodePrefix}{number}");

    internal static string NameOf(int gpuMinor, int gpuInstanceId) =>
        string.Create(CultureInfo.InvariantCulture, $"gpu{gpuMinor}/gi{gpuInstanceId}/access");

    internal static string NameOf(int gpuMinor, int gpuInstanceId, int computeInstanceId) =>
        string.Create(CultureInfo.InvariantCulture, $"gpu{gpuMinor}/gi{gpuInstanceId}/ci{computeInstanceId}/access");

    private int? Find(string name) => _numbers.TryGetValue(name, out int number) ? number : null;

    /// <summary>Counted up from 1 in the order of the file (nv-caps.c of NVIDIA's open kernel modules, and the file of an H200).</summary>
    private static MigMinors CreateKnown()
    {
        MigMinors minors = new();
        void Add(string name)
        {
            int number = minors._numbers.Count + 1;
            minors._numbers.Add(name, number);
            minors._names.Add(number, name);
        }

        Add("config");
        Add("monitor");
        for (int gpu = 0; gpu < 32; gpu++)
        {
            for (int gpuInstance = 0; gpuInstance < 15; gpuInstance++)
            {
                Add(NameOf(gpu, gpuInstance));
                for (int computeInstance = 0; computeInstance < 8; computeInstance++)
                    Add(NameOf(gpu, gpuInstance, computeInstance));
            }
        }

        return minors;
    }
}
