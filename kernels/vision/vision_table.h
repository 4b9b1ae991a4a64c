#pragma once

#include <cstdint>

#include "kernels/cpu/isa.h"

namespace step3::kernels {

/// One block of query rows of one head of one picture.
struct VisionAttentionTask {
    const float* qkv;  // [tokens, 3 * heads * dim] of this picture: Q all heads, K, V
    float* out;        // [tokens, heads * dim] of this picture
    std::int64_t tokens;
    std::int64_t heads;
    std::int64_t dim;
    std::int64_t head;
    std::int64_t firstQuery;
    std::int64_t queryCount;  // at most kAttentionQueryBlock
};

inline constexpr std::int64_t kAttentionQueryBlock = 48;
inline constexpr std::int64_t kAttentionKeyBlock = 64;

/// Rows that the horizontal resize handles side by side, one per vector lane.
inline constexpr std::int64_t kResampleTileRows = 16;

/// Weights of a resize along one axis: output i reads inputs first[i] .. first[i] + count[i] - 1.
template <typename Weight>
struct TapsView {
    std::int64_t out;           // number of outputs
    const std::int32_t* first;  // [out]
    const std::int32_t* count;  // [out]
    const Weight* weight;       // [out, stride]
    std::int64_t stride;
};

/// The vector code of one instruction set. All functions are single-threaded and allocate nothing.
struct VisionTable {
    /// x[rows, width] += layerNorm(branch[rows, width]) * weight + bias
    void (*addLayerNorm)(float* x, const float* branch, std::int64_t rows, std::int64_t width, const float* weight,
                         const float* bias, float eps);
    /// x = x * sigmoid(1.702 x)
    void (*quickGelu)(float* x, std::int64_t count);
    /// softmax(Q K^T / sqrt(dim)) V for a block of queries; scratch holds visionAttentionScratch(dim) floats.
    void (*attend)(const VisionAttentionTask& task, float* scratch);

    /// kResampleTileRows rows of `bytes` bytes -> tile [bytes, kResampleTileRows], and back. Rows may be the same
    /// memory.
    void (*rowsToTile)(const std::uint8_t* const* rows, std::int64_t bytes, std::uint8_t* tile);
    void (*tileToRows)(const std::uint8_t* tile, std::int64_t bytes, std::uint8_t* const* rows);
    /// Horizontal resize of a tile: in [width * 3, kResampleTileRows] -> out [taps.out * 3, kResampleTileRows].
    void (*resampleTileU8)(const std::uint8_t* in, const TapsView<std::int32_t>& taps, std::uint8_t* out);
    void (*resampleTileF32)(const float* in, const TapsView<float>& taps, float* out);
    /// Vertical resize: one output row of `width` elements from `count` rows that lie `rowStride` elements apart.
    void (*resampleRowU8)(const std::uint8_t* in, std::int64_t rowStride, const std::int32_t* weight,
                          std::int64_t count, std::int64_t width, std::uint8_t* out);
    void (*resampleRowF32)(const float* in, std::int64_t rowStride, const float* weight, std::int64_t count,
                           std::int64_t width, float* out);
};

/// Floats of scratch memory one VisionTable::attend call needs.
std::int64_t visionAttentionScratch(std::int64_t dim);

const VisionTable& visionTable(Isa isa);
/// That of activeIsa().
const VisionTable& visionTable();

}  // namespace step3::kernels
