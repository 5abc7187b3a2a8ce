using Nvml.Mig.Leasing;

namespace Nvml.Mig.Hosting;

/// <summary>Is told what happens to leases. Register it as a singleton.</summary>
public interface ILeaseObserver
{
    /// <summary>
    /// Called for each event, in their order, by one thread at a time: first for those that the book still has from before the host
    /// started, 10,000 at most, then for each that happens, by any process of the machine. Whoever must not see one twice remembers its
    /// <see cref="LeaseEvent.Sequence"/>.
    /// </summary>
    /// <param name="happened">What happened.</param>
    void OnEvent(LeaseEvent happened);
}
