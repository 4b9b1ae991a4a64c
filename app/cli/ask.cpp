#include "app/cli/ask.h"

#include <chrono>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <utility>

#include "app/cli/interrupt.h"

namespace step3::cli {

namespace {

/// How long Ctrl-C may go unnoticed.
constexpr std::chrono::milliseconds kInterruptCheck{50};

/// From the engine's thread to this one.
class EventQueue {
public:
    void push(const Event& event) {
        {
            const std::lock_guard lock(mutex_);
            events_.push_back(event);
        }
        arrived_.notify_one();
    }
    /// What came since the last call; waits a moment if that is nothing.
    std::deque<Event> take() {
        std::unique_lock lock(mutex_);
        arrived_.wait_for(lock, kInterruptCheck, [&] { return !events_.empty(); });
        return std::exchange(events_, {});
    }

private:
    std::mutex mutex_;
    std::condition_variable arrived_;
    std::deque<Event> events_;
};

}  // namespace

Answer ask(Engine& engine, Request request, const std::function<void(const Event&)>& show) {
    const InterruptGuard interrupt;
    const auto queue = std::make_shared<EventQueue>();
    const RequestId id = engine.submit(std::move(request), [queue](const Event& event) { queue->push(event); });
    Answer answer;
    bool cancelled = false;
    while (true) {
        if (interrupt.raised() && !std::exchange(cancelled, true)) engine.cancel(id);
        for (const Event& event : queue->take()) {
            if (const auto* delta = std::get_if<TextDelta>(&event)) answer.text += delta->text;
            if (const auto* delta = std::get_if<ReasoningDelta>(&event)) answer.reasoning += delta->text;
            if (const auto* failed = std::get_if<Failed>(&event)) throw Error(failed->code, failed->message);
            show(event);
            if (const auto* finished = std::get_if<Finished>(&event)) {
                answer.reason = finished->reason;
                answer.usage = finished->usage;
                return answer;
            }
        }
    }
}

const char* finishName(FinishReason reason) {
    switch (reason) {
        case FinishReason::kStop: return "stop";
        case FinishReason::kLength: return "length";
        case FinishReason::kToolCalls: return "tool_calls";
        case FinishReason::kCancelled: return "cancelled";
        case FinishReason::kError: return "error";
    }
    return "error";
}

}  // namespace step3::cli
