namespace Nvml.Mig.Agent.Documents;

/// <summary>Where the agent is.</summary>
public static class AgentAddress
{
    /// <summary>The unix socket that it listens on unless it is told another.</summary>
    public const string DefaultSocket = "/run/nvml-mig/agent.sock";
}
