#pragma once

#include <cstdint>
#include <optional>

#include "engine/model/checkpoint.h"
#include "engine/model/weight_options.h"
#include "kernels/cpu/dtype.h"

namespace step3::model {

/// The number format a tensor is packed in; nothing if it stays as it is stored.
std::optional<kernels::DType> packedType(const TensorSpec& spec, const Checkpoint& checkpoint,
                                         const WeightFormats& formats);

/// True if BF16 weights become CompactBF16 where their numbers allow it.
bool compactsWeights(const Checkpoint& checkpoint, const WeightFormats& formats);

/// How one matrix of rows [n, k] lies when packed.
struct PackedMatrix {
    kernels::WeightView view;  // without data and block scales
    std::int64_t bytes = 0;    // of its panels
    std::int64_t scales = 0;   // E4M3: block scales, [ceil(n / blockN), scaleStride]
    bool makesScales = false;  // E4M3 from another format: the block scales are computed
};
PackedMatrix packedMatrix(const kernels::WeightView& rows, kernels::DType dtype);

/// Matrices of a tensor: E of a fused expert tensor, else 1.
std::int64_t matricesOf(const TensorSpec& spec);

/// Packed tensors begin at multiples of this many bytes.
constexpr std::int64_t kPackedAlignment = 4096;
constexpr std::int64_t alignPacked(std::int64_t bytes) {
    return (bytes + kPackedAlignment - 1) / kPackedAlignment * kPackedAlignment;
}

/// Throws Error kInvalidData: row `row` of matrix `matrix` (of a fused tensor) holds weights that are not finite.
[[noreturn]] void failNotFinite(const Checkpoint& checkpoint, const TensorSpec& spec, std::int64_t matrix,
                                std::int64_t row);

}  // namespace step3::model
