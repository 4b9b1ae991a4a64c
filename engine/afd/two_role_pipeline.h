#pragma once

#include <memory>
#include <mutex>
#include <vector>

#include "engine/afd/link.h"
#include "engine/afd/pipeline.h"
#include "engine/attention/attention_backend.h"

namespace step3::afd {

/// A pipeline made of any attention role and any link. Micro-batches rotate: while one is with the FFN role, the
/// attention role works on the next (spec afd section 2).
class TwoRolePipeline final : public Pipeline {
public:
    TwoRolePipeline(model::TextConfig config, std::unique_ptr<attention::AttentionBackend> attention,
                    std::unique_ptr<Link> link, int microBatches);

    std::unique_ptr<Sequence> newSequence(std::span<const BlockName> prefix) override;
    [[nodiscard]] KvUsage kvUsage() const override { return attention_->kvUsage(); }
    std::vector<float> embed(std::span<const std::int32_t> tokens) override;
    std::vector<float> step(std::span<const StepEntry> entries, const StepObserver* observer) override;
    [[nodiscard]] std::span<const float> trunk() const override { return attention_->residual(); }
    [[nodiscard]] PipelineStats stats() const override;

private:
    void checkTokens(std::span<const std::int32_t> tokens) const;
    void checkEntries(std::span<const StepEntry> entries) const;
    void walkLayers(const std::vector<RowRange>& batches, const StepObserver* observer);
    void finishFfn(int slot, RowRange rows);
    void countSent(const FfnRequest& request);
    void countStep(double seconds, double ffnSeconds, std::int64_t rows);
    void showRouting(std::int64_t layer, const StepObserver& observer) const;

    model::TextConfig config_;
    std::unique_ptr<attention::AttentionBackend> attention_;
    std::unique_ptr<Link> link_;
    int microBatches_;
    // Of the step under way.
    double linkCallSeconds_ = 0;  // spent in send and receive
    PipelineStats counted_;       // what is counted on the way: bytes, tokens of experts, receiving, LM head

    mutable std::mutex statsMutex_;
    PipelineStats stats_;
};

}  // namespace step3::afd
