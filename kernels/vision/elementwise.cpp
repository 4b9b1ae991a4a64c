#include "kernels/vision/elementwise.h"

#include <algorithm>
#include <cmath>

namespace step3::kernels {
namespace {

// Elements a piece of work should have so that handing it out costs little beside it.
constexpr std::int64_t kGrainElements = 16384;

}  // namespace

void addLayerNorm(ThreadPool& pool, const AddLayerNormParams& params, const VisionTable& table) {
    const std::int64_t grain = std::max<std::int64_t>(1, kGrainElements / std::max<std::int64_t>(1, params.width));
    pool.parallelFor(params.rows, grain, [&](std::int64_t begin, std::int64_t end) {
        table.addLayerNorm(params.x + begin * params.width, params.branch + begin * params.width, end - begin,
                           params.width, params.weight, params.bias, params.eps);
    });
}

void addLayerNormReference(const AddLayerNormParams& params) {
    for (std::int64_t row = 0; row < params.rows; ++row) {
        const float* branch = params.branch + row * params.width;
        double mean = 0;
        for (std::int64_t i = 0; i < params.width; ++i) mean += branch[i];
        mean /= static_cast<double>(params.width);
        double variance = 0;
        for (std::int64_t i = 0; i < params.width; ++i) variance += (branch[i] - mean) * (branch[i] - mean);
        variance /= static_cast<double>(params.width);
        const double scale = 1.0 / std::sqrt(variance + static_cast<double>(params.eps));
        for (std::int64_t i = 0; i < params.width; ++i) {
            float& x = params.x[row * params.width + i];
            x = static_cast<float>(x + ((branch[i] - mean) * scale * params.weight[i] + params.bias[i]));
        }
    }
}

void quickGelu(ThreadPool& pool, float* x, std::int64_t count, const VisionTable& table) {
    pool.parallelFor(count, kGrainElements,
                     [&](std::int64_t begin, std::int64_t end) { table.quickGelu(x + begin, end - begin); });
}

void quickGeluReference(float* x, std::int64_t count) {
    for (std::int64_t i = 0; i < count; ++i) {
        const double v = x[i];
        x[i] = static_cast<float>(v / (1.0 + std::exp(-1.702 * v)));
    }
}

}  // namespace step3::kernels
