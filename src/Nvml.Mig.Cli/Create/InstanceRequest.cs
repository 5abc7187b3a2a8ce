using Nvml.Mig.Cli.Arguments;

namespace Nvml.Mig.Cli.Create;

/// <summary>A GPU instance to create: a profile by name or id, and a start or null.</summary>
internal sealed record InstanceRequest(string Profile, int? Start)
{
    /// <summary>
    /// Parses a list of GPU instances to create in that order: <c>9,19:0</c>, <c>3g.20gb,1g.5gb*3</c>, as <c>nvidia-smi mig -cgi</c> does.
    /// </summary>
    /// <exception cref="UsageException">It is not a list of GPU instances.</exception>
    public static IReadOnlyList<InstanceRequest> ParseMany(IEnumerable<string> arguments)
    {
        List<InstanceRequest> requests = [];
        foreach (string text in arguments.SelectMany(argument => argument.Split(',')))
        {
            InstanceSpec item = Parse(text);
            if (item.Kind != InstanceSpecKind.Have || item.Shared is not null || item.ComputeInstances is not null)
                throw new UsageException(
                    $"'{text.Trim()}' is more than a GPU instance to create: write PROFILE, PROFILE:START or PROFILE*COUNT.");
            requests.AddRange(Enumerable.Repeat(new InstanceRequest(item.Profile, item.Start), item.Count));
        }

        return requests;
    }

    private static InstanceSpec Parse(string text)
    {
        try
        {
            return InstanceSpec.Parse(text);
        }
        catch (PlanningException e)
        {
            throw new UsageException(e.Message);
        }
    }
}
