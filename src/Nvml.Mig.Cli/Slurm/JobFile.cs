using System.Globalization;
using System.Text;
using Nvml.Mig.Cli.Output;
using Nvml.Mig.Host;

namespace Nvml.Mig.Cli.Slurm;

/// <summary>
/// The variables of a job in a file for its user, who cannot read the leases: lines for the task prolog to print. It is there, empty,
/// before the lease is claimed, so that the epilog has nothing to ask for jobs that want no lease. Once the lease is over or refused,
/// another file, the mark, says so until the next prolog: Slurm 22.05 starts some jobs that were requeued without one.
/// </summary>
internal sealed class JobFile(string folder, long job, RunProgram run)
{
    public const string DefaultFolder = "/run/nvml-mig/slurm";

    /// <summary>The lines for a job without a lease.</summary>
    public static readonly string[] NoDevices = ["export CUDA_VISIBLE_DEVICES=NoDevFiles", "export NVIDIA_VISIBLE_DEVICES=void"];

    private const string MarkSuffix = ".over";

    /// <summary>Longer than a credential of Slurm's lives (<c>AuthInfo=cred_expire</c>, by default two minutes).</summary>
    private static readonly TimeSpan MarkLifetime = TimeSpan.FromHours(1);

    private readonly string _path = Path.Combine(Path.GetFullPath(folder), string.Create(CultureInfo.InvariantCulture, $"{job}.env"));

    public bool Exists => File.Exists(_path);

    /// <summary>Whether the job's last run is over, and no prolog has run for another one since.</summary>
    public bool IsOver => !Exists && File.Exists(MarkPath) && !IsOld(MarkPath);

    private string Folder => Path.GetDirectoryName(_path)!;

    private string MarkPath => Path.ChangeExtension(_path, MarkSuffix);

    /// <summary>Says that the job has asked for a lease.</summary>
    /// <exception cref="UnauthorizedAccessException">Others can write to the folder.</exception>
    public void Create()
    {
        PrepareFolder();
        if (!Exists)
            Place(Write(""));
    }

    /// <summary>Puts the variables there, for the user alone.</summary>
    public async Task WriteAsync(uint user, IReadOnlyDictionary<string, string> variables, CancellationToken cancellationToken)
    {
        string unfinished = Write(string.Concat(variables.Select(v => $"export {v.Key}={v.Value}\n")));
        try
        {
            await run("chown", [user.ToString(CultureInfo.InvariantCulture), unfinished], cancellationToken);
            Place(unfinished);
            Forget();
        }
        catch
        {
            File.Delete(unfinished);
            throw;
        }
    }

    /// <summary>The lines; null if the job has no lease.</summary>
    public string[]? Read()
    {
        try
        {
            return File.ReadAllLines(_path);
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            return null;
        }
    }

    /// <summary>Says that the run is over, or was refused. A mark that cannot be left is told, and drains no node.</summary>
    public void End()
    {
        try
        {
            PrepareFolder();
            foreach (string mark in Directory.GetFiles(Folder, $"*{MarkSuffix}").Where(IsOld))
                File.Delete(mark);
            File.WriteAllText(MarkPath, "");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            Terminal.WriteError($"Should Slurm start this job again without its prolog, it is not noticed: {e.Message}");
        }

        if (Exists)
            File.Delete(_path);
    }

    /// <summary>The job may run without a lease: it wants none.</summary>
    public void Forget()
    {
        if (Directory.Exists(Folder))
            File.Delete(MarkPath);
    }

    private static bool IsOld(string path) => File.GetLastWriteTimeUtc(path) < DateTime.UtcNow - MarkLifetime;

    private void PrepareFolder()
    {
        PassableFolder.Create(Folder);
        const UnixFileMode others = UnixFileMode.GroupWrite | UnixFileMode.OtherWrite;
        if ((new DirectoryInfo(Folder).UnixFileMode & others) != UnixFileMode.None)
            throw new UnauthorizedAccessException($"Others can write to {Folder}: take that right away (chmod go-w {Folder}).");
    }

    /// <summary>Under a name that nobody can guess: the file is there whole or not at all.</summary>
    private string Write(string text)
    {
        string unfinished = $"{_path}.{Guid.NewGuid():N}.tmp";
        FileStreamOptions options = new() { Mode = FileMode.CreateNew, Access = FileAccess.Write, UnixCreateMode = UnixFileMode.UserRead };
        using FileStream stream = new(unfinished, options);
        stream.Write(Encoding.UTF8.GetBytes(text));
        return unfinished;
    }

    private void Place(string unfinished) => File.Move(unfinished, _path, overwrite: true);
}
