#pragma once

#include <condition_variable>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "engine/engine.h"

namespace step3::serving::http::testing {

/// An engine whose answers the test writes: by a script that runs inside submit(), or event by event from the test.
class ScriptedEngine final : public Engine {
public:
    struct Call {
        RequestId id = 0;
        Request request;
        EventSink sink;
    };
    using Script = std::function<void(ScriptedEngine&, const Call&)>;

    ScriptedEngine();

    /// What submit() does with a request; may throw. The answer is "Hello world" unless the test says otherwise.
    void setScript(Script script);

    [[nodiscard]] const ModelInfo& info() const override { return info_; }
    [[nodiscard]] sampling::SamplingParams defaultSampling() const override { return {}; }
    [[nodiscard]] std::shared_ptr<const text::Tokenizer> tokenizer() const override { return tokenizer_; }
    [[nodiscard]] std::vector<std::int32_t> promptTokens(const Request& request) const override;
    RequestId submit(Request request, EventSink sink) override;
    /// Ends the request with Finished{kCancelled}.
    void cancel(RequestId id) override;
    [[nodiscard]] Metrics metrics() const override { return {}; }

    void emit(RequestId id, const Event& event);
    /// The i-th request, once it is there; fails the test after a minute.
    Call call(std::size_t index = 0);
    /// Waits until `count` requests have been cancelled; false after `patience`.
    bool waitForCancels(std::size_t count, std::chrono::milliseconds patience = std::chrono::seconds(60));
    [[nodiscard]] std::size_t calls() const;
    [[nodiscard]] std::size_t cancels() const;

    ModelInfo info_;

private:
    std::shared_ptr<const text::Tokenizer> tokenizer_;
    mutable std::mutex mutex_;
    std::condition_variable changed_;
    Script script_;
    std::vector<Call> calls_;
    std::map<RequestId, EventSink> open_;  // without their last event
    std::size_t cancels_ = 0;
};

/// An answer of these pieces, counted as a token each, after a prompt of 5 tokens.
ScriptedEngine::Script answer(std::vector<std::string> pieces, FinishReason reason = FinishReason::kStop);
/// Says nothing: the test emits.
ScriptedEngine::Script silent();

}  // namespace step3::serving::http::testing
