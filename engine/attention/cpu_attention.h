#pragma once

#include <memory>
#include <vector>

#include "engine/attention/attention_backend.h"
#include "engine/attention/kv_cache.h"
#include "engine/model/checkpoint.h"
#include "engine/model/finite_guard.h"
#include "kernels/attention/mfa.h"
#include "kernels/cpu/kernel_table.h"
#include "kernels/cpu/thread_pool.h"
#include "kernels/gemm/linear.h"
#include "kernels/rope/rope.h"

namespace step3::attention {

/// The attention role on the CPU; weights stay where the checkpoint has them, activations are float32.
class CpuAttention final : public AttentionBackend {
public:
    /// Throws Error if a tensor is missing or a size cannot be run.
    CpuAttention(std::shared_ptr<const model::Checkpoint> checkpoint, kernels::ThreadPool& pool,
                 const kernels::KernelTable& kernels, const KvOptions& kv);

    std::unique_ptr<afd::Sequence> newSequence(std::span<const afd::BlockName> prefix) override;
    [[nodiscard]] afd::KvUsage kvUsage() const override;
    [[nodiscard]] bool owns(const afd::Sequence& sequence) const override;
    void embed(std::span<const std::int32_t> ids, float* out) override;
    void beginStep(std::span<const StepTokens> entries) override;
    afd::FfnRequest attend(std::int64_t layer, afd::RowRange rows) override;
    void addFfn(afd::RowRange rows, const float* ffn) override;
    void logits(std::span<const std::int64_t> rows, float* out) override;
    void endStep() override;

    [[nodiscard]] std::span<const float> residual() const override;
    [[nodiscard]] std::span<const float> routerLogits() const override;
    [[nodiscard]] std::span<const std::int32_t> expertIds() const override;
    [[nodiscard]] std::span<const float> expertWeights() const override;
    [[nodiscard]] std::span<const float> finalNorm() const override;

private:
    struct Layer {
        std::vector<float> inputNorm;  // [H]
        std::vector<float> innerNorm;  // [Q]
        std::vector<float> postNorm;   // [H]
        kernels::WeightView qDown;     // [Q, H]
        kernels::WeightView k;         // [D, H]
        kernels::WeightView v;         // [D, H]
        kernels::WeightView qUp;       // [N * D, Q]
        kernels::WeightView out;       // [H, N * D]
        kernels::WeightView router;    // [E, H] in MoE layers
        bool moe = false;
    };
    /// Where an entry's rows lie in the step.
    struct Placed {
        KvCache* cache = nullptr;
        afd::RowRange rows;
    };

    void projectQueriesAndKeys(const Layer& layer, afd::RowRange rows);
    void attendToCache(std::int64_t layer, afd::RowRange rows);
    void route(const Layer& layer, afd::RowRange rows);
    void addToResidual(afd::RowRange rows, const float* values);

    std::shared_ptr<const model::Checkpoint> checkpoint_;
    kernels::ThreadPool& pool_;
    const kernels::KernelTable& kernels_;
    model::TextConfig config_;
    std::shared_ptr<KvPool> kv_;
    model::FiniteGuard guard_;
    std::vector<Layer> layers_;
    kernels::WeightView embedding_;  // [V, H]
    kernels::WeightView head_;       // [V, H]
    std::vector<float> finalNorm_;   // [H]

    // The step under way; buffers grow and stay.
    std::vector<Placed> placed_;
    std::int64_t rows_ = 0;  // T
    std::int64_t logitRows_ = 0;
    kernels::RopeTable rope_;
    std::vector<std::int64_t> positions_;  // [T]
    std::vector<float> residual_;          // [T, H]
    std::vector<float> normed_;            // [T, H]
    std::vector<float> qLow_;              // [T, Q]
    std::vector<float> queries_;           // [T, N, D]
    std::vector<float> keys_;              // [T, D]
    std::vector<float> values_;            // [T, D]
    std::vector<float> attended_;          // [T, N, D]
    std::vector<float> projected_;         // [T, H]
    std::vector<float> routerLogits_;      // [T, E]
    std::vector<std::int32_t> expertIds_;  // [T, K]
    std::vector<float> expertWeights_;     // [T, K]
    std::vector<float> headRows_;          // [rows of logits, H]
    kernels::LinearWorkspace linear_;
    kernels::MfaWorkspace mfa_;
    std::vector<kernels::MfaSequence> mfaSequences_;
};

}  // namespace step3::attention
