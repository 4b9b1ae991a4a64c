#include "kernels/vision/conv2d.h"

#include <algorithm>
#include <vector>

#include "kernels/gemm/linear.h"

namespace step3::kernels {
namespace {

// The window of output position `index` (over batch, rows, columns) in the weights' order: channel, ky, kx.
void gatherWindow(const Conv2dParams& p, std::int64_t index, float* window) {
    const std::int64_t outWidth = p.outWidth();
    const std::int64_t perImage = p.outHeight() * outWidth;
    const float* image = p.input + index / perImage * p.batchStride;
    const std::int64_t top = index % perImage / outWidth * p.stride - p.pad;
    const std::int64_t left = index % outWidth * p.stride - p.pad;
    const std::int64_t firstX = std::max<std::int64_t>(0, -left);
    const std::int64_t lastX = std::min(p.kernel, p.width - left);
    for (std::int64_t c = 0; c < p.channels; ++c) {
        for (std::int64_t ky = 0; ky < p.kernel; ++ky, window += p.kernel) {
            const std::int64_t y = top + ky;
            if (y < 0 || y >= p.height) {
                std::fill_n(window, p.kernel, 0.0F);
                continue;
            }
            const float* row = image + c * p.channelStride + y * p.rowStride + left * p.columnStride;
            for (std::int64_t kx = 0; kx < firstX; ++kx) window[kx] = 0;
            for (std::int64_t kx = firstX; kx < lastX; ++kx) window[kx] = row[kx * p.columnStride];
            for (std::int64_t kx = std::max(firstX, lastX); kx < p.kernel; ++kx) window[kx] = 0;
        }
    }
}

}  // namespace

void conv2d(ThreadPool& pool, const Conv2dParams& params) {
    constexpr std::int64_t kMaxColumnElements = 4 << 20;  // 16 MiB of gathered windows
    const std::int64_t depth = params.channels * params.kernel * params.kernel;
    const std::int64_t positions = params.batch * params.outHeight() * params.outWidth();
    if (positions == 0) return;
    const std::int64_t piece =
        std::clamp<std::int64_t>(kMaxColumnElements / depth, 64, std::max<std::int64_t>(64, positions));
    std::vector<float> columns(static_cast<std::size_t>(std::min(piece, positions) * depth));
    for (std::int64_t first = 0; first < positions; first += piece) {
        const std::int64_t count = std::min(piece, positions - first);
        pool.parallelFor(count, 8, [&](std::int64_t begin, std::int64_t end) {
            for (std::int64_t i = begin; i < end; ++i) gatherWindow(params, first + i, columns.data() + i * depth);
        });
        linear(pool, columns.data(), count, params.weight, params.bias, params.output + first * params.weight.n);
    }
}

void conv2dReference(const Conv2dParams& params) {
    const std::int64_t positions = params.batch * params.outHeight() * params.outWidth();
    const std::int64_t outWidth = params.outWidth();
    const std::int64_t perImage = params.outHeight() * outWidth;
    std::vector<float> window(static_cast<std::size_t>(params.channels * params.kernel * params.kernel));
    for (std::int64_t i = 0; i < positions; ++i) {
        std::size_t at = 0;
        for (std::int64_t c = 0; c < params.channels; ++c) {
            for (std::int64_t ky = 0; ky < params.kernel; ++ky) {
                for (std::int64_t kx = 0; kx < params.kernel; ++kx) {
                    const std::int64_t y = i % perImage / outWidth * params.stride - params.pad + ky;
                    const std::int64_t x = i % outWidth * params.stride - params.pad + kx;
                    const bool inside = y >= 0 && y < params.height && x >= 0 && x < params.width;
                    window[at++] = inside ? params.input[i / perImage * params.batchStride + c * params.channelStride +
                                                         y * params.rowStride + x * params.columnStride]
                                          : 0.0F;
                }
            }
        }
        linearReference(window.data(), 1, params.weight, params.bias, params.output + i * params.weight.n);
    }
}

}  // namespace step3::kernels
