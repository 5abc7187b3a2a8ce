namespace Nvml.Mig.Host;

/// <summary>
/// Where the file system of the host begins: <c>/</c> on the host itself, which is the default, and a folder such as <c>/host</c> for
/// an agent in a container that has the host's mounted there.
/// </summary>
/// <remarks>
/// It says where files are looked for, not how they are called: results name files as the host does, <c>/dev/nvidia0</c> and not
/// <c>/host/dev/nvidia0</c>. An agent needs the host's <c>/proc</c> and <c>/dev</c> under it, and to see other processes the host's PID
/// namespace.
/// </remarks>
public readonly record struct HostRoot
{
    // Null for "/", so that the default value is the host itself.
    private readonly string? _folder;

    /// <summary>A root other than <c>/</c>.</summary>
    /// <param name="folder">The folder, absolute.</param>
    /// <exception cref="ArgumentException">The path is empty or not absolute.</exception>
    public HostRoot(string folder)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(folder);
        if (!Path.IsPathFullyQualified(folder))
            throw new ArgumentException($"'{folder}' is not absolute, as the root of a host must be.", nameof(folder));
        string trimmed = folder.TrimEnd('/');
        _folder = trimmed.Length == 0 ? null : trimmed;
    }

    /// <summary>The folder: <c>/</c>, or without a slash at the end.</summary>
    public string Folder => _folder ?? "/";

    /// <summary>Where a file of the host is found from here.</summary>
    /// <param name="path">The file's path on the host, such as <c>/dev/nvidia0</c>.</param>
    /// <exception cref="ArgumentException">The path is empty or not absolute.</exception>
    public string Locate(string path)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(path);
        return Path.IsPathFullyQualified(path)
            ? _folder + path
            : throw new ArgumentException($"'{path}' is not absolute, as a path on the host must be.", nameof(path));
    }

    /// <summary>The folder.</summary>
    public override string ToString() => Folder;

    /// <summary>The file and whether it is there.</summary>
    internal HostFile Look(string path) => new(path, File.Exists(Locate(path)));
}
