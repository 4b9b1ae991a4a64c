#pragma once

#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "engine/afd/pipeline.h"
#include "engine/attention/block_table.h"
#include "engine/engine.h"
#include "engine/text/tokenizer.h"

namespace step3::serving::testing {

/// Ids are indices into a list of texts; encoding takes the longest text that matches. Bytes without a text are
/// dropped.
class FakeTokenizer final : public text::Tokenizer {
public:
    explicit FakeTokenizer(std::vector<std::string> tokens, std::set<text::TokenId> special = {});

    [[nodiscard]] std::vector<text::TokenId> encode(std::string_view text) const override;
    [[nodiscard]] std::string tokenBytes(text::TokenId id) const override;
    [[nodiscard]] std::optional<text::TokenId> idOf(std::string_view token) const override;
    [[nodiscard]] bool isSpecial(text::TokenId id) const override { return special_.count(id) > 0; }
    [[nodiscard]] std::int64_t vocabSize() const override { return static_cast<std::int64_t>(tokens_.size()); }
    [[nodiscard]] std::string decode(const std::vector<text::TokenId>& ids, bool skipSpecial) const override;

private:
    std::vector<std::string> tokens_;
    std::set<text::TokenId> special_;
};

/// A "model" whose next token is a function of the tokens so far. Embeddings have width 1: the token's id.
class FakePipeline final : public afd::Pipeline {
public:
    using History = std::vector<std::int32_t>;
    using Next = std::function<std::int32_t(const History&)>;

    /// The KV cache holds `kvTokens` tokens in blocks of `blockTokens`.
    FakePipeline(std::int64_t vocabSize, Next next, std::int64_t kvTokens = 100'000, std::int64_t blockTokens = 1)
        : vocabSize_(vocabSize),
          next_(std::move(next)),
          kv_(std::make_shared<attention::KvBlocks>(kvTokens / blockTokens, blockTokens)) {}

    /// Called before each step with the number of tokens of each entry; may throw or wait.
    std::function<void(const std::vector<std::size_t>&)> beforeStep;
    /// Fills the logits [V] after the tokens so far, instead of 10 for the next token and 0 for all others.
    std::function<void(const History&, std::span<float>)> shape;
    /// A step that holds this token throws.
    std::int32_t poison = -1;
    /// Called with embeddings that were given instead of the ids.
    std::function<void(std::span<const float>)> onEmbeddings;

    std::unique_ptr<afd::Sequence> newSequence(std::span<const afd::BlockName> prefix) override;
    [[nodiscard]] afd::KvUsage kvUsage() const override { return kv_->usage(); }
    std::vector<float> embed(std::span<const std::int32_t> tokens) override;
    std::vector<float> step(std::span<const afd::StepEntry> entries, const afd::StepObserver* observer) override;
    [[nodiscard]] std::span<const float> trunk() const override { return {}; }
    [[nodiscard]] afd::PipelineStats stats() const override { return {}; }

private:
    std::int64_t vocabSize_;
    Next next_;
    std::shared_ptr<attention::KvBlocks> kv_;
    std::map<attention::KvBlocks::Block, History> content_;  // of the blocks that were ever full
};

/// Events of several requests, filled on the scheduler thread.
class EventLog {
public:
    /// A sink for one request; `onEvent` runs after the event is kept, on the scheduler thread.
    EventSink sink(std::function<void(const Event&)> onEvent = {});

    /// Events of the i-th sink, complete: waits for its Finished or Failed; fails the test after a minute.
    std::vector<Event> wait(std::size_t index = 0);
    /// How many sinks have had their last event.
    [[nodiscard]] std::size_t finishedCount() const;

private:
    mutable std::mutex mutex_;
    std::condition_variable changed_;
    std::vector<std::vector<Event>> events_;
    std::size_t finished_ = 0;
};

/// A door that the scheduler thread waits at until the test opens it.
class Gate {
public:
    void pass();  // waits until open
    void open();
    void waitForGuest();  // waits until a thread stands at the closed gate

private:
    std::mutex mutex_;
    std::condition_variable changed_;
    bool open_ = false;
    bool guest_ = false;
};

/// Text of all TextDeltas.
std::string textOf(const std::vector<Event>& events);
std::string reasoningOf(const std::vector<Event>& events);
/// The last event as Finished; fails the test if it is Failed.
Finished finishedOf(const std::vector<Event>& events);
Failed failedOf(const std::vector<Event>& events);

}  // namespace step3::serving::testing
