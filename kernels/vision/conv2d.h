#pragma once

#include <cstdint>

#include "kernels/cpu/dtype.h"
#include "kernels/cpu/thread_pool.h"

namespace step3::kernels {

/// A square-kernel convolution over a batch of pictures. The input's memory order is given by strides, so planar pixels
/// [3, H, W] and token rows [H * W, C] are read in place.
struct Conv2dParams {
    const float* input = nullptr;
    std::int64_t batch = 1;
    std::int64_t channels = 0;
    std::int64_t height = 0;
    std::int64_t width = 0;
    std::int64_t batchStride = 0;    // elements between pictures
    std::int64_t channelStride = 0;  // between channels of a pixel
    std::int64_t rowStride = 0;      // between rows
    std::int64_t columnStride = 0;   // between columns
    std::int64_t kernel = 1;
    std::int64_t stride = 1;
    std::int64_t pad = 0;         // zeros on every side
    WeightView weight;            // [outChannels, channels * kernel * kernel], the flattened [O, C, ky, kx] tensor
    const float* bias = nullptr;  // [outChannels] or null
    float* output = nullptr;      // [batch, outHeight * outWidth, outChannels]: token rows, row-major

    [[nodiscard]] std::int64_t outHeight() const { return (height + 2 * pad - kernel) / stride + 1; }
    [[nodiscard]] std::int64_t outWidth() const { return (width + 2 * pad - kernel) / stride + 1; }
};

/// im2col in bounded pieces, then linear().
void conv2d(ThreadPool& pool, const Conv2dParams& params);
/// Direct sums in double. Weights in any format linearReference reads.
void conv2dReference(const Conv2dParams& params);

}  // namespace step3::kernels
