using System.Globalization;
using Nvml.Mig.Host;

namespace Nvml.Mig.Cli.Leases;

/// <summary>Who runs nvmig: through sudo, the user who called sudo.</summary>
internal static class Caller
{
    /// <summary>The user and the group to become; null if nvmig was not started through sudo.</summary>
    public static (uint User, uint Group, string Name)? Sudo { get; } =
        MigPrivileges.Read().EffectiveUserId == 0
        && ReadNumber("SUDO_UID") is { } user and not 0
        && ReadNumber("SUDO_GID") is { } group
        && Environment.GetEnvironmentVariable("SUDO_USER") is { Length: > 0 } name
            ? (user, group, name)
            : null;

    public static uint Uid => Sudo?.User ?? (uint)MigPrivileges.Read().EffectiveUserId;

    /// <summary>The variables that a login of the user has, where sudo has root's.</summary>
    public static IReadOnlyDictionary<string, string> Variables
    {
        get
        {
            Dictionary<string, string> variables = new(StringComparer.Ordinal);
            if (Sudo is not { } sudo)
                return variables;
            variables["USER"] = variables["LOGNAME"] = sudo.Name;
            string[]? account = File.ReadLines("/etc/passwd").Select(line => line.Split(':'))
                .FirstOrDefault(fields => fields.Length > 5 && fields[0] == sudo.Name);
            if (account is not null)
                variables["HOME"] = account[5];
            return variables;
        }
    }

    private static uint? ReadNumber(string variable) =>
        uint.TryParse(Environment.GetEnvironmentVariable(variable), NumberStyles.None, CultureInfo.InvariantCulture, out uint number)
            ? number
            : null;
}
