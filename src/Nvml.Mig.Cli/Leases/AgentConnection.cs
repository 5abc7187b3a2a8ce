using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using System.Text.Json.Serialization;
using System.Text.Json.Serialization.Metadata;
using Nvml.Mig.Agent.Documents;
using Nvml.Mig.Leasing;

namespace Nvml.Mig.Cli.Leases;

/// <summary>Asks the agent, and turns its problem documents into the exceptions that they were.</summary>
internal sealed class AgentConnection : IDisposable
{
    private readonly string _socket;
    private readonly HttpClient _http;

    public AgentConnection(string socket, Func<CancellationToken, ValueTask<Stream>>? connect = null)
    {
        _socket = socket;
        connect ??= cancellation => AgentAddress.ConnectAsync(socket, cancellation);
        _http = new HttpClient(new SocketsHttpHandler
        {
            ConnectCallback = (_, cancellation) => connect(cancellation),
            UseProxy = false,
            UseCookies = false,
        })
        {
            BaseAddress = new Uri("http://localhost/v1/"),
            Timeout = Timeout.InfiniteTimeSpan, // As long as it takes, or until Ctrl-C.
        };
    }

    /// <summary>Members of an agent that is newer are left out, and one that is older is not told what is not set.</summary>
    public static AgentJson Json { get; } = new(new JsonSerializerOptions(AgentJson.Default.Options)
    {
        UnmappedMemberHandling = JsonUnmappedMemberHandling.Skip,
        DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    });

    public async Task<T> SendAsync<T>(
        HttpMethod method, string path, HttpContent? body, JsonTypeInfo<T> answer, CancellationToken cancellationToken)
    {
        using HttpResponseMessage response = await SendAsync(method, path, body, cancellationToken);
        return await ReadAsync(() => response.Content.ReadFromJsonAsync(answer, cancellationToken))
            ?? throw new LeaseException(LeaseError.Store, $"The agent on {_socket} gave no answer to {method} {path}.");
    }

    public async Task SendAsync(HttpMethod method, string path, CancellationToken cancellationToken)
    {
        using HttpResponseMessage response = await SendAsync(method, path, null, cancellationToken);
    }

    public void Dispose() => _http.Dispose();

    private async Task<HttpResponseMessage> SendAsync(
        HttpMethod method, string path, HttpContent? body, CancellationToken cancellationToken)
    {
        using HttpRequestMessage request = new(method, path) { Content = body };
        HttpResponseMessage response = await ReadAsync(() => _http.SendAsync(request, cancellationToken));
        if (response.IsSuccessStatusCode)
            return response;
        using (response)
        {
            bool isProblem = response.Content.Headers.ContentType?.MediaType == "application/problem+json";
            throw isProblem && await ReadAsync(() => response.Content.ReadFromJsonAsync(Json.ProblemDocument, cancellationToken)) is { } why
                ? Failure(why)
                : new LeaseException(LeaseError.Store, $"The agent on {_socket} answers {method} {path} with {(int)response.StatusCode}.");
        }
    }

    /// <summary>Reads from the agent.</summary>
    /// <exception cref="AgentGoneException">The agent does not answer.</exception>
    private async Task<T> ReadAsync<T>(Func<Task<T>> read)
    {
        try
        {
            return await read();
        }
        catch (Exception e) when (e is HttpRequestException or IOException)
        {
            throw new AgentGoneException(_socket, e);
        }
        catch (JsonException e)
        {
            throw new LeaseException(LeaseError.Store, $"What the agent on {_socket} says is not understood: {e.Message}", e);
        }
    }

    private static Exception Failure(ProblemDocument problem)
    {
        if (problem.NvmlCode is { } code && problem.Status == (int)HttpStatusCode.BadGateway)
            return new NvmlException((NvmlReturnCode)code, problem.Function ?? "", problem.Detail);
        LeaseError error = Enum.TryParse(problem.Code, out LeaseError known) ? known : problem.Status switch
        {
            429 => LeaseError.Timeout, // Not now.
            401 => LeaseError.Forbidden,
            < 500 => LeaseError.Invalid,
            _ => LeaseError.Store,
        };
        return new LeaseException(error, problem.Detail);
    }
}

/// <summary>The agent does not answer any more.</summary>
internal sealed class AgentGoneException(string socket, Exception cause) : LeaseException(
    LeaseError.Store,
    $"The agent on {socket} does not answer any more: {cause.Message} What it was asked for may have been done: see 'nvmig lease list'.",
    cause);
