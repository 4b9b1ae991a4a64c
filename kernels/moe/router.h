#pragma once

#include <cstdint>

#include "kernels/cpu/thread_pool.h"

namespace step3::kernels {

/// p = softmax(logits) over all experts in float32, then the K largest, descending; equal probabilities take the lowest
/// index first (spec step3-model section 2.3).
struct RouterParams {
    const float* logits;  // [tokens, experts]
    std::int32_t* ids;    // [tokens, topK]
    float* weights;       // [tokens, topK]
    std::int64_t tokens;
    std::int64_t experts;  // E
    std::int64_t topK;     // K <= E
    bool renormalise;      // weights divided by their sum (norm_expert_weight)
};

void routeTopK(ThreadPool& pool, const RouterParams& params);
/// Sorts all experts by probability in double.
void routeTopKReference(const RouterParams& params);

}  // namespace step3::kernels
