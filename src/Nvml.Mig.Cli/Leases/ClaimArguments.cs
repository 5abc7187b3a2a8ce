using System.CommandLine;
using System.CommandLine.Parsing;
using System.Globalization;
using System.Text.RegularExpressions;
using Nvml.Mig.Agent.Documents;
using Nvml.Mig.Cli.Arguments;
using Nvml.Mig.Leasing;

namespace Nvml.Mig.Cli.Leases;

/// <summary>The options of the commands that claim instances.</summary>
internal static partial class ClaimArguments
{
    public static readonly Option<string?> Profile = new("--profile", "-p")
    {
        Description = "The profile of the instance, such as 1g.10gb.",
        HelpName = "PROFILE",
    };

    public static readonly Option<long?> Memory = new("--memory", "-m")
    {
        Description = "The memory that it must have at least, such as 12GiB: the smallest profile that will do is taken.",
        HelpName = "SIZE",
        CustomParser = ParseMemory,
    };

    public static readonly Option<int?> Compute = new("--compute")
    {
        Description = "The compute slices that it must have at least.",
        HelpName = "SLICES",
    };

    public static readonly Option<decimal?> Fraction = new("--fraction")
    {
        Description = "A part of the instance of --profile, or else of a whole GPU, beside others of yours: over 0 and below 1. Held by "
            + "MPS.",
        HelpName = "PART",
    };

    public static readonly Option<FractionMode> Mode = new("--mode")
    {
        Description = "What a fraction can do with computing power that others leave unused: fair, have it (by default); strict, nothing; "
            + "equal, all may use all.",
        HelpName = "MODE",
        CustomParser = ParseMode,
    };

    public static readonly Option<long?> MemoryRequest = new("--memory-request")
    {
        Description = "The memory that is kept for a fraction, such as 8GiB.",
        HelpName = "SIZE",
        CustomParser = ParseMemory,
    };

    public static readonly Option<long?> MemoryLimit = new("--memory-limit")
    {
        Description = "The most memory that each process of a fraction gets. By default what is kept for it.",
        HelpName = "SIZE",
        CustomParser = ParseMemory,
    };

    public static readonly Option<decimal?> ComputeRequest = new("--compute-request")
    {
        Description = "The computing power that is kept for a fraction, in per cent.",
        HelpName = "PERCENT",
    };

    public static readonly Option<decimal?> ComputeLimit = new("--compute-limit")
    {
        Description = "The most multiprocessors that a fraction can use, in per cent.",
        HelpName = "PERCENT",
    };

    public static readonly Option<int> Count = new("--count", "-n")
    {
        Description = "How many of them, all or none. By default 1.",
        HelpName = "N",
        DefaultValueFactory = _ => 1,
    };

    public static readonly Option<string> Queue = new("--queue", "-q")
    {
        Description = $"The queue. By default {LeaseOptions.DefaultQueue}.",
        HelpName = "QUEUE",
        DefaultValueFactory = _ => LeaseOptions.DefaultQueue,
    };

    public static readonly Option<int> Priority = new("--priority")
    {
        Description = "Within the queue, higher goes first, and takes from lower that is preemptible. By default 0.",
        HelpName = "N",
    };

    public static readonly Option<bool> Preemptible = new("--preemptible")
    {
        Description = "The lease can be taken back for others. Only such a lease can be above the quota of its queue.",
    };

    public static readonly Option<TimeSpan?> MinimumRuntime = Durations.Option(
        "--min-runtime", "How long a preemptible lease is safe from being taken back.");

    public static readonly Option<string[]> Model = new("--model")
    {
        Description = "The models of GPUs that will do, by a part of their name, such as H100. By default any.",
        HelpName = "MODEL",
    };

    public static readonly Option<string?> Label = new("--label")
    {
        Description = "A text of yours that lists show, such as slurm:1234.",
        HelpName = "TEXT",
    };

    /// <summary>Without a value: without end.</summary>
    public static readonly Option<string?> Wait = new("--wait")
    {
        Description = "Wait until it is granted, at most for a time: --wait, --wait=10m. Without it, what cannot be had now is an error.",
        HelpName = "TIME",
        Arity = ArgumentArity.ZeroOrOne,
    };

    public static IReadOnlyList<Option> All { get; } =
    [
        Profile, Memory, Compute, Fraction, Mode, MemoryRequest, MemoryLimit, ComputeRequest, ComputeLimit, Count, Queue, Priority,
        Preemptible, MinimumRuntime, Model, Label, Wait,
    ];

