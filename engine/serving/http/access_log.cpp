#include "engine/serving/http/access_log.h"

#include <algorithm>
#include <cmath>

#include "engine/json.h"

namespace step3::serving::http {

namespace {

/// To a tenth of a millisecond.
double milliseconds(double seconds) {
    return std::round(seconds * 1e4) / 10;
}

}  // namespace

void GenerationRecord::add(const Finished& finished, const std::string& finishReason) {
    const Usage& usage = finished.usage;
    finish = finishReason;
    promptTokens += usage.promptTokens;
    imageTokens += usage.imageTokens;
    completionTokens += usage.completionTokens;
    queueSeconds = std::max(queueSeconds, usage.queueSeconds);
    ttftSeconds = std::max(ttftSeconds, usage.ttftSeconds);
    tpotSeconds = std::max(tpotSeconds, usage.tpotSeconds);
}

std::optional<metrics::HttpRequest> countedRequest(const AccessRecord& record,
                                                   std::chrono::steady_clock::time_point now) {
    for (const char* watching : {"/metrics", "/health", "/ready", "/ping", "/load", "/version"}) {
        if (record.route == watching) return std::nullopt;
    }
    const bool known = record.route != "unknown" && record.route != "?";
    return metrics::HttpRequest{known ? record.route : "none",
                                record.method,
                                record.status,
                                std::chrono::duration<double>(now - record.start).count(),
                                record.requestBytes,
                                record.responseBytes};
}

std::string logLine(const AccessRecord& record, std::chrono::steady_clock::time_point now) {
    const auto time = std::chrono::system_clock::now().time_since_epoch();
    Json line;
    line["time"] = static_cast<double>(std::chrono::duration_cast<std::chrono::milliseconds>(time).count()) / 1000;
    line["request_id"] = record.id;
    line["remote"] = record.remote;
    line["method"] = record.method;
    line["route"] = record.route;
    line["status"] = record.status;
    line["ms"] = milliseconds(std::chrono::duration<double>(now - record.start).count());
    if (const auto& generation = record.generation) {
        line["stream"] = generation->stream;
        line["finish_reason"] = generation->finish;
        line["prompt_tokens"] = generation->promptTokens;
        line["image_tokens"] = generation->imageTokens;
        line["completion_tokens"] = generation->completionTokens;
        line["queue_ms"] = milliseconds(generation->queueSeconds);
        line["ttft_ms"] = milliseconds(generation->ttftSeconds);
        line["tpot_ms"] = milliseconds(generation->tpotSeconds);
    }
    if (!record.error.empty()) line["error"] = record.error.substr(0, kLoggedErrorBytes);
    if (!record.body.empty()) line["body"] = record.body;
    return line.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace step3::serving::http
