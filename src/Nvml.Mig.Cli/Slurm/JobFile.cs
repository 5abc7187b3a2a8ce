using System.Globalization;
using System.Text;

namespace Nvml.Mig.Cli.Slurm;

/// <summary>
/// The variables of a job in a file for its user, who cannot read the leases: lines for the task prolog to print. It is there, empty,
/// before the lease is claimed, so that the epilog has nothing to ask for jobs that want no lease.
/// </summary>
internal sealed class JobFile(string folder, long job, RunProgram run)
{
    public const string DefaultFolder = "/run/nvml-mig/slurm";

    /// <summary>The lines for a job without a lease.</summary>
    public static readonly string[] NoDevices = ["export CUDA_VISIBLE_DEVICES=NoDevFiles", "export NVIDIA_VISIBLE_DEVICES=void"];

    private const UnixFileMode FolderMode =
        UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute | UnixFileMode.GroupRead | UnixFileMode.GroupExecute
        | UnixFileMode.OtherRead | UnixFileMode.OtherExecute;

    private readonly string _path = Path.Combine(Path.GetFullPath(folder), string.Create(CultureInfo.InvariantCulture, $"{job}.env"));

    public bool Exists => File.Exists(_path);

    /// <summary>Says that the job has asked for a lease.</summary>
    /// <exception cref="UnauthorizedAccessException">Others can write to the folder.</exception>
    public void Create()
    {
        string path = Path.GetDirectoryName(_path)!;
        Directory.CreateDirectory(path, FolderMode);
        const UnixFileMode others = UnixFileMode.GroupWrite | UnixFileMode.OtherWrite;
        if ((new DirectoryInfo(path).UnixFileMode & others) != UnixFileMode.None)
            throw new UnauthorizedAccessException($"Others can write to {path}: take that right away (chmod go-w {path}).");
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

    public void Delete()
    {
        if (Exists)
            File.Delete(_path);
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
