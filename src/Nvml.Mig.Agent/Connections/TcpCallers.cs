using System.Security.Cryptography.X509Certificates;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Https;
using Microsoft.Extensions.Options;
using Nvml.Mig.Agent.Api;
using Nvml.Mig.Agent.Callers;
using Nvml.Mig.Agent.Options;

namespace Nvml.Mig.Agent.Connections;

/// <summary>The callers by TCP: they have a token or a client certificate. Nobody else reaches an endpoint.</summary>
internal sealed class TcpCallers
{
    private const string Scheme = "Bearer ";

    private readonly KnownCallers? _known;
    private readonly TcpOptions _options;

    public TcpCallers(IOptions<AgentOptions> options)
    {
        _options = options.Value.Tcp;
        _known = _options is { Port: > 0, CallersFile: { } file } ? KnownCallers.Read(file) : null;
    }

    public void Listen(ListenOptions listen)
    {
        listen.Protocols = HttpProtocols.Http1;
        if (_options is not { CertificateFile: { } certificate, KeyFile: { } key })
            return;
        listen.UseHttps(new HttpsConnectionAdapterOptions
        {
            ServerCertificate = X509Certificate2.CreateFromPemFile(certificate, key),
            ClientCertificateMode = ClientCertificateMode.AllowCertificate,
            // Each is known by itself: who signed it does not count.
            ClientCertificateValidation = (shown, _, _) => _known?.FindCertificate(shown) is not null,
        });
    }

    /// <summary>Notes who calls; the peer of a unix socket is known already.</summary>
    public async Task HandleAsync(HttpContext context, RequestDelegate next)
    {
        if (context.Features.Get<Caller>() is null)
        {
            if (Find(context) is not { } caller)
            {
                context.Response.Headers.WWWAuthenticate = "Bearer";
                await Problems.Result(StatusCodes.Status401Unauthorized, "Unauthorized", "Show a token or a client certificate.")
                    .ExecuteAsync(context);
                return;
            }

            context.Features.Set(caller);
        }

        await next(context);
    }

    private Caller? Find(HttpContext context)
    {
        if (_known is null)
            return null;
        if (context.Connection.ClientCertificate is { } certificate)
            return _known.FindCertificate(certificate);
        string? header = context.Request.Headers.Authorization;
        return header?.StartsWith(Scheme, StringComparison.OrdinalIgnoreCase) == true ? _known.FindToken(header[Scheme.Length..]) : null;
    }
}