    /// <summary>The claim of the command line.</summary>
    /// <exception cref="UsageException">It makes no sense.</exception>
    public static ClaimRequest Read(ParseResult parsed, Machine machine, string id)
    {
        int count = parsed.GetValue(Count);
        if (count < 1)
            throw new UsageException("--count is 1 at least.");
        FractionRequest? fraction = ReadFraction(parsed);
        return new ClaimRequest
        {
            Id = id,
            Queue = parsed.GetValue(Queue)!,
            Uid = Caller.Uid,
            Label = parsed.GetValue(Label),
            Requests = [ReadRequest(parsed, count, isPart: fraction is not null)],
            Fraction = fraction,
            Priority = parsed.GetValue(Priority),
            Preemptible = parsed.GetValue(Preemptible),
            MinimumRuntimeSeconds = parsed.GetValue(MinimumRuntime)?.TotalSeconds ?? 0,
            Gpus = machine.NamesGpus ? [.. machine.Gpus().Select(g => g.Uuid)] : [],
            Models = ReadModels(parsed, machine),
        };
    }

    /// <summary>How long to wait: null without end, zero not at all.</summary>
    /// <exception cref="UsageException">It is no time.</exception>
    public static TimeSpan? ReadWait(ParseResult parsed)
    {
        if (parsed.GetResult(Wait) is not { } wait)
            return TimeSpan.Zero;
        if (wait.Tokens is not [{ Value: var text }])
            return null;
        return Durations.TryParse(text)
            ?? throw new UsageException($"--wait={text} is no time: write seconds, or 90s, 10m, 1h30m. A program goes behind --.");
    }

    /// <summary>A size in MiB, rounded up; null if the text is none.</summary>
    public static long? TryParseMemory(string text)
    {
        Match match = Size().Match(text);
        if (!match.Success)
            return null;
        double bytes = double.Parse(match.Groups["number"].Value, CultureInfo.InvariantCulture) * match.Groups["unit"].Value switch
        {
            "MiB" or "M" => 1L << 20,
            "GiB" or "G" => 1L << 30,
            "MB" => 1_000_000,
            _ => 1_000_000_000,
        };
        return (long)Math.Ceiling(bytes / (1L << 20));
    }

    /// <summary>A mode by its name; null if there is none.</summary>
    public static FractionMode? TryParseMode(string text)
    {
        foreach (FractionMode mode in Enum.GetValues<FractionMode>())
        {
            if (mode.ToString().Equals(text, StringComparison.OrdinalIgnoreCase))
                return mode;
        }

        return null;
    }

    private static FractionRequest? ReadFraction(ParseResult parsed)
    {
        FractionRequest fraction = new()
        {
            Share = parsed.GetValue(Fraction),
            Mode = parsed.GetValue(Mode),
            MemoryRequestMiB = parsed.GetValue(MemoryRequest),
            MemoryLimitMiB = parsed.GetValue(MemoryLimit),
            ComputeRequest = parsed.GetValue(ComputeRequest),
            ComputeLimit = parsed.GetValue(ComputeLimit),
        };
        if (fraction == new FractionRequest())
            return null;
        return fraction is { Share: null, MemoryRequestMiB: null }
            ? throw new UsageException("A fraction needs --fraction or --memory-request.")
            : fraction;
    }

    private static FractionMode ParseMode(ArgumentResult argument)
    {
        string text = argument.Tokens is [{ Value: var value }] ? value : "";
        if (TryParseMode(text) is { } mode)
            return mode;
        argument.AddError($"'{text}' is no mode: write fair, strict or equal.");
        return default;
    }

    private static InstanceRequestEntry ReadRequest(ParseResult parsed, int count, bool isPart)
    {
        string? profile = parsed.GetValue(Profile);
        if (isPart && profile is null && parsed.GetValue(Memory) is null && parsed.GetValue(Compute) is null)
            profile = GrantedFraction.WholeGpu;
        long? memory = parsed.GetValue(Memory);
        int? compute = parsed.GetValue(Compute);
        if ((profile is null) == (memory is null && compute is null))
            throw new UsageException("Name a profile with --profile, or what the instance must have with --memory and --compute.");
        return new InstanceRequestEntry { Profile = profile, MemoryMiB = memory ?? 0, ComputeSlices = compute ?? 0, Count = count };
    }

    private static string[] ReadModels(ParseResult parsed, Machine machine)
    {
        string[] parts = parsed.GetValue(Model) ?? [];
        if (parts.Length == 0)
            return [];
        string[] all = [.. machine.Session.Devices.Select(g => g.Name).Distinct(StringComparer.Ordinal)];
        string[] models = [.. all.Where(name => Array.Exists(parts, part => name.Contains(part, StringComparison.OrdinalIgnoreCase)))];
        return models.Length > 0
            ? models
            : throw new UsageException($"No GPU of this machine is a {string.Join(" or ", parts)}. There are: {string.Join(", ", all)}.");
    }

    private static long? ParseMemory(ArgumentResult argument)
    {
        string text = argument.Tokens is [{ Value: var value }] ? value : "";
        if (TryParseMemory(text) is { } size)
            return size;
        argument.AddError($"'{text}' is no size: write 12GiB, 12000MiB or 12GB.");
        return null;
    }

    [GeneratedRegex(
        @"^(?<number>\d{1,9}(\.\d{1,6})?)(?<unit>MiB|GiB|M|G|MB|GB)$", RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 1000)]
    private static partial Regex Size();
}
