using System.Globalization;
using Nvml.Mig.Host;
using Nvml.Mig.Leasing.Mps;

namespace Nvml.Mig.Leasing.Tests.Mps;

/// <summary>
/// A random history of one device: fractions come and go, programs start and end; programs, server, daemon and supervisor die. Beside it
/// a model of what should be: the fractions, the programs that run, and whether the daemon was killed.
/// </summary>
internal sealed class MpsHistory : IDisposable
{
    private static readonly uint Me = MpsHost.User;

    private readonly Random _random;
    private readonly MpsMachine _machine = new();
    private readonly List<Fraction> _fractions = [];
    private readonly List<string> _log = [];
    private MpsSupervisor _supervisor;
    private int _stepsToDeath = int.MaxValue;
    private bool _daemonIsDead;
    private int _lastId;

    public MpsHistory(int seed)
    {
        _random = new Random(seed);
        _log.Add(string.Create(CultureInfo.InvariantCulture, $"seed {seed}"));
        _supervisor = NewSupervisor();
        if (_random.Next(2) == 0)
            _stepsToDeath = 1 + _random.Next(20); // while the daemon starts
    }

    public string Log => string.Join('\n', _log);

    /// <summary>The programs that were let in: that the property is about something.</summary>
    public int Admitted { get; private set; }

    public void Dispose() => _machine.Dispose();

    public async Task RunAsync(int acts)
    {
        for (int i = 0; i < acts; i++)
        {
            await ActAsync();
            CheckBudget();
        }

        foreach (Fraction fraction in _fractions.ToArray())
            await RemoveAsync(fraction);
        if (_machine.Processes.Count > 0 || _supervisor.Devices.Count > 0)
        {
            throw new InvalidOperationException(
                $"Something is left: {string.Join(", ", _machine.Processes)}, {_supervisor.Devices.Count} folders.");
        }
    }

    private async Task ActAsync()
    {
        int act = _random.Next(100);
        Fraction? fraction = _fractions.Count == 0 ? null : _fractions[_random.Next(_fractions.Count)];
        MpsProgram[] programs = [.. _fractions.SelectMany(f => f.Programs)];
        MpsProgram? program = programs.Length == 0 ? null : programs[_random.Next(programs.Length)];
        if (fraction is null || act < 20)
            await AddAsync();
        else if (act < 30)
            await RemoveAsync(fraction);
        else if (act < 65)
            await StartAsync(fraction);
        else if (act < 70)
            Say("the supervisor is made anew", () => _supervisor = NewSupervisor());
        else if (act < 78)
            _stepsToDeath = Say("it will die soon", () => 1 + _random.Next(20));
        else if (act < 82)
            await KillDaemonAsync();
        else if (program is null)
            await StartAsync(fraction);
        else if (act < 88)
            Say("a program ends", () => Ended(program, act % 2 == 0 ? program.End : program.Kill));
        else if (act < 92)
            Say("a program faults", () => AllFail(program.Fault, 700));
        else if (act < 96)
            await BreakAsync(program);
        else
            Say("the server is killed", () => AllFail(() => HostProcess.Find(program.Server!.Value)!.Value.Kill(), 806));
    }

    /// <summary>As whoever leases does: only what fits is promised.</summary>
    private async Task AddAsync()
    {
        Fraction added = new(
            string.Create(CultureInfo.InvariantCulture, $"f{++_lastId}"),
            LimitMiB: (64 * (1 + _random.Next(80))) + MpsBudget.ContextMiB,
            Processes: 1 + _random.Next(2), // Each can have the limit.
            ThreadPercentage: new decimal[] { 10, 25, 33.3m, 50, 100 }[_random.Next(5)]);
        if (_fractions.Append(added).Sum(f => f.Processes * f.LimitMiB) > MpsMachine.UsableMiB)
            return;
        _log.Add($"{added.Name} comes: {added.Caps}, {added.Processes} processes");
        _fractions.Add(added);
        await EnsureAsync();
    }

    private async Task RemoveAsync(Fraction fraction)
    {
        _log.Add($"{fraction.Name} goes");
        foreach (MpsProgram program in fraction.Programs.ToArray())
            Ended(program, program.Kill);
        _fractions.Remove(fraction);
        if (_fractions.Count > 0)
            await EnsureAsync();
        else
            await SurvivingAsync(StopAsync);
    }

    private async Task StopAsync()
    {
        // The server notices a killed client a moment later.
        await _supervisor.StopAsync(_machine.Device, force: true);
        _daemonIsDead = false;
    }

    private async Task EnsureAsync()
    {
        bool restart = false;
        await SurvivingAsync(async () =>
        {
            MpsCaps caps = MpsCaps.Highest(_fractions.Select(f => f.Caps));
            try
            {
                MpsState state = await _supervisor.EnsureAsync(_machine.Device, Me, caps, restart);
                if (_daemonIsDead && !restart)
                    throw new InvalidOperationException("It did not notice that the daemon is dead.");
                if (state.Condition is not MpsCondition.Running || state.Caps != caps)
                    throw new InvalidOperationException($"After it was ensured, it is {state}.");
            }
            catch (MpsException e) when (e.Problem is MpsProblem.Dead && _daemonIsDead && !restart)
            {
                _log.Add("it is dead, and started again");
                restart = true;
                await _supervisor.EnsureAsync(_machine.Device, Me, caps, restart);
            }
        });
        _daemonIsDead = false;
    }

