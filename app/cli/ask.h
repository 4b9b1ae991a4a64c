#pragma once

#include <functional>
#include <string>

#include "engine/engine.h"

namespace step3::cli {

/// A whole answer.
struct Answer {
    std::string text;
    std::string reasoning;
    FinishReason reason = FinishReason::kStop;
    Usage usage;
};

/// Submits one request and waits for its end; `show` gets every event on the calling thread as it comes. Ctrl-C stops
/// the answer, which then ends with kCancelled. Throws Error, also for what the engine reports as Failed.
Answer ask(Engine& engine, Request request, const std::function<void(const Event&)>& show);

/// "stop", "length", "tool_calls", "cancelled", "error".
const char* finishName(FinishReason reason);

}  // namespace step3::cli
