#pragma once

#include <cstdint>

#include "kernels/cpu/dtype.h"

namespace step3::kernels {

// Weight matrices repacked for the CPU. W[n, k] is cut into panels of 16 output features; a panel holds all of k and is
// one contiguous stream, so one layout serves both the vector-matrix product, which walks four panels far apart, and
// the register tile, which multiplies a panel with several activation rows (spec performance sections 4.1 and 4.2).
// Missing features and missing k are zeros.
//
//   BF16       [n/16][k/2][16][2]   two neighbours in k side by side, so one shift and one mask widen them
//   E4M3       [n/16][k/4][16][4]   in the order k, k+2, k+1, k+3: even bytes and odd bytes each become BF16 pairs
//   Int8Group  [n/16][k/64]{ scale BF16 [2][16], code u8 [2][8][16][4] }   w = scale * (code - 128)
//   Int4Group  [n/16][k/64]{ scale BF16 [2][16], code u4 [2][4][16][8] }   w = scale * (code - 8)
//
// The groups of the last two are 32 values of k with one scale. A byte of Int4Group holds value k in its low and value
// k+4 in its high half, so that either half is four neighbours in k. Block scales of E4M3 stay as in the checkpoint.

inline constexpr std::int64_t kPanelColumns = 16;
inline constexpr std::int64_t kGroupValues = 32;    // values of k that share a scale
inline constexpr std::int64_t kBlockValues = 64;    // two groups, whose scales fill one cache line
inline constexpr std::int64_t kMostPanels = 4;      // panels multiplied together
inline constexpr std::int64_t kMostFp8Block = 256;  // longest blockK the E4M3 kernel handles

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
        case DType::kE4M3: return (k + 3) / 4 * 16;
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
/// cannot be quantised, or -1.
std::int64_t packPanels(const KernelTable& kernels, const WeightView& rows, const WeightView& target,
                        std::int64_t begin, std::int64_t end);

/// Block scales for quantising a matrix to E4M3 blocks of blockN x blockK: largest magnitude / 448. Rows of blocks
/// [begin, end); `scales` [ceil(n / blockN), ceil(k / blockK)].
void e4m3Scales(const KernelTable& kernels, const WeightView& rows, std::int64_t blockN, std::int64_t blockK,
                std::int64_t begin, std::int64_t end, float* scales);

/// The signed code of value i (0 .. 63) of a column in a block's codes.
int codeAt(DType dtype, const unsigned char* codes, std::int64_t i, std::int64_t column);

/// Element-wise inverse: W[row, 0 .. k) of a panel matrix as float32. Plain, for tests and references.
void unpackRow(const WeightView& panels, std::int64_t row, float* out);

}  // namespace step3::kernels