    /// <summary>A program is let in only if it gets what it was promised, and not more.</summary>
    private Task StartAsync(Fraction fraction) => SurvivingAsync(async () =>
    {
        if (fraction.Programs.Count == fraction.Processes)
            return;
        try
        {
            await _supervisor.CheckAsync(_machine.Device, Me);
        }
        catch (MpsException e) when (e.Problem is MpsProblem.Dead && _daemonIsDead)
        {
            _log.Add("no program is let in: the daemon is dead");
            return;
        }

        if (_daemonIsDead)
            throw new InvalidOperationException("A program was let in without a daemon.");
        Admitted++;
        bool isGreedy = _random.Next(2) == 0;
        MpsProgram program = _machine.Run(isGreedy ? 99999 : fraction.MemoryMiB, fraction.Caps);
        fraction.Programs.Add(program);
        _log.Add($"a program of {fraction.Name} starts, and gets {program.GotMiB} MiB and {program.Multiprocessors} multiprocessors");
        int expected = fraction.ThreadPercentage == 100 ? 132 : (int)(132 * fraction.ThreadPercentage / 100) / 2 * 2;
        if (program.Server is null or 0 || program.Multiprocessors != expected || program.GotMiB < fraction.MemoryMiB
            || program.GotMiB + ContextMiB(expected) > fraction.LimitMiB)
        {
            throw new InvalidOperationException($"{fraction.Name} has {fraction.Caps}, and its program got something else.");
        }
    });

    private async Task KillDaemonAsync()
    {
        HostProcess? daemon = MpsHost.FindDaemonsIn(_machine.Pipe) is [var only] ? only : null;
        if (daemon is null || (await _machine.Supervisor.ReadAsync(_machine.Device)).Daemon != daemon)
            return;
        _log.Add("the daemon is killed");
        _daemonIsDead = true;
        AllFail(
            () =>
            {
                daemon.Value.Kill();
                SpinWait.SpinUntil(() => !daemon.Value.IsRunning);
            },
            806);
        MpsState state = await _machine.Supervisor.ReadAsync(_machine.Device);
        if (state.Condition != MpsCondition.Dead)
            throw new InvalidOperationException($"The daemon is dead, and {state.Condition}.");
    }

    /// <summary>The server is in FAULT until it is replaced, and lets nobody in.</summary>
    private async Task BreakAsync(MpsProgram program)
    {
        Say("a program breaks the server", () => AllFail(program.Break, 719));
        await SurvivingAsync(async () =>
        {
            try
            {
                await _supervisor.CheckAsync(_machine.Device, Me);
            }
            catch (MpsException e) when (e.Problem is MpsProblem.Faulty)
            {
                return;
            }

            throw new InvalidOperationException("A program was let in to a server in FAULT.");
        });
        await SurvivingAsync(async () =>
        {
            // The server notices the last client's end a moment later.
            while (!await _supervisor.ReplaceFaultyServerAsync(_machine.Device)
                && (await _supervisor.ReadAsync(_machine.Device)).Condition == MpsCondition.Faulty)
            {
                await Task.Delay(5);
            }
        });
    }

    private void AllFail(Action cause, int error)
    {
        MpsProgram[] programs = [.. _fractions.SelectMany(f => f.Programs)];
        cause();
        foreach (MpsProgram program in programs)
        {
            if (program.WaitForError() != error)
                throw new InvalidOperationException($"Not all programs failed with error {error}.");
            Ended(program, program.WaitForEnd);
        }
    }

    private void Ended(MpsProgram program, Action end)
    {
        end();
        foreach (Fraction fraction in _fractions)
            fraction.Programs.Remove(program);
    }

    /// <summary>
    /// When the supervisor dies in the act, a new one does it again, as the next process of the site does. Death comes before, during or
    /// after a command: what it had started runs on.
    /// </summary>
    private async Task SurvivingAsync(Func<Task> act)
    {
        while (true)
        {
            try
            {
                await act();
                return;
            }
            catch (DeathException)
            {
                _log.Add("the supervisor dies");
                _supervisor = NewSupervisor();
            }
        }
    }

    private void CheckBudget()
    {
        // What the programs that run have been promised, whatever they use.
        long promised = _fractions.Sum(f => f.Programs.Count * (long)f.LimitMiB);
        if (promised > MpsMachine.UsableMiB)
            throw new InvalidOperationException($"{promised} MiB are promised.");
    }

    private MpsSupervisor NewSupervisor()
    {
        _stepsToDeath = int.MaxValue;
        return new MpsSupervisor(_machine.Options with
        {
            Step = () =>
            {
                if (--_stepsToDeath <= 0)
                    throw new DeathException();
            },
        });
    }

    private void Say(string what, Action act)
    {
        _log.Add(what);
        act();
    }

    private T Say<T>(string what, Func<T> act)
    {
        _log.Add(what);
        return act();
    }

    /// <summary>As the stand-in takes it, as measured.</summary>
    private static int ContextMiB(int multiprocessors) => (2750 + (369 * multiprocessors)) / 100;

    private sealed record Fraction(string Name, int LimitMiB, int Processes, decimal ThreadPercentage)
    {
        /// <summary>Without the context of a process.</summary>
        public int MemoryMiB => LimitMiB - MpsBudget.ContextMiB;

        public List<MpsProgram> Programs { get; } = [];

        public MpsCaps Caps => new(ThreadPercentage, LimitMiB);
    }

    /// <summary>The end of the process, as far as a test can have it.</summary>
    private sealed class DeathException : Exception;
}
