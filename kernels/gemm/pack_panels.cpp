#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstring>
#include <optional>
#include <vector>

#include "kernels/cpu/convert.h"
#include "kernels/cpu/kernel_table.h"
#include "kernels/gemm/group_rows.h"
#include "kernels/gemm/panels.h"

namespace step3::kernels {
namespace {

/// The rows of one panel; a missing row points at `zeros`.
using PanelRows = std::array<const unsigned char*, kPanelColumns>;

PanelRows rowsOfPanel(const WeightView& w, std::int64_t panel, const unsigned char* zeros) {
    PanelRows rows{};
    const std::int64_t bytes = rowBytes(w.dtype, w.k);
    for (std::int64_t c = 0; c < kPanelColumns; ++c) {
        const std::int64_t row = panel * kPanelColumns + c;
        rows[static_cast<std::size_t>(c)] = row < w.n ? static_cast<const unsigned char*>(w.data) + row * bytes : zeros;
    }
    return rows;
}

std::uint32_t load32(const unsigned char* p) {
    std::uint32_t bits = 0;
    std::memcpy(&bits, p, sizeof bits);
    return bits;
}

/// The last, incomplete word of a row.
std::uint32_t loadRest(const unsigned char* p, std::int64_t bytes) {
    std::uint32_t bits = 0;
    std::memcpy(&bits, p, static_cast<std::size_t>(bytes));
    return bits;
}

/// Words of four bytes of all 16 rows side by side, each changed by `order`.
template <typename Order>
void interleave(const PanelRows& rows, std::int64_t bytes, std::uint32_t* out, Order order) {
    const std::int64_t words = bytes / 4;
    for (std::int64_t i = 0; i < words; ++i, out += kPanelColumns) {
        for (std::size_t c = 0; c < rows.size(); ++c) out[c] = order(load32(rows[c] + i * 4));
    }
    if (bytes % 4 == 0) return;
    for (std::size_t c = 0; c < rows.size(); ++c) out[c] = order(loadRest(rows[c] + words * 4, bytes % 4));
}

/// Bytes 0, 1, 2, 3 -> 0, 2, 1, 3.
std::uint32_t swapMiddle(std::uint32_t word) {
    return (word & 0xFF0000FFU) | ((word & 0x0000FF00U) << 8U) | ((word & 0x00FF0000U) >> 8U);
}

/// 0x4321 -> 0x04030201: one value a byte.
std::uint32_t spreadNibbles(std::uint32_t four) {
    four = (four | (four << 8U)) & 0x00FF00FFU;
    return (four | (four << 4U)) & 0x0F0F0F0FU;
}

/// Eight neighbours in k, two a byte -> value j in the low and j + 4 in the high half of byte j.
std::uint32_t pairNibbles(std::uint32_t word) {
    return spreadNibbles(word & 0xFFFFU) | (spreadNibbles(word >> 16U) << 4U);
}

/// The rows of one panel of a group format, whose groups may be longer than a panel's, interleaved.
void interleaveGroups(const WeightView& w, std::int64_t panel, std::uint8_t* out) {
    const bool int4 = w.dtype == DType::kInt4Group;
    const std::int64_t bytes = rowBytes(w.dtype, w.k);
    const std::int64_t blockBytes = rowBytes(w.dtype, kBlockValues);
    const auto none = static_cast<unsigned char>(int4 ? 0x88 : 0x80);  // codes of 0
    for (std::int64_t c = 0; c < kPanelColumns; ++c) {
        const std::int64_t row = panel * kPanelColumns + c;
        const auto* data = static_cast<const unsigned char*>(w.data) + row * bytes;
        for (std::int64_t b = 0; b < blocksOf(w.k); ++b) {
            std::uint8_t* block = out + b * panelBytes(w.dtype, kBlockValues);
            auto* scales = reinterpret_cast<std::uint16_t*>(block);
            for (std::int64_t g = 0; g < 2; ++g) {
                const std::int64_t k = b * kBlockValues + g * kGroupValues;
                const bool stored = row < w.n && k < w.k;
                scales[g * kPanelColumns + c] =
                    stored ? w.groupScales[row * w.scaleStride + k / w.blockK] : std::uint16_t{0};
            }
            std::array<unsigned char, kBlockValues> rest;
            const unsigned char* from = data + b * blockBytes;
            if (row >= w.n || (b + 1) * kBlockValues > w.k) {
                rest.fill(none);
                if (row < w.n) std::copy(from, data + bytes, rest.begin());
                from = rest.data();
                if (int4 && row < w.n && w.k % 2 != 0) {
                    unsigned char& last = rest[static_cast<std::size_t>(bytes - 1 - b * blockBytes)];
                    last = static_cast<unsigned char>((last & 0x0FU) | 0x80U);
                }
            }
            for (std::int64_t i = 0; i < blockBytes; i += 4) {
                const std::uint32_t word = int4 ? pairNibbles(load32(from + i)) : load32(from + i);
                std::memcpy(block + 64 + i * kPanelColumns + c * 4, &word, sizeof word);
            }
        }
    }
}

/// Quantises the rows of one panel, in groups as panels have them, and interleaves them.
class PanelQuantiser {
public:
    PanelQuantiser(const WeightView& rows, DType dtype) {
        view_.dtype = dtype;
        view_.k = rows.k;
        view_.blockK = kGroupValues;
        view_.scaleStride = (rows.k + kGroupValues - 1) / kGroupValues;
        codes_.resize(static_cast<std::size_t>(kPanelColumns * rowBytes(dtype, rows.k)));
        scales_.resize(static_cast<std::size_t>(kPanelColumns * view_.scaleStride));
        view_.data = codes_.data();
        view_.groupScales = scales_.data();
    }

