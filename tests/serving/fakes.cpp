#include "tests/serving/fakes.h"

#include <algorithm>
#include <chrono>

#include <catch2/catch.hpp>

namespace step3::serving::testing {

namespace {

constexpr auto kPatience = std::chrono::minutes(1);

struct FakeSequence final : afd::Sequence {
    explicit FakeSequence(std::shared_ptr<attention::KvBlocks> pool) : table(std::move(pool)) {}

    attention::BlockTable table;
    FakePipeline::History tokens;

    [[nodiscard]] std::int64_t length() const override { return table.length(); }
    [[nodiscard]] std::uint64_t kvBytes() const override { return tokens.size(); }
    void truncate(std::int64_t length) override {
        tokens.resize(static_cast<std::size_t>(length));
        const auto copy = table.truncate(length);
        if (copy.from >= 0) table.pool().release(copy.from);
    }
    void nameBlocks(std::span<const afd::BlockName> names) override { table.setNames(names); }
};

bool isLast(const Event& event) {
    return std::holds_alternative<Finished>(event) || std::holds_alternative<Failed>(event);
}

}  // namespace

FakeTokenizer::FakeTokenizer(std::vector<std::string> tokens, std::set<text::TokenId> special)
    : tokens_(std::move(tokens)), special_(std::move(special)) {}

std::vector<text::TokenId> FakeTokenizer::encode(std::string_view text) const {
    std::vector<text::TokenId> ids;
    while (!text.empty()) {
        std::size_t best = 0;
        text::TokenId id = -1;
        for (std::size_t i = 0; i < tokens_.size(); ++i) {
            if (tokens_[i].size() > best && text.starts_with(tokens_[i])) {
                best = tokens_[i].size();
                id = static_cast<text::TokenId>(i);
            }
        }
        if (id >= 0) ids.push_back(id);
        text.remove_prefix(std::max<std::size_t>(best, 1));
    }
    return ids;
}

std::string FakeTokenizer::tokenBytes(text::TokenId id) const {
    return id >= 0 && id < vocabSize() ? tokens_[static_cast<std::size_t>(id)] : "";
}

std::optional<text::TokenId> FakeTokenizer::idOf(std::string_view token) const {
    const auto found = std::find(tokens_.begin(), tokens_.end(), token);
    if (found == tokens_.end()) return std::nullopt;
    return static_cast<text::TokenId>(found - tokens_.begin());
}

std::string FakeTokenizer::decode(const std::vector<text::TokenId>& ids, bool skipSpecial) const {
    std::string text;
    for (const text::TokenId id : ids) {
        if (!skipSpecial || !isSpecial(id)) text += tokenBytes(id);
    }
    return text;
}

std::unique_ptr<afd::Sequence> FakePipeline::newSequence(std::span<const afd::BlockName> prefix) {
    auto sequence = std::make_unique<FakeSequence>(kv_);
    sequence->table.adopt(prefix);
    for (const auto block : sequence->table.blocks()) {
        const History& tokens = content_.at(block);
        sequence->tokens.insert(sequence->tokens.end(), tokens.begin(), tokens.end());
    }
    return sequence;
}

std::vector<float> FakePipeline::embed(std::span<const std::int32_t> tokens) {
    return {tokens.begin(), tokens.end()};
}

std::vector<float> FakePipeline::step(std::span<const afd::StepEntry> entries, const afd::StepObserver*) {
    std::vector<std::size_t> counts;
    for (const afd::StepEntry& entry : entries) counts.push_back(entry.tokens.size());
    if (beforeStep) beforeStep(counts);
    for (const afd::StepEntry& entry : entries) {
        if (std::find(entry.tokens.begin(), entry.tokens.end(), poison) != entry.tokens.end()) {
            throw Error(ErrorCode::kInternal, "poisoned");
        }
    }
    for (const afd::StepEntry& entry : entries) {
        dynamic_cast<FakeSequence&>(*entry.sequence).table.reserve(static_cast<std::int64_t>(entry.tokens.size()));
    }
    std::vector<float> logits;
    for (const afd::StepEntry& entry : entries) {
        auto& sequence = dynamic_cast<FakeSequence&>(*entry.sequence);
        History& history = sequence.tokens;
        if (!entry.embeddings.empty() && onEmbeddings) onEmbeddings(entry.embeddings);
        for (std::size_t t = 0; t < entry.tokens.size(); ++t) {
            history.push_back(entry.tokens[t]);
            if (!entry.allLogits && t + 1 < entry.tokens.size()) continue;
            std::vector<float> row(static_cast<std::size_t>(vocabSize_), 0.0F);
            if (shape) {
                shape(history, row);
            } else {
                row[static_cast<std::size_t>(next_(history))] = 10.0F;
            }
            logits.insert(logits.end(), row.begin(), row.end());
        }
        sequence.table.commit(static_cast<std::int64_t>(entry.tokens.size()));
        const std::int64_t width = kv_->blockTokens();
        for (std::int64_t b = 0; b < sequence.length() / width; ++b) {
            content_[sequence.table.blocks()[static_cast<std::size_t>(b)]] = {history.begin() + b * width,
                                                                              history.begin() + (b + 1) * width};
        }
    }
    return logits;
}

EventSink EventLog::sink(std::function<void(const Event&)> onEvent) {
    std::size_t index = 0;
    {
        const std::lock_guard lock(mutex_);
        index = events_.size();
        events_.emplace_back();
    }
    // onEvent first: what it refers to may be gone once wait() has seen the last event.
    return [this, index, onEvent = std::move(onEvent)](const Event& event) {
        if (onEvent) onEvent(event);
        const std::lock_guard lock(mutex_);
        events_[index].push_back(event);
        if (isLast(event)) ++finished_;
        changed_.notify_all();
    };
}

std::vector<Event> EventLog::wait(std::size_t index) {
    std::unique_lock lock(mutex_);
    const bool done =
        changed_.wait_for(lock, kPatience, [&] { return !events_[index].empty() && isLast(events_[index].back()); });
    REQUIRE(done);
    return events_[index];
}

std::size_t EventLog::finishedCount() const {
    const std::lock_guard lock(mutex_);
    return finished_;
}

void Gate::pass() {
    std::unique_lock lock(mutex_);
    guest_ = true;
    changed_.notify_all();
    changed_.wait(lock, [&] { return open_; });
}

void Gate::open() {
    const std::lock_guard lock(mutex_);
    open_ = true;
    changed_.notify_all();
}

void Gate::waitForGuest() {
    std::unique_lock lock(mutex_);
    REQUIRE(changed_.wait_for(lock, kPatience, [&] { return guest_; }));
}

std::string textOf(const std::vector<Event>& events) {
    std::string text;
    for (const Event& event : events) {
        if (const auto* delta = std::get_if<TextDelta>(&event)) text += delta->text;
    }
    return text;
}

std::string reasoningOf(const std::vector<Event>& events) {
    std::string text;
    for (const Event& event : events) {
        if (const auto* delta = std::get_if<ReasoningDelta>(&event)) text += delta->text;
    }
    return text;
}

Finished finishedOf(const std::vector<Event>& events) {
    REQUIRE_FALSE(events.empty());
    if (const auto* failed = std::get_if<Failed>(&events.back())) FAIL("the request failed: " << failed->message);
    return std::get<Finished>(events.back());
}

Failed failedOf(const std::vector<Event>& events) {
    REQUIRE_FALSE(events.empty());
    REQUIRE(std::holds_alternative<Failed>(events.back()));
    return std::get<Failed>(events.back());
}

}  // namespace step3::serving::testing
