#pragma once

#include <cstdint>

#include "kernels/cpu/dtype.h"

namespace step3::kernels {

// Weight matrices repacked for the CPU. W[n, k] is cut into panels of 16 output features; a panel holds all of k and is
// one contiguous stream, so one layout serves both the vector-matrix product, which walks four panels far apart, and
// the register tile, which multiplies a panel with several activation rows (spec performance sections 4.1 and 4.2).
// Missing features and missing k are zeros.
//
//   BF16         [n/16][k/2][16][2]   two neighbours in k side by side, so one shift and one mask widen them
//   CompactBF16  [n/16]{ CompactHead, [k/8]{ upper half bytes [64], lower bytes [2][64] } }   see below
//   E4M3         [n/16][k/4][16][4]   in the order k, k+2, k+1, k+3: even bytes and odd bytes each become BF16 pairs
//   Int8Group    [n/16][k/64]{ scale BF16 [2][16], code u8 [2][8][16][4] }   w = scale * (code - 128)
//   Int4Group    [n/16][k/64]{ scale BF16 [2][16], code u4 [2][4][16][8] }   w = scale * (code - 8)
//
// The groups of the last two are 32 values of k with one scale. A byte of Int4Group holds value k in its low and value
// k+4 in its high half, so that either half is four neighbours in k. Block scales of E4M3 stay as in the checkpoint.
//
// CompactBF16 makes use of the narrow range of a layer's weights: of a normal distribution all but one number in some
// thousands lie within a factor of 2^15 of the largest, and numbers of 15 binary orders need four bits of exponent
// instead of eight. A code has twelve bits: sign, exponent - base (1 .. 15) and seven bits of mantissa; all zeros is 0.
// `base` belongs to the panel. Numbers outside the range have code 0 and are listed in the panel's head.
// A line of 64 lower bytes holds the last bit of the exponent and the mantissa of four neighbours in k: of four columns
// first (k, k+1) and then (k+2, k+3), so that its bytes and upper ones, interleaved, are BF16 pairs. The upper four
// bits lie in the same order, those of the line from k on in the low and those of the line from k+4 on in the high
// halves; a table turns them into upper bytes.

inline constexpr std::int64_t kPanelColumns = 16;
inline constexpr std::int64_t kGroupValues = 32;    // values of k that share a scale
inline constexpr std::int64_t kBlockValues = 64;    // two groups, whose scales fill one cache line
inline constexpr std::int64_t kMostPanels = 4;      // panels multiplied together
inline constexpr std::int64_t kMostFp8Block = 256;  // longest blockK the E4M3 kernel handles

/// Values of k in a unit of a CompactBF16 panel, and bytes of a unit.
inline constexpr std::int64_t kCompactValues = 8;
inline constexpr std::int64_t kCompactUnit = 192;

/// A weight of a CompactBF16 panel that has no code: column + 16 * k, and the weight.
struct CompactException {
    std::uint32_t index;
    float value;
};

/// What a CompactBF16 panel begins with, followed by more exceptions.
struct CompactHead {
    std::int32_t base;    // of the exponents as BF16 has them, biased by 127
    std::uint32_t count;  // of exceptions
    CompactException first[7];
};
static_assert(sizeof(CompactHead) == 64);

/// Exceptions a panel has room for: 1 in 700 to 1 in 1000 weights, several times as many as a normal distribution has.
constexpr std::int64_t compactExceptions(std::int64_t k) {
    return 7 + (k + 511) / 512 * 8;
}

/// Bytes before the first unit.
constexpr std::int64_t compactHeadBytes(std::int64_t k) {
    return 8 + compactExceptions(k) * 8;
}

constexpr std::int64_t panelsOf(std::int64_t n) {
    return (n + kPanelColumns - 1) / kPanelColumns;
}

constexpr std::int64_t blocksOf(std::int64_t k) {
    return (k + kBlockValues - 1) / kBlockValues;
}

/// Bytes of one panel; always a multiple of 64.
constexpr std::int64_t panelBytes(DType dtype, std::int64_t k) {
    switch (dtype) {
        case DType::kBF16: return (k + 1) / 2 * 64;
        case DType::kCompactBF16: return compactHeadBytes(k) + (k + kCompactValues - 1) / kCompactValues * kCompactUnit;
        case DType::kE4M3: return (k + 3) / 4 * 64;
        case DType::kInt8Group: return blocksOf(k) * (64 + 1024);
        case DType::kInt4Group: return blocksOf(k) * (64 + 512);
        default: return 0;
    }
}

/// Bytes of 64 activations as the group formats read them.
inline constexpr std::int64_t kGroupActivationBytes = 208;

/// Bytes of an activation row of k values prepared for panels of this format (KernelTable::prepareRow); 0 for BF16,
/// which reads the float32 row itself.
constexpr std::int64_t preparedBytes(DType dtype, std::int64_t k) {
    switch (dtype) {
        case DType::kCompactBF16:
        case DType::kE4M3: return (k + 7) / 8 * 32;
        case DType::kInt8Group:
        case DType::kInt4Group: return blocksOf(k) * kGroupActivationBytes;
        default: return 0;
    }
}

/// Bytes of the whole matrix as panels.
constexpr std::int64_t panelMatrixBytes(DType dtype, std::int64_t n, std::int64_t k) {
    return panelsOf(n) * panelBytes(dtype, k);
}

/// True if rows of this format can be repacked as panels of the same format without a change of any value.
bool canPack(const WeightView& rows);

struct KernelTable;

/// Repacks panels [begin, end) of a row-major matrix into `target`, whose data (panelMatrixBytes, aligned to 64 bytes)
/// is written. A format that stays the same keeps every value (rows in longer groups repeat their scales); otherwise
/// the rows, of any format and with their scales applied, are quantised to the target's: the group formats
/// (quantiseRows), or E4M3 with the block scales of `target`. Returns a row with a weight that is not finite, which
/// cannot be quantised, or -1. For CompactBF16 see packCompactPanels.
std::int64_t packPanels(const KernelTable& kernels, const WeightView& rows, const WeightView& target,
                        std::int64_t begin, std::int64_t end);

/// The same for BF16 rows and a CompactBF16 `target`, every value kept. Returns false if a panel has more exceptions
/// than room for them: such a matrix takes plain BF16 panels.
bool packCompactPanels(const WeightView& rows, const WeightView& target, std::int64_t begin, std::int64_t end);

/// Block scales for quantising a matrix to E4M3 blocks of blockN x blockK: largest magnitude / 448. Rows of blocks
/// [begin, end); `scales` [ceil(n / blockN), ceil(k / blockK)].
void e4m3Scales(const KernelTable& kernels, const WeightView& rows, std::int64_t blockN, std::int64_t blockK,
                std::int64_t begin, std::int64_t end, float* scales);

/// The signed code of value i (0 .. 63) of a column in a block's codes.
int codeAt(DType dtype, const unsigned char* codes, std::int64_t i, std::int64_t column);

/// Element-wise inverse: W[row, 0 .. k) of a panel matrix as float32. Plain, for tests and references.
void unpackRow(const WeightView& panels, std::int64_t row, float* out);

}  // namespace step3::kernels
