using System.Globalization;
using System.Text.Json;
using Nvml.Mig.Agent.Documents;
using Nvml.Mig.Applying;
using Nvml.Mig.Leasing;
using Nvml.Mig.Leasing.Scheduling;

namespace Nvml.Mig.Agent.Api;

/// <summary>Failures as problem documents (RFC 9457).</summary>
internal static partial class Problems
{
    public const string ContentType = "application/problem+json";

    /// <summary>For a problem that is not another component's failure.</summary>
    public static IResult Result(int status, string code, string detail) => new ProblemResult(Document(status, code, detail));

    /// <summary>A claim that cannot be granted now, and did not want to wait.</summary>
    public static IResult NotNow(LeaseException failure, Waiting? waiting) =>
        new ProblemResult(Document(StatusCodes.Status409Conflict, failure.Error.ToString(), failure.Message) with
        {
            Reason = waiting?.Reason,
            Position = waiting?.Position,
        });

    /// <summary>Turns what an endpoint throws into a problem document.</summary>
    public static async Task HandleAsync(HttpContext context, RequestDelegate next)
    {
        try
        {
            await next(context);
            // The server refused it by itself, or there is no such endpoint.
            if (context.Response is { HasStarted: false, StatusCode: >= 400, ContentType: null })
            {
                int status = context.Response.StatusCode;
                await new ProblemResult(Document(status, status == 413 ? "TooLarge" : "BadRequest", $"{Title(status)}."))
                    .ExecuteAsync(context);
            }
        }
        catch (Exception e) when (!context.Response.HasStarted && From(e) is { } problem)
        {
            await new ProblemResult(problem).ExecuteAsync(context);
        }
        catch (OperationCanceledException) when (context.RequestAborted.IsCancellationRequested)
        {
            // Nobody is there any more.
        }
#pragma warning disable CA1031 // Whatever it is, the agent goes on, and says where to look.
        catch (Exception e) when (!context.Response.HasStarted)
#pragma warning restore CA1031
        {
            LogUnexpected(
                context.RequestServices.GetRequiredService<ILoggerFactory>().CreateLogger("Nvml.Mig.Agent"),
                e,
                context.Request.Method,
                context.Request.Path);
            await new ProblemResult(Document(
                StatusCodes.Status500InternalServerError, "Unexpected", "The agent failed: its log says how.")).ExecuteAsync(context);
        }
    }

    [LoggerMessage(43, LogLevel.Error, "{Method} {Path} failed.")]
    private static partial void LogUnexpected(ILogger logger, Exception exception, string method, string path);

    private static ProblemDocument? From(Exception failure) => failure switch
    {
        LimitException e => Document(StatusCodes.Status429TooManyRequests, "TooMany", e.Message),
        LeaseException e => Document(StatusOf(e.Error), e.Error.ToString(), e.Message) with
        {
            Function = FunctionOf(e),
            NvmlCode = CodeOf(e),
        },
        NvmlException e => Document(StatusCodes.Status502BadGateway, e.Code.ToString(), e.Message) with
        {
            Function = e.Function,
            NvmlCode = (int)e.Code,
        },
        JournalException { IsLocked: true } e => Document(StatusCodes.Status503ServiceUnavailable, nameof(LeaseError.Locked), e.Message),
        JournalException e => Document(StatusCodes.Status500InternalServerError, nameof(LeaseError.Store), e.Message),
        BadHttpRequestException e =>
            Document(e.StatusCode, "BadRequest", e.InnerException is JsonException json ? json.Message : e.Message),
        _ => null,
    };

    private static string? FunctionOf(LeaseException failure) => (failure.InnerException as NvmlException)?.Function;

    private static int? CodeOf(LeaseException failure) => failure.InnerException is NvmlException e ? (int)e.Code : null;

    private static int StatusOf(LeaseError error) => error switch
    {
        LeaseError.Invalid => StatusCodes.Status400BadRequest,
        LeaseError.Timeout => StatusCodes.Status409Conflict,
        LeaseError.Impossible => StatusCodes.Status422UnprocessableEntity,
        LeaseError.NotFound => StatusCodes.Status404NotFound,
        LeaseError.Ended => StatusCodes.Status410Gone,
        LeaseError.Locked => StatusCodes.Status503ServiceUnavailable,
        LeaseError.Forbidden => StatusCodes.Status403Forbidden,
        _ => StatusCodes.Status500InternalServerError,
    };

    private static ProblemDocument Document(int status, string code, string detail) => new(
        $"urn:nvml-mig:error:{code}", Title(status), status, detail, code, null, null, null, null);

    private static string Title(int status) => status switch
    {
        StatusCodes.Status400BadRequest => "The request makes no sense",
        StatusCodes.Status401Unauthorized => "It is not known who asks",
        StatusCodes.Status403Forbidden => "Not allowed",
        StatusCodes.Status404NotFound => "There is no such thing",
        StatusCodes.Status405MethodNotAllowed => "There is no such method here",
        StatusCodes.Status415UnsupportedMediaType => "Requests are application/json",
        StatusCodes.Status409Conflict => "Not now",
        StatusCodes.Status410Gone => "It has ended",
        StatusCodes.Status413PayloadTooLarge => "The request is too large",
        StatusCodes.Status422UnprocessableEntity => "It can never be granted",
        StatusCodes.Status429TooManyRequests => "Too many",
        StatusCodes.Status502BadGateway => "The driver failed",
        StatusCodes.Status503ServiceUnavailable => "Another process changes GPUs",
        _ => string.Create(CultureInfo.InvariantCulture, $"Failure {status}"),
    };

    private sealed class ProblemResult(ProblemDocument problem) : IResult
    {
        public Task ExecuteAsync(HttpContext httpContext)
        {
            httpContext.Response.StatusCode = problem.Status;
            return httpContext.Response.WriteAsJsonAsync(problem, AgentJson.Default.ProblemDocument, ContentType);
        }
    }
}

/// <summary>The caller has as much as one may have.</summary>
internal sealed class LimitException(string message) : Exception(message);
