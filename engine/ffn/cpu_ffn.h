#pragma once

#include <memory>
#include <vector>

#include "engine/ffn/ffn_backend.h"
#include "engine/model/checkpoint.h"
#include "engine/model/expert_cache.h"
#include "engine/model/finite_guard.h"
#include "kernels/cpu/kernel_table.h"
#include "kernels/cpu/thread_pool.h"
#include "kernels/moe/grouped_ffn.h"

namespace step3::ffn {

/// The FFN role on the CPU. Tokens are grouped by expert, so every expert's weights are read once a request.
class CpuFfn final : public FfnBackend {
public:
    /// Throws Error if a tensor is missing.
    CpuFfn(std::shared_ptr<const model::Checkpoint> checkpoint, kernels::ThreadPool& pool,
           const kernels::KernelTable& kernels);

    void run(const afd::FfnRequest& request, float* out) override;

private:
    struct Layer {
        kernels::FfnWeights all;                   // dense FFN, or the shared expert
        std::vector<kernels::FfnWeights> experts;  // [E], empty in a dense layer and where experts are offloaded
    };
    /// An expert of the request and its tokens: [begin, end) of tokens_ and factors_.
    struct Picked {
        std::size_t begin, end;
    };

    void groupByExpert(const afd::FfnRequest& request);
    [[nodiscard]] kernels::FfnGroup groupOf(const Picked& picked, const kernels::FfnWeights& weights) const;
    void runOffloaded(const afd::FfnRequest& request, kernels::GroupedFfnParams& params);

    std::shared_ptr<const model::Checkpoint> checkpoint_;
    kernels::ThreadPool& pool_;
    const kernels::KernelTable& kernels_;
    std::int64_t hidden_;   // H
    std::int64_t topK_;     // K
    std::int64_t experts_;  // E
    model::FiniteGuard guard_;
    model::ExpertCache* cache_;  // null: layers_ have all experts
    std::vector<Layer> layers_;

    // Buffers of one request; nothing in them outlives it.
    kernels::FfnWorkspace workspace_;
    std::vector<kernels::FfnGroup> groups_;
    std::vector<std::size_t> starts_;      // [E + 1] first place of each expert in the next two
    std::vector<std::int32_t> tokens_;     // [T * K] by expert, then by token
    std::vector<float> factors_;           // [T * K]
    std::vector<std::int32_t> pickedIds_;  // experts with tokens, in order
    std::vector<Picked> picked_;           // their tokens
};

}  // namespace step3::ffn