    /// Returns a row that is not finite, or -1.
    std::int64_t pack(const KernelTable& kernels, const WeightView& rows, std::int64_t panel, std::uint8_t* out) {
        const std::int64_t first = panel * kPanelColumns;
        view_.n = std::min(kPanelColumns, rows.n - first);
        const std::int64_t bad = quantiseRows(kernels, rows, first, first + view_.n, view_);
        interleaveGroups(view_, 0, out);
        return bad;
    }

private:
    WeightView view_;
    std::vector<std::uint8_t> codes_;
    std::vector<std::uint16_t> scales_;
};

bool allFinite(const std::vector<float>& values) {
    return std::all_of(values.begin(), values.end(), [](float value) { return std::isfinite(value); });
}

/// Rows of one panel as E4M3 codes with the block scales of `target`, then interleaved. Returns a row that is not
/// finite, or -1.
std::int64_t encodePanel(const KernelTable& kernels, const WeightView& w, const WeightView& target, std::int64_t panel,
                         std::vector<float>& values, std::vector<unsigned char>& codes, std::uint32_t* out) {
    std::int64_t bad = -1;
    values.resize(static_cast<std::size_t>(w.k));
    codes.assign(static_cast<std::size_t>(w.k * kPanelColumns), 0);
    PanelRows rows{};
    for (std::int64_t c = 0; c < kPanelColumns; ++c) {
        unsigned char* to = codes.data() + c * w.k;
        rows[static_cast<std::size_t>(c)] = to;
        const std::int64_t row = panel * kPanelColumns + c;
        if (row >= w.n) continue;
        widenStoredRow(kernels, w, row, values.data());
        if (!allFinite(values)) bad = row;
        const float* scales = target.scaleInv + row / target.blockN * target.scaleStride;
        for (std::int64_t i = 0; i < w.k; ++i) {
            const float scale = scales[i / target.blockK];
            to[i] = scale > 0.0F ? floatToE4m3(values[static_cast<std::size_t>(i)] / scale) : std::uint8_t{0};
        }
    }
    interleave(rows, w.k, out, swapMiddle);
    return bad;
}

float codeValue(const WeightView& w, const unsigned char* panel, std::int64_t column, std::int64_t i) {
    const unsigned char* block = panel + i / kBlockValues * panelBytes(w.dtype, kBlockValues);
    const std::int64_t inBlock = i % kBlockValues;
    const std::int64_t group = inBlock / kGroupValues;
    std::uint16_t bits = 0;
    std::memcpy(&bits, block + (group * kPanelColumns + column) * 2, sizeof bits);
    return bf16ToFloat(bits) * static_cast<float>(codeAt(w.dtype, block + 64, inBlock, column));
}

void unpackCompact(const unsigned char* panel, std::int64_t column, std::int64_t k, float* out) {
    CompactHead head{};
    std::memcpy(&head, panel, sizeof head);
    const unsigned char* units = panel + compactHeadBytes(k);
    for (std::int64_t i = 0; i < k; ++i) {
        const unsigned char* unit = units + i / kCompactValues * kCompactUnit;
        const std::int64_t line = i % kCompactValues / 4;
        const std::int64_t at = column / 4 * 16 + i % 4 / 2 * 8 + column % 4 * 2 + i % 2;
        const unsigned upper = line == 0 ? unit[at] & 15U : unit[at] >> 4U;
        const unsigned code = upper << 8U | unit[64 + line * 64 + at];
        const unsigned size = code & 0x7FFU;
        const unsigned bits = (code >> 11U) << 15U | (size + (static_cast<unsigned>(head.base) << 7U));
        out[i] = code == 0 ? 0.0F : bf16ToFloat(static_cast<std::uint16_t>(bits));
    }
    for (std::uint32_t i = 0; i < head.count; ++i) {
        CompactException exception{};
        std::memcpy(&exception, panel + offsetof(CompactHead, first) + i * sizeof exception, sizeof exception);
        if (exception.index % kPanelColumns == column) out[exception.index / kPanelColumns] = exception.value;
    }
}

}  // namespace

int codeAt(DType dtype, const unsigned char* codes, std::int64_t i, std::int64_t column) {
    if (dtype == DType::kInt8Group) return codes[i / 4 * 64 + column * 4 + i % 4] - 128;
    const unsigned char byte = codes[i / 8 * 64 + column * 4 + i % 4];
    return (i % 8 < 4 ? byte & 15 : byte >> 4) - 8;
}

bool canPack(const WeightView& rows) {
    if (rows.layout != Layout::kRows) return false;
    if (rows.dtype == DType::kBF16) return true;
    if (isGroupFormat(rows.dtype)) return rows.blockK % kGroupValues == 0;
    // A panel must lie inside one row of blocks, and four neighbours in k inside one block.
    return rows.dtype == DType::kE4M3 && rows.blockN % kPanelColumns == 0 && rows.blockK % 4 == 0 &&
           rows.blockK <= kMostFp8Block;
}

std::int64_t packPanels(const KernelTable& kernels, const WeightView& rows, const WeightView& target,
                        std::int64_t begin, std::int64_t end) {
    const std::int64_t bytes = panelBytes(target.dtype, rows.k);
    const std::int64_t bytesOfRow = rowBytes(rows.dtype, rows.k);
    const std::vector<unsigned char> zeros(static_cast<std::size_t>(bytesOfRow));
    std::int64_t bad = -1;
    std::optional<PanelQuantiser> quantiser;
    std::vector<float> values;
    std::vector<unsigned char> codes;
    for (std::int64_t panel = begin; panel < end; ++panel) {
        // The one place where weights are written: whoever asks for panels owns their memory.
        auto* to = static_cast<std::uint8_t*>(const_cast<void*>(target.data)) + panel * bytes;
        auto* words = reinterpret_cast<std::uint32_t*>(to);
        if (isGroupFormat(target.dtype) && target.dtype == rows.dtype) {
            interleaveGroups(rows, panel, to);
        } else if (isGroupFormat(target.dtype)) {
            if (!quantiser) quantiser.emplace(rows, target.dtype);
            bad = std::max(bad, quantiser->pack(kernels, rows, panel, to));
        } else if (target.dtype != rows.dtype) {
            bad = std::max(bad, encodePanel(kernels, rows, target, panel, values, codes, words));
        } else if (target.dtype == DType::kBF16) {
            interleave(rowsOfPanel(rows, panel, zeros.data()), bytesOfRow, words,
                       [](std::uint32_t word) { return word; });
        } else {
            interleave(rowsOfPanel(rows, panel, zeros.data()), bytesOfRow, words, swapMiddle);
        }
    }
    return bad;
}

void e4m3Scales(const KernelTable& kernels, const WeightView& rows, std::int64_t blockN, std::int64_t blockK,
                std::int64_t begin, std::int64_t end, float* scales) {
    constexpr float kLargest = 448.0F;
    const std::int64_t blocks = (rows.k + blockK - 1) / blockK;
    std::vector<float> values(static_cast<std::size_t>(rows.k));
    for (std::int64_t block = begin; block < end; ++block) {
        float* largest = scales + block * blocks;
        std::fill_n(largest, blocks, 0.0F);
        for (std::int64_t row = block * blockN; row < std::min(rows.n, (block + 1) * blockN); ++row) {
            widenStoredRow(kernels, rows, row, values.data());
            for (std::int64_t i = 0; i < rows.k; ++i) {
                float& most = largest[i / blockK];
                most = std::max(most, std::abs(values[static_cast<std::size_t>(i)]) / kLargest);
            }
        }
    }
}

void unpackRow(const WeightView& panels, std::int64_t row, float* out) {
    const auto* panel =
        static_cast<const unsigned char*>(panels.data) + row / kPanelColumns * panelBytes(panels.dtype, panels.k);
    const std::int64_t column = row % kPanelColumns;
    if (panels.dtype == DType::kCompactBF16) return unpackCompact(panel, column, panels.k, out);
    for (std::int64_t i = 0; i < panels.k; ++i) {
        if (panels.dtype == DType::kBF16) {
            std::uint16_t bits = 0;
            std::memcpy(&bits, panel + (i / 2 * kPanelColumns + column) * 4 + i % 2 * 2, sizeof bits);
            out[i] = bf16ToFloat(bits);
        } else if (panels.dtype == DType::kE4M3) {
            const std::int64_t slot = std::array<std::int64_t, 4>{0, 2, 1, 3}[static_cast<std::size_t>(i % 4)];
            out[i] = e4m3ToFloat(panel[(i / 4 * kPanelColumns + column) * 4 + slot]);
            if (panels.scaleInv != nullptr) {
                out[i] *= panels.scaleInv[row / panels.blockN * panels.scaleStride + i / panels.blockK];
            }
        } else {
            out[i] = codeValue(panels, panel, column, i);
        }
    }
}

}  // namespace step3::kernels
