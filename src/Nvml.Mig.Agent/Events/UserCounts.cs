namespace Nvml.Mig.Agent.Events;

/// <summary>How many of something there are, in all and for each user, up to a limit.</summary>
internal sealed class UserCounts(int max, int maxPerUser)
{
    private readonly Lock _lock = new();
    private readonly Dictionary<uint, int> _counts = [];
    private int _all;

    /// <summary>One more; null if there are enough. It is given back when it is disposed.</summary>
    public IDisposable? TryTake(uint uid)
    {
        lock (_lock)
        {
            int count = _counts.GetValueOrDefault(uid);
            if (_all >= max || count >= maxPerUser)
                return null;
            _all++;
            _counts[uid] = count + 1;
            return new Taken(this, uid);
        }
    }

    private void Return(uint uid)
    {
        lock (_lock)
        {
            _all--;
            if (--_counts[uid] == 0)
                _counts.Remove(uid);
        }
    }

    private sealed class Taken(UserCounts counts, uint uid) : IDisposable
    {
        private int _isReturned;

        public void Dispose()
        {
            if (Interlocked.Exchange(ref _isReturned, 1) == 0)
                counts.Return(uid);
        }
    }
}
