namespace Nvml.Mig.Cli.Slurm;

/// <summary>A program of Slurm's failed; the message has what it said.</summary>
internal sealed class SlurmException(string message, Exception? innerException = null) : Exception(message, innerException);

/// <summary>A job's request cannot be had on this node, now or ever: its user has to change it.</summary>
internal sealed class JobRefusedException(string message) : Exception(message);
