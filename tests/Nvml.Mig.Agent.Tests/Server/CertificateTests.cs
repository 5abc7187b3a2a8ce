using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;

namespace Nvml.Mig.Agent.Tests.Server;

/// <summary>TCP with TLS: those get an answer whose certificate the callers' file has.</summary>
public class CertificateTests
{
    [Fact]
    public async Task A_caller_is_known_by_the_certificate()
    {
        await using AgentMachine machine = new();
        using X509Certificate2 server = Make("CN=server"), known = Make("CN=known"), stranger = Make("CN=stranger");
        string callers = machine.File("callers");
        await File.WriteAllTextAsync(callers, $"1234 certificate {Convert.ToHexString(SHA256.HashData(known.RawData))}\n");
        File.SetUnixFileMode(callers, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        await File.WriteAllTextAsync(machine.File("server.pem"), server.ExportCertificatePem());
        await File.WriteAllTextAsync(machine.File("server.key"), server.GetRSAPrivateKey()!.ExportPkcs8PrivateKeyPem());
        int port = FreePort();
        await machine.StartAgentAsync(options =>
        {
            options.Tcp.Port = port;
            options.Tcp.CallersFile = callers;
            options.Tcp.CertificateFile = machine.File("server.pem");
            options.Tcp.KeyFile = machine.File("server.key");
        });

        Answer right = await SendAsync(known);
        Answer nobody = await SendAsync(null);
        Func<Task> wrong = () => SendAsync(stranger);

        (right.Code, right.At("lease", "uid")).Should().Be((200, "1234"), right.Text);
        nobody.Code.Should().Be(401);
        await wrong.Should().ThrowAsync<HttpRequestException>("the connection is refused");

        async Task<Answer> SendAsync(X509Certificate2? shown)
        {
            using HttpClientHandler handler = new()
            {
#pragma warning disable MA0039 // Nobody has signed it: it is the very one.
                ServerCertificateCustomValidationCallback = (_, certificate, _, _) =>
                    certificate!.RawData.AsSpan().SequenceEqual(server.RawData),
#pragma warning restore MA0039
            };
            if (shown is not null)
                handler.ClientCertificates.Add(shown);
            using HttpClient client = new(handler);
            using StringContent body = new("""{"requests":[{"profile":"1g.5gb"}]}""", Encoding.UTF8, "application/json");
            using HttpResponseMessage response = await client.PostAsync(new Uri($"https://localhost:{port}/v1/leases"), body);
            return new Answer(response.StatusCode, await response.Content.ReadAsStringAsync());
        }
    }

    private static X509Certificate2 Make(string name)
    {
        using RSA key = RSA.Create(2048);
        CertificateRequest request = new(name, key, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1);
        return request.CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddDays(1));
    }

    private static int FreePort()
    {
        using TcpListener listener = new(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }
}
