#pragma once

#include <chrono>
#include <functional>
#include <string>

namespace step3::serving::http {

/// Takes one line without its end; called on the server's thread.
using LogSink = std::function<void(const std::string&)>;

/// What is kept of one request: who, what, how long, how much; nothing of what was said.
struct AccessRecord {
    std::string id;
    std::string remote;
    std::string method;
    std::string route;  // the pattern, never the raw target
    int status = 0;
    std::chrono::steady_clock::time_point start;
    bool chat = false;  // the fields below are filled
    bool stream = false;
    std::string finish;  // finish_reason, or "disconnected"
    int promptTokens = 0;
    int imageTokens = 0;
    int completionTokens = 0;
    double queueSeconds = 0;
    double ttftSeconds = 0;
    double tpotSeconds = 0;
};

/// One line of JSON, times in milliseconds.
std::string logLine(const AccessRecord& record, std::chrono::steady_clock::time_point now);

}  // namespace step3::serving::http
