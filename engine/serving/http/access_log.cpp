#include "engine/serving/http/access_log.h"

#include <cmath>

#include "engine/json.h"

namespace step3::serving::http {

namespace {

/// To a tenth of a millisecond.
double milliseconds(double seconds) {
    return std::round(seconds * 1e4) / 10;
}

}  // namespace

std::string logLine(const AccessRecord& record, std::chrono::steady_clock::time_point now) {
    Json line;
    line["time"] =
        std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch()).count();
    line["request_id"] = record.id;
    line["remote"] = record.remote;
    line["method"] = record.method;
    line["route"] = record.route;
    line["status"] = record.status;
    line["ms"] = milliseconds(std::chrono::duration<double>(now - record.start).count());
    if (record.chat) {
        line["stream"] = record.stream;
        line["finish_reason"] = record.finish;
        line["prompt_tokens"] = record.promptTokens;
        line["image_tokens"] = record.imageTokens;
        line["completion_tokens"] = record.completionTokens;
        line["queue_ms"] = milliseconds(record.queueSeconds);
        line["ttft_ms"] = milliseconds(record.ttftSeconds);
        line["tpot_ms"] = milliseconds(record.tpotSeconds);
    }
    return line.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace step3::serving::http
