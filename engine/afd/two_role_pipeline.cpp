#include "engine/afd/two_role_pipeline.h"

#include <algorithm>
#include <chrono>
#include <string>
#include <utility>

#include "engine/error.h"

namespace step3::afd {
namespace {

using Clock = std::chrono::steady_clock;

double secondsSince(Clock::time_point begin) {
    return std::chrono::duration<double>(Clock::now() - begin).count();
}

/// Rows cut into at most `parts` parts of nearly equal size, none empty.
std::vector<RowRange> cut(std::int64_t rows, std::int64_t parts) {
    std::vector<RowRange> ranges;
    parts = std::min(parts, rows);
    for (std::int64_t i = 0; i < parts; ++i) ranges.push_back({rows * i / parts, rows * (i + 1) / parts});
    return ranges;
}

std::string layerName(std::int64_t layer, const char* value) {
    return "layer" + std::to_string(layer) + "." + value;
}

void show(const StepObserver& observer, const std::string& name, std::span<const float> values, std::int64_t width) {
    if (observer.floats) observer.floats(name, values, width);
}

/// Tells how many micro-batches are under way for as long as it lives.
class InFlight {
public:
    InFlight(std::mutex& mutex, int& count, std::size_t batches) : mutex_(mutex), count_(count) {
        set(static_cast<int>(batches));
    }
    ~InFlight() { set(0); }
    InFlight(const InFlight&) = delete;
    InFlight& operator=(const InFlight&) = delete;

private:
    void set(int count) {
        const std::lock_guard lock(mutex_);
        count_ = count;
    }
    std::mutex& mutex_;
    int& count_;
};

}  // namespace

TwoRolePipeline::TwoRolePipeline(model::TextConfig config, std::unique_ptr<attention::AttentionBackend> attention,
                                 std::unique_ptr<Link> link, int microBatches)
    : config_(std::move(config)),
      attention_(std::move(attention)),
      link_(std::move(link)),
      microBatches_(microBatches) {
    if (microBatches_ < 1) {
        throw Error(ErrorCode::kInvalidArgument,
                    "micro-batches: expected at least 1, found " + std::to_string(microBatches_));
    }
}

std::unique_ptr<Sequence> TwoRolePipeline::newSequence(std::span<const BlockName> prefix) {
    return attention_->newSequence(prefix);
}

void TwoRolePipeline::checkTokens(std::span<const std::int32_t> tokens) const {
    for (std::size_t i = 0; i < tokens.size(); ++i) {
        if (tokens[i] < 0 || tokens[i] >= config_.vocabSize) {
            throw Error(ErrorCode::kInvalidArgument, "token id " + std::to_string(i) + ": expected 0 to " +
                                                         std::to_string(config_.vocabSize - 1) + ", found " +
                                                         std::to_string(tokens[i]));
        }
    }
}

void TwoRolePipeline::checkEntries(std::span<const StepEntry> entries) const {
    const auto fail = [](const std::string& message) { throw Error(ErrorCode::kInvalidArgument, message); };
    if (entries.empty()) fail("step: expected at least one entry, found none");
    for (std::size_t i = 0; i < entries.size(); ++i) {
        const StepEntry& entry = entries[i];
        const std::string name = "step entry " + std::to_string(i);
        if (entry.sequence == nullptr) fail(name + ": expected a sequence, found none");
        if (!attention_->owns(*entry.sequence)) fail(name + ": expected a sequence of this pipeline, found another's");
        for (std::size_t j = 0; j < i; ++j) {
            if (entries[j].sequence == entry.sequence)
                fail(name + ": expected each sequence once, found it in entry " + std::to_string(j) + " too");
        }
        if (entry.tokens.empty()) fail(name + ": expected at least one token, found none");
        checkTokens(entry.tokens);
        const std::size_t values = entry.tokens.size() * static_cast<std::size_t>(config_.hiddenSize);
        if (!entry.embeddings.empty() && entry.embeddings.size() != values) {
            fail(name + ": embeddings: expected " + std::to_string(values) + " values, found " +
                 std::to_string(entry.embeddings.size()));
        }
        const std::int64_t length = entry.sequence->length() + static_cast<std::int64_t>(entry.tokens.size());
        if (length > config_.maxPositions) {
            throw Error(ErrorCode::kResourceExhausted, name + ": expected at most " +
                                                           std::to_string(config_.maxPositions) +
                                                           " tokens of context, found " + std::to_string(length));
        }
    }
}

std::vector<float> TwoRolePipeline::embed(std::span<const std::int32_t> tokens) {
    checkTokens(tokens);
    std::vector<float> rows(tokens.size() * static_cast<std::size_t>(config_.hiddenSize));
    attention_->embed(tokens, rows.data());
    return rows;
}

std::vector<float> TwoRolePipeline::step(std::span<const StepEntry> entries, const StepObserver* observer) {
    checkEntries(entries);
    const Clock::time_point begin = Clock::now();
    const LinkTimes before = link_->times();
    linkCallSeconds_ = 0;
    counted_ = {};
    counted_.expertTokens.resize(static_cast<std::size_t>(config_.numLayers * config_.numExperts));

    std::vector<attention::StepTokens> tokens;
    std::vector<std::int64_t> logitRows;
    std::int64_t rows = 0;
    for (const StepEntry& entry : entries) {
        tokens.push_back({entry.sequence, entry.tokens, entry.embeddings});
        const std::int64_t end = rows + static_cast<std::int64_t>(entry.tokens.size());
        for (std::int64_t row = entry.allLogits ? rows : end - 1; row < end; ++row) logitRows.push_back(row);
        rows = end;
    }
    std::vector<float> logits(logitRows.size() * static_cast<std::size_t>(config_.vocabSize));

    const std::vector<RowRange> batches = cut(rows, microBatches_);
    const InFlight inFlight(statsMutex_, stats_.microBatchesInFlight, batches.size());
    attention_->beginStep(tokens);
    if (observer != nullptr) show(*observer, "embeds", attention_->residual(), config_.hiddenSize);
    walkLayers(batches, observer);
    const Clock::time_point head = Clock::now();
    attention_->logits(logitRows, logits.data());
    counted_.lmHeadSeconds = secondsSince(head);
    if (observer != nullptr) {
        show(*observer, "final_norm", attention_->finalNorm(), config_.hiddenSize);
        show(*observer, "logits", logits, config_.vocabSize);
    }
    attention_->endStep();

    const LinkTimes after = link_->times();
    countStep(secondsSince(begin), after.ffnSeconds - before.ffnSeconds, rows);
    return logits;
}

void TwoRolePipeline::countSent(const FfnRequest& request) {
    const auto routed = request.expertIds != nullptr ? request.tokens * config_.topK : 0;
    std::uint64_t* experts = counted_.expertTokens.data() + request.layer * config_.numExperts;
    for (std::int64_t i = 0; i < routed; ++i) ++experts[request.expertIds[i]];
    counted_.toFfnBytes += static_cast<std::uint64_t>(request.tokens * config_.hiddenSize) * sizeof(float) +
                           static_cast<std::uint64_t>(routed) * (sizeof(std::int32_t) + sizeof(float));
}

void TwoRolePipeline::countStep(double seconds, double ffnSeconds, std::int64_t rows) {
    const double link = std::max(0.0, linkCallSeconds_ - ffnSeconds);
    const std::lock_guard lock(statsMutex_);
    stats_.ffnSeconds += ffnSeconds;
    stats_.linkSeconds += link;
    stats_.receiveSeconds += std::min(link, counted_.receiveSeconds);
    stats_.attentionSeconds += std::max(0.0, seconds - linkCallSeconds_);
    stats_.lmHeadSeconds += counted_.lmHeadSeconds;
    stats_.steps += 1;
    stats_.tokens += static_cast<std::uint64_t>(rows);
    stats_.toFfnBytes += counted_.toFfnBytes;
    stats_.toAttentionBytes += counted_.toAttentionBytes;
    stats_.expertTokens.resize(counted_.expertTokens.size());
    for (std::size_t i = 0; i < counted_.expertTokens.size(); ++i) stats_.expertTokens[i] += counted_.expertTokens[i];
}

/// A layer of a micro-batch is attention, then the FFN behind the link. Without an observer a micro-batch's FFN result
/// is collected only when attention needs it for the next layer; an observer sees whole layers, so then it is collected
/// at the layer's end. The values are the same.
void TwoRolePipeline::walkLayers(const std::vector<RowRange>& batches, const StepObserver* observer) {
    const auto slots = static_cast<int>(batches.size());
    for (std::int64_t layer = 0; layer < config_.numLayers; ++layer) {
        for (int slot = 0; slot < slots; ++slot) {
            const RowRange rows = batches[static_cast<std::size_t>(slot)];
            if (layer > 0 && observer == nullptr) finishFfn(slot, rows);
            const FfnRequest request = attention_->attend(layer, rows);
            const Clock::time_point begin = Clock::now();
            link_->send(slot, request);
            linkCallSeconds_ += secondsSince(begin);
            countSent(request);
        }
        if (observer == nullptr) continue;
        show(*observer, layerName(layer, "after_attn"), attention_->residual(), config_.hiddenSize);
        if (config_.isMoeLayer[static_cast<std::size_t>(layer)]) showRouting(layer, *observer);
        for (int slot = 0; slot < slots; ++slot) finishFfn(slot, batches[static_cast<std::size_t>(slot)]);
        show(*observer, layerName(layer, "out"), attention_->residual(), config_.hiddenSize);
    }
    if (observer != nullptr) return;
    for (int slot = 0; slot < slots; ++slot) finishFfn(slot, batches[static_cast<std::size_t>(slot)]);
}

void TwoRolePipeline::finishFfn(int slot, RowRange rows) {
    const Clock::time_point begin = Clock::now();
    const float* output = link_->receive(slot);
    const double seconds = secondsSince(begin);
    linkCallSeconds_ += seconds;
    counted_.receiveSeconds += seconds;
    counted_.toAttentionBytes += static_cast<std::uint64_t>(rows.size() * config_.hiddenSize) * sizeof(float);
    attention_->addFfn(rows, output);
}

void TwoRolePipeline::showRouting(std::int64_t layer, const StepObserver& observer) const {
    show(observer, layerName(layer, "router_logits"), attention_->routerLogits(), config_.numExperts);
    if (observer.ints) observer.ints(layerName(layer, "expert_ids"), attention_->expertIds(), config_.topK);
    show(observer, layerName(layer, "expert_weights"), attention_->expertWeights(), config_.topK);
}

PipelineStats TwoRolePipeline::stats() const {
    const std::lock_guard lock(statsMutex_);
    return stats_;
}

}  // namespace step3::afd
