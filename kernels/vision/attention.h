#pragma once

#include <cstdint>

#include "kernels/cpu/thread_pool.h"
#include "kernels/vision/vision_table.h"

namespace step3::kernels {

/// Full (unmasked) attention of the vision encoder, spec step3-model section 5.2.
struct VisionAttentionParams {
    const float* qkv = nullptr;  // [batch, tokens, 3 * heads * dim]: Q of all heads, then K, then V
    float* out = nullptr;        // [batch, tokens, heads * dim]
    std::int64_t batch = 0;
    std::int64_t tokens = 0;
    std::int64_t heads = 0;
    std::int64_t dim = 0;
};

/// Holds a tile of kAttentionQueryBlock x kAttentionKeyBlock scores a thread, never a whole row.
void visionAttention(ThreadPool& pool, const VisionAttentionParams& params, const VisionTable& table = visionTable());

/// The same in plain loops with double accumulation.
void visionAttentionReference(const VisionAttentionParams& params);

}  // namespace step3::kernels
