using System.Net;
using Microsoft.Extensions.Options;
using Nvml.Mig.Agent.Callers;

namespace Nvml.Mig.Agent.Options;

/// <summary>Finds at the start what would fail later.</summary>
internal sealed class AgentOptionsValidator : IValidateOptions<AgentOptions>
{
    /// <summary>As long as the kernel lets a name be, with the 0 at its end (unix(7)).</summary>
    private const int MaxSocketName = 107;

    public ValidateOptionsResult Validate(string? name, AgentOptions options)
    {
        List<string> wrong = [];
        if (!Path.IsPathFullyQualified(options.Socket) || options.Socket.Length > MaxSocketName)
            wrong.Add($"Socket is '{options.Socket}': it must be an absolute path of at most {MaxSocketName} characters.");
        Accounts accounts = new();
        if (options.Group is { } group && accounts.FindGroup(group) is null)
            wrong.Add($"Group is '{group}': there is no such group.");
        foreach ((string queue, QueueAccess access) in options.Queues)
        {
            wrong.AddRange(access.Users.Where(u => accounts.FindUser(u) is null).Select(u => $"Queue {queue}: there is no user '{u}'."));
            wrong.AddRange(
                access.Groups.Where(g => accounts.FindGroup(g) is null).Select(g => $"Queue {queue}: there is no group '{g}'."));
        }

        if (options.Baseline.File is { } file && !File.Exists(file))
            wrong.Add($"Baseline:File is '{file}': there is no such file.");
        ValidateTcp(options.Tcp, wrong);
        ValidateLimits(options, wrong);
        return wrong.Count == 0 ? ValidateOptionsResult.Success : ValidateOptionsResult.Fail(wrong);
    }

    private static void ValidateTcp(TcpOptions tcp, List<string> wrong)
    {
        if (tcp.Port == 0)
            return;
        if (tcp.Port is < 0 or > 65_535)
            wrong.Add($"Tcp:Port is {tcp.Port}: it must be at most 65535.");
        bool isAddress = IPAddress.TryParse(tcp.Address, out IPAddress? address);
        if (!isAddress)
            wrong.Add($"Tcp:Address is '{tcp.Address}': it must be an IP address.");
        if (tcp.CallersFile is null)
            wrong.Add("Tcp:CallersFile is missing: on TCP it must be known who calls.");
        if ((tcp.CertificateFile is null) != (tcp.KeyFile is null))
            wrong.Add("Tcp:CertificateFile and Tcp:KeyFile go together.");
        if (isAddress && !IPAddress.IsLoopback(address!) && tcp.CertificateFile is null)
            wrong.Add($"Tcp:CertificateFile is missing: {tcp.Address} is no loopback address, and tokens must not be seen on the way.");
    }

    private static void ValidateLimits(AgentOptions options, List<string> wrong)
    {
        LimitOptions limits = options.Limits;
        (string Name, double Value)[] positive =
        [
            ("Limits:MaxBodyBytes", limits.MaxBodyBytes), ("Limits:MaxConnections", limits.MaxConnections),
            ("Limits:MaxConnectionsPerUser", limits.MaxConnectionsPerUser), ("Limits:MaxEventReaders", limits.MaxEventReaders),
            ("Limits:MaxEventReadersPerUser", limits.MaxEventReadersPerUser), ("Limits:MaxWaitingPerUser", limits.MaxWaitingPerUser),
            ("Limits:MaxWait", limits.MaxWait.TotalSeconds), ("Limits:Patience", limits.Patience.TotalSeconds),
            ("Limits:HeadTimeout", limits.HeadTimeout.TotalSeconds), ("StopTimeout", options.StopTimeout.TotalSeconds),
        ];
        wrong.AddRange(positive.Where(p => p.Value <= 0).Select(p => $"{p.Name} must be more than 0."));
    }
}
