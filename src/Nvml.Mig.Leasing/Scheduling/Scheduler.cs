
namespace Nvml.Mig.Leasing.Scheduling;

/// <summary>
/// Decides who gets which instance, and what is taken back from whom: fair shares of queues, reservations, claims, and the exact places for
/// them. Pure: no clock, no file, no GPU, and the same decisions for any order of the input.
/// </summary>
/// <remarks>
/// A scheduler keeps what it has worked out of the kinds of GPUs it has seen, so that the next decision is quicker. Not for several threads
/// at once.
/// </remarks>
/// <param name="options">What holds for all queues.</param>
public sealed class Scheduler(SchedulerOptions? options = null)
{
    private readonly SchedulerOptions _options = options ?? new SchedulerOptions();
    private readonly Dictionary<GpuGeometry, Board> _boards = [];
    private readonly Dictionary<string, Arrangement> _arrangements = new(StringComparer.Ordinal);

    /// <summary>Decides.</summary>
    /// <param name="input">All that counts.</param>
    /// <exception cref="LeaseException">The input contradicts itself: an unknown queue or GPU, instances that overlap.</exception>
    public Decisions Decide(SchedulerInput input)
    {
        ArgumentNullException.ThrowIfNull(input);
        if (_arrangements.Count > 100_000)
            _arrangements.Clear();
        (GpuGeometry Geometry, Board Board)? last = null;
        return new Decider(new Round(input, _options, BoardOf, _arrangements)).Decide();

        Board BoardOf(LeasableGpu gpu)
        {
            if (last is { } same && ReferenceEquals(same.Geometry, gpu.Geometry))
                return same.Board;
            if (!_boards.TryGetValue(gpu.Geometry, out Board? board))
                _boards[gpu.Geometry] = board = new Board(gpu.Geometry, _boards.Count);
            last = (gpu.Geometry, board);
            return board;
        }
    }
}
