#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>

#include "engine/engine.h"
#include "engine/metrics/http_metrics.h"

namespace step3::serving::http {

/// Takes one line without its end; called on the server's thread.
using LogSink = std::function<void(const std::string&)>;

/// What is kept of the answers of one request.
struct GenerationRecord {
    bool stream = false;
    std::string finish;  // finish_reason of the choice that ended last
    int promptTokens = 0;
    int imageTokens = 0;
    int completionTokens = 0;
    double queueSeconds = 0;  // the largest of the choices; so are the next two
    double ttftSeconds = 0;
    double tpotSeconds = 0;

    void add(const Finished& finished, const std::string& finishReason);
};

/// What is kept of one request: who, what, how long, how much; of what was said only `body`, which is left empty unless
/// the operator asks for it.
struct AccessRecord {
    std::string id;
    bool idFromClient = false;
    std::string remote;
    std::string method;
    std::string route;  // the pattern, never the raw target
    int status = 0;
    std::chrono::steady_clock::time_point start;
    std::uint64_t requestBytes = 0, responseBytes = 0;  // declared in Content-Length, else 0
    std::optional<GenerationRecord> generation;
    std::string error;  // message of a refusal
    std::string body;
};
inline constexpr std::size_t kLoggedBodyBytes = 8U << 10;
inline constexpr std::size_t kLoggedErrorBytes = 1U << 10;  // it may name what the client sent, such as a model

/// What /metrics counts of it; nothing for the routes that watch the server itself, as in vLLM.
std::optional<metrics::HttpRequest> countedRequest(const AccessRecord& record,
                                                   std::chrono::steady_clock::time_point now);
/// One line of JSON, times in milliseconds.
std::string logLine(const AccessRecord& record, std::chrono::steady_clock::time_point now);

}  // namespace step3::serving::http
