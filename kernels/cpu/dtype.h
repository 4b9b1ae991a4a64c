#pragma once

#include <cstddef>
#include <cstdint>

namespace step3::kernels {

/// Number formats of stored tensors. E4M3 is float8_e4m3fn: bias 7, max 448, no infinity, NaN = 0x7F/0xFF. The group
/// formats are codes in groups along k with a BF16 scale each (WeightView, kernels/gemm/panels.h). CompactBF16 exists
/// in memory only: BF16 numbers, all of them exact, in 12 bits.
enum class DType : std::uint8_t { kF32, kF16, kBF16, kE4M3, kI32, kI64, kU8, kInt8Group, kInt4Group, kCompactBF16 };

constexpr std::size_t bytesPerElement(DType dtype) {
    switch (dtype) {
        case DType::kF32: return 4;
        case DType::kF16: return 2;
        case DType::kBF16: return 2;
        case DType::kE4M3: return 1;
        case DType::kI32: return 4;
        case DType::kI64: return 8;
        case DType::kU8: return 1;
        case DType::kInt8Group:
        case DType::kInt4Group:
        case DType::kCompactBF16: return 0;  // no single element has an address
    }
    return 0;
}

constexpr bool isGroupFormat(DType dtype) {
    return dtype == DType::kInt8Group || dtype == DType::kInt4Group;
}

/// Bytes of one row of k numbers; rows of every format begin at a whole byte.
constexpr std::int64_t rowBytes(DType dtype, std::int64_t k) {
    if (dtype == DType::kInt8Group) return k;
    if (dtype == DType::kInt4Group) return (k + 1) / 2;
    return k * static_cast<std::int64_t>(bytesPerElement(dtype));
}

/// How a weight matrix lies in memory.
enum class Layout : std::uint8_t {
    kRows,    ///< row-major [n, k], as in a checkpoint: F32, F16, BF16, E4M3, Int8Group, Int4Group
    kPanels,  ///< panels of 16 output features (kernels/gemm/panels.h): BF16, CompactBF16, E4M3, Int8Group, Int4Group
};

/// One linear layer's weights W[n, k], y = x * W^T. Borrowed, never owned.
/// Block-FP8 (spec step3-model section 4): W[o,i] = e4m3(data[o,i]) * scaleInv[(o / blockN) * scaleStride + i /
/// blockK].
/// Groups, as rows: W[o,i] = bf16(groupScales[o * scaleStride + i / blockK]) * (code[o,i] - offset), blockK values a
/// group. Int8Group: one byte a code, offset 128. Int4Group: a byte holds value 2j in its low and 2j+1 in its high
/// half, offset 8.
struct WeightView {
    const void* data = nullptr;
    DType dtype = DType::kF32;
    std::int64_t n = 0;               ///< output features (rows)
    std::int64_t k = 0;               ///< input features (columns)
    const float* scaleInv = nullptr;  ///< null unless dtype is kE4M3
    std::int64_t scaleStride = 0;     ///< scales per row of blocks (groups: per row), ceil(k / blockK)
    std::int64_t blockN = 128;
    std::int64_t blockK = 128;
    Layout layout = Layout::kRows;
    const std::uint16_t* groupScales = nullptr;  ///< [n, scaleStride] BF16; null unless rows of a group format
};

}  // namespace step3::kernels
