#pragma once

#include <cstdint>

#include "kernels/cpu/thread_pool.h"
#include "kernels/vision/vision_table.h"

namespace step3::kernels {

/// The residual post-norm of the vision encoder (spec step3-model section 5.2):
/// x[rows, width] += (branch - mean) / sqrt(variance + eps) * weight + bias, statistics per row of `branch`.
struct AddLayerNormParams {
    float* x = nullptr;             // [rows, width]
    const float* branch = nullptr;  // [rows, width]
    std::int64_t rows = 0;
    std::int64_t width = 0;
    const float* weight = nullptr;  // [width]
    const float* bias = nullptr;    // [width]
    float eps = 1e-6F;
};
void addLayerNorm(ThreadPool& pool, const AddLayerNormParams& params, const VisionTable& table = visionTable());
void addLayerNormReference(const AddLayerNormParams& params);

/// x = x * sigmoid(1.702 x), in place.
void quickGelu(ThreadPool& pool, float* x, std::int64_t count, const VisionTable& table = visionTable());
void quickGeluReference(float* x, std::int64_t count);

}  // namespace step3::kernels
