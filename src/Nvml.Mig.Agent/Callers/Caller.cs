using Nvml.Mig.Host;

namespace Nvml.Mig.Agent.Callers;

/// <summary>The user and process that ask.</summary>
/// <param name="Uid">The user.</param>
/// <param name="Groups">The groups that the user is in.</param>
/// <param name="Process">The process that connected; null if it is on another machine, or not to be seen from here.</param>
internal sealed record Caller(uint Uid, IReadOnlyList<uint> Groups, HostProcess? Process);
