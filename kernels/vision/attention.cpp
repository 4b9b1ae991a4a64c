#include "kernels/vision/attention.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <vector>

namespace step3::kernels {

void visionAttention(ThreadPool& pool, const VisionAttentionParams& params, const VisionTable& table) {
    const std::int64_t blocks = (params.tokens + kAttentionQueryBlock - 1) / kAttentionQueryBlock;
    const std::int64_t tasks = params.batch * params.heads * blocks;
    if (tasks == 0) return;

    // At most `lanes` bodies run at a time; each takes tasks from the shared counter with scratch memory of its own.
    const std::int64_t lanes = std::min<std::int64_t>(tasks, pool.threads());
    const std::int64_t scratchFloats = visionAttentionScratch(params.dim);
    std::vector<float> scratch(static_cast<std::size_t>(lanes * scratchFloats));
    std::atomic<std::int64_t> next{0};
    pool.parallelFor(lanes, 1, [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t lane = begin; lane < end; ++lane) {
            float* own = scratch.data() + lane * scratchFloats;
            for (std::int64_t task = next++; task < tasks; task = next++) {
                const std::int64_t first = task % blocks * kAttentionQueryBlock;
                const std::int64_t head = task / blocks % params.heads;
                const std::int64_t item = task / blocks / params.heads;
                const std::int64_t width = params.heads * params.dim;
                table.attend({.qkv = params.qkv + item * params.tokens * 3 * width,
                              .out = params.out + item * params.tokens * width,
                              .tokens = params.tokens,
                              .heads = params.heads,
                              .dim = params.dim,
                              .head = head,
                              .firstQuery = first,
                              .queryCount = std::min(kAttentionQueryBlock, params.tokens - first)},
                             own);
            }
        }
    });
}

void visionAttentionReference(const VisionAttentionParams& params) {
    const std::int64_t width = params.heads * params.dim;
    const double scale = 1.0 / std::sqrt(static_cast<double>(params.dim));
    std::vector<double> scores(static_cast<std::size_t>(params.tokens));
    for (std::int64_t row = 0; row < params.batch * params.tokens; ++row) {
        const std::int64_t firstKey = row / params.tokens * params.tokens;
        for (std::int64_t h = 0; h < params.heads; ++h) {
            const float* q = params.qkv + row * 3 * width + h * params.dim;
            double highest = -INFINITY;
            for (std::int64_t s = 0; s < params.tokens; ++s) {
                const float* k = params.qkv + (firstKey + s) * 3 * width + width + h * params.dim;
                double dot = 0;
                for (std::int64_t d = 0; d < params.dim; ++d) dot += static_cast<double>(q[d]) * k[d];
                scores[static_cast<std::size_t>(s)] = dot * scale;
                highest = std::max(highest, dot * scale);
            }
            double total = 0;
            for (double& s : scores) total += s = std::exp(s - highest);
            for (std::int64_t d = 0; d < params.dim; ++d) {
                double sum = 0;
                for (std::int64_t s = 0; s < params.tokens; ++s) {
                    sum += scores[static_cast<std::size_t>(s)] *
                           params.qkv[(firstKey + s) * 3 * width + 2 * width + h * params.dim + d];
                }
                params.out[row * width + h * params.dim + d] = static_cast<float>(sum / total);
            }
        }
    }
}

}  // namespace step3::kernels
