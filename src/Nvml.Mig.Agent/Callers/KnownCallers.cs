using System.Globalization;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;

namespace Nvml.Mig.Agent.Callers;

/// <summary>
/// The callers by TCP: the lines of a private file, each with a uid and its proof, <c>1000 token SECRET</c> or
/// <c>0 certificate SHA256-OF-IT</c>.
/// </summary>
internal sealed class KnownCallers
{
    private const int MinTokenLength = 20;

    private readonly List<(uint Uid, byte[] Hash)> _tokens = [];
    private readonly List<(uint Uid, byte[] Hash)> _certificates = [];
    private readonly Accounts _accounts = new();

    private KnownCallers()
    {
    }

    /// <summary>Reads the file.</summary>
    /// <exception cref="InvalidDataException">It makes no sense, or others can read it.</exception>
    public static KnownCallers Read(string file)
    {
        const UnixFileMode others = UnixFileMode.GroupRead | UnixFileMode.GroupWrite | UnixFileMode.OtherRead | UnixFileMode.OtherWrite;
        if ((File.GetUnixFileMode(file) & others) != UnixFileMode.None)
            throw new InvalidDataException($"{file} has secrets, and others can read or write it: chmod 600 {file}");
        KnownCallers known = new();
        int number = 0;
        foreach (string line in File.ReadLines(file))
        {
            number++;
            string[] words = line.Split(' ', StringSplitOptions.RemoveEmptyEntries);
            if (words.Length == 0 || words[0].StartsWith('#'))
                continue;
            known.Add(words, string.Create(CultureInfo.InvariantCulture, $"{file}:{number}"));
        }

        return known;
    }

    /// <summary>The caller with a token; null if nobody has it. Takes the same time whichever it is.</summary>
    public Caller? FindToken(string token) => Find(_tokens, SHA256.HashData(Encoding.UTF8.GetBytes(token)));

    public Caller? FindCertificate(X509Certificate2 certificate) => Find(_certificates, SHA256.HashData(certificate.RawDataMemory.Span));

    private void Add(string[] words, string place)
    {
        if (words is not [var user, var kind, var proof]
            || !uint.TryParse(user, NumberStyles.None, CultureInfo.InvariantCulture, out uint uid))
            throw new InvalidDataException($"{place}: write a uid, token or certificate, and the token or the certificate's SHA-256.");
        switch (kind)
        {
            case "token" when proof.Length >= MinTokenLength:
                _tokens.Add((uid, SHA256.HashData(Encoding.UTF8.GetBytes(proof))));
                break;
            case "token":
                throw new InvalidDataException($"{place}: a token has {MinTokenLength} characters at least.");
            case "certificate" when proof.Length == 2 * SHA256.HashSizeInBytes && proof.All(char.IsAsciiHexDigit):
                _certificates.Add((uid, Convert.FromHexString(proof)));
                break;
            case "certificate":
                throw new InvalidDataException($"{place}: a SHA-256 has {2 * SHA256.HashSizeInBytes} hexadecimal digits.");
            default:
                throw new InvalidDataException($"{place}: '{kind}' is neither token nor certificate.");
        }
    }

    private Caller? Find(List<(uint Uid, byte[] Hash)> known, byte[] hash)
    {
        Caller? found = null;
        foreach ((uint uid, byte[] its) in known)
        {
            if (CryptographicOperations.FixedTimeEquals(its, hash))
                found = new Caller(uid, _accounts.GroupsOf(uid), null);
        }

        return found;
    }
}
