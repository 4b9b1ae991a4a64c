#include "tests/serving/http/scripted_engine.h"

#include <catch2/catch.hpp>

#include "tests/serving/fakes.h"

namespace step3::serving::http::testing {

namespace {

constexpr std::int32_t kPromptTokens = 5;

}  // namespace

ScriptedEngine::ScriptedEngine() : script_(answer({"Hello", " world"})) {
    std::vector<std::string> tokens{"<s>", "</s>"};
    for (char c = 'a'; c <= 'z'; ++c) tokens.emplace_back(1, c);
    tokens.insert(tokens.end(), {" ", "\xC3", "\xA9"});
    tokenizer_ = std::make_shared<serving::testing::FakeTokenizer>(tokens, std::set<text::TokenId>{0, 1});
    info_.name = "scripted";
    info_.vision = true;
    info_.vocabSize = tokenizer_->vocabSize();
    info_.maxContext = 100;
}

void ScriptedEngine::setScript(Script script) {
    const std::lock_guard lock(mutex_);
    script_ = std::move(script);
}

std::vector<std::int32_t> ScriptedEngine::promptTokens(const Request& request) const {
    if (request.promptIds) return *request.promptIds;
    std::string text = request.rawPrompt.value_or("");
    for (const Message& message : request.messages) {
        for (const Message::Part& part : message.parts) text += part.text;
    }
    std::vector<std::int32_t> ids{0};
    const auto more = tokenizer_->encode(text);
    ids.insert(ids.end(), more.begin(), more.end());
    return ids;
}

RequestId ScriptedEngine::submit(Request request, EventSink sink) {
    Call call{0, std::move(request), std::move(sink)};
    Script script;
    {
        const std::lock_guard lock(mutex_);
        call.id = calls_.size() + 1;
        calls_.push_back(call);
        open_[call.id] = call.sink;
        script = script_;
    }
    changed_.notify_all();
    try {
        script(*this, call);
    } catch (...) {
        const std::lock_guard lock(mutex_);
        open_.erase(call.id);
        throw;
    }
    return call.id;
}

void ScriptedEngine::cancel(RequestId id) {
    EventSink sink;
    {
        const std::lock_guard lock(mutex_);
        const auto found = open_.find(id);
        if (found == open_.end()) return;
        sink = found->second;
        open_.erase(found);
        ++cancels_;
    }
    changed_.notify_all();
    sink(Finished{FinishReason::kCancelled, {}, {}, -1});
}

void ScriptedEngine::emit(RequestId id, const Event& event) {
    EventSink sink;
    {
        const std::lock_guard lock(mutex_);
        const auto found = open_.find(id);
        if (found == open_.end()) return;
        sink = found->second;
        if (std::holds_alternative<Finished>(event) || std::holds_alternative<Failed>(event)) open_.erase(found);
    }
    sink(event);
}

ScriptedEngine::Call ScriptedEngine::call(std::size_t index) {
    std::unique_lock lock(mutex_);
    const bool there = changed_.wait_for(lock, std::chrono::minutes(1), [&] { return calls_.size() > index; });
    REQUIRE(there);
    return calls_[index];
}

bool ScriptedEngine::waitForCancels(std::size_t count, std::chrono::milliseconds patience) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, patience, [&] { return cancels_ >= count; });
}

std::size_t ScriptedEngine::calls() const {
    const std::lock_guard lock(mutex_);
    return calls_.size();
}

std::size_t ScriptedEngine::cancels() const {
    const std::lock_guard lock(mutex_);
    return cancels_;
}

ScriptedEngine::Script answer(std::vector<std::string> pieces, FinishReason reason) {
    return [pieces = std::move(pieces), reason](ScriptedEngine& engine, const ScriptedEngine::Call& call) {
        PrefillProgress progress{0, kPromptTokens, {}, {}};
        if (call.request.tokenIds) progress.tokenIds = {0, 2, 3, 4, 5};
        engine.emit(call.id, progress);
        Finished finished;
        for (const std::string& piece : pieces) {
            TextDelta delta{piece, {}, {}};
            if (call.request.tokenIds) delta.tokenIds = {7};
            if (call.request.topLogprobs >= 0) {
                TokenLogprob token{7, piece, -0.5F, {}, 1};
                for (std::int32_t i = 0; i < call.request.topLogprobs; ++i) {
                    token.top.push_back(
                        {7 + i, std::string(1, static_cast<char>('f' + i)), -0.5F - static_cast<float>(i), {}, 0});
                }
                delta.logprobs.push_back(std::move(token));
            }
            engine.emit(call.id, delta);
            ++finished.usage.completionTokens;
        }
        finished.reason = reason;
        finished.usage.promptTokens = kPromptTokens;
        engine.emit(call.id, finished);
    };
}

ScriptedEngine::Script silent() {
    return [](ScriptedEngine&, const ScriptedEngine::Call&) {};
}

}  // namespace step3::serving::http::testing
