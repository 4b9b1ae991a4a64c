#include "engine/serving/http/endpoints.h"

#include "engine/metrics/prometheus.h"
#include "engine/serving/http/answer_parts.h"
#include "engine/serving/http/chat_request.h"
#include "engine/serving/http/completion_request.h"
#include "engine/serving/http/model_card.h"
#include "engine/serving/http/openapi.h"
#include "engine/serving/http/responses_request.h"
#include "engine/serving/http/tokenize.h"
#include "kernels/cpu/isa.h"

namespace step3::serving::http {

namespace {

constexpr const char* kJsonType = "application/json";

metrics::Reporter reporterOf(const ServedModel& served, bool expertTokens = false) {
    metrics::Reporter reporter;
    reporter.modelName = served.name;
    reporter.version = STEP3_VERSION;
    reporter.commit = STEP3_COMMIT;
    reporter.expertTokens = expertTokens;
    reporter.simd = kernels::isaName(kernels::activeIsa());
    reporter.kvFormat = served.engine.info().kvFormat;
    reporter.prefixCache = served.engine.info().prefixCache;
    return reporter;
}

PlainAnswer json(const Json& body) {
    return {200, kJsonType, jsonText(body)};
}

Prepared readRoute(Route route, const Fields& body, const ServedModel& served, const std::string& clientId) {
    switch (route) {
        case Route::kChatCompletions: return readChat(body, served, clientId);
        case Route::kCompletions: return readCompletion(body, served, clientId);
        case Route::kResponses: return readResponse(body, served);
        case Route::kTokenize: return tokenize(body, served);
        case Route::kDetokenize: return detokenize(body, served);
        default: break;
    }
    throw ApiError(500, "InternalServerError", "the route takes no body");
}

}  // namespace

void requireReady(const ServerContext& context) {
    if (context.stopping) throw ApiError(503, "ServiceUnavailableError", "the server is stopping");
    if (!context.served) throw ApiError(503, "ServiceUnavailableError", "the model is being loaded");
}

Prepared prepare(Route route, std::string_view text, const ServedModel& served, const std::string& clientId) {
    const Json document = parseBody(text);
    const Fields body(document, "body");
    const std::string model = body.text("model").value_or("");
    try {
        Prepared prepared = readRoute(route, body, served, clientId);
        requireModel(model, served);
        return prepared;
    } catch (const ApiError& error) {
        // Of several defects those of the schema come first, then the name of another model, as from vLLM.
        if (error.type() != kSchemaErrorType) requireModel(model, served);
        throw;
    }
}

PlainAnswer plainAnswer(const RouteMatch& match, const ServerContext& context) {
    switch (match.route) {
        case Route::kHealth:
        case Route::kPing:
        case Route::kReady: return {context.served && !context.stopping ? 200 : 503, {}, {}};
        case Route::kVersion: return json(Json{{"version", STEP3_VERSION}});
        case Route::kLoad: return json(Json{{"server_load", context.exchanges.size()}});
        case Route::kOpenApi: return json(openApi());
        case Route::kMetrics: {
            requireReady(context);
            const Engine& engine = context.served->engine;
            metrics::PrometheusWriter out;
            metrics::writeEngineMetrics(out, engine.metrics(), engine.info(),
                                        reporterOf(*context.served, context.expertMetrics));
            context.http.write(out);
            metrics::writeProcessMetrics(out);
            return {200, metrics::kPrometheusContentType, out.text()};
        }
        case Route::kStats: {
            requireReady(context);
            const Engine& engine = context.served->engine;
            return json(metrics::statsJson(engine.metrics(), engine.info(), reporterOf(*context.served)));
        }
        case Route::kModels: requireReady(context); return json(modelList(*context.served));
        case Route::kModel:
            requireReady(context);
            requireModel(match.id, *context.served);
            return json(modelCard(*context.served));
        case Route::kResponse:
        case Route::kCancelResponse: throw unknownResponse(match.id, "response_id");
        default: break;
    }
    throw ApiError(500, "InternalServerError", "the route takes a body");
}

}  // namespace step3::serving::http
