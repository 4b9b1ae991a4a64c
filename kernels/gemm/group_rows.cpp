#include "kernels/gemm/group_rows.h"

#include <algorithm>
#include <cmath>
#include <vector>

namespace step3::kernels {
namespace {

/// Codes of one row, one a byte and whole groups, to how rows store them.
void storeCodes(DType dtype, const std::uint8_t* codes, std::int64_t k, std::uint8_t* out) {
    if (dtype == DType::kInt8Group) {
        std::copy_n(codes, k, out);
        return;
    }
    for (std::int64_t i = 0; i < k; i += 2) out[i / 2] = static_cast<std::uint8_t>(codes[i] | (codes[i + 1] << 4));
}

}  // namespace

void widenStoredRow(const KernelTable& kernels, const WeightView& rows, std::int64_t row, float* out) {
    const auto* data = static_cast<const char*>(rows.data) + row * rowBytes(rows.dtype, rows.k);
    if (isGroupFormat(rows.dtype)) {
        const std::uint16_t* scales = rows.groupScales + row * rows.scaleStride;
        kernels.widenGroups(rows.dtype, data, scales, rows.k, rows.blockK, out);
        return;
    }
    const float* scale = rows.scaleInv == nullptr ? nullptr : rows.scaleInv + row / rows.blockN * rows.scaleStride;
    kernels.widenRow(rows.dtype, data, scale, rows.k, rows.blockK, out);
}

std::int64_t quantiseRows(const KernelTable& kernels, const WeightView& rows, std::int64_t begin, std::int64_t end,
                          const WeightView& target) {
    const std::int64_t group = target.blockK;
    const std::int64_t groups = (rows.k + group - 1) / group;
    std::vector<float> values(static_cast<std::size_t>(groups * group));  // what is behind k stays 0
    std::vector<std::uint8_t> codes(values.size());
    const auto quantise = target.dtype == DType::kInt8Group ? kernels.quantiseInt8 : kernels.quantiseInt4;
    // Whoever asks for quantised rows owns their memory.
    auto* data = static_cast<std::uint8_t*>(const_cast<void*>(target.data));
    auto* scales = const_cast<std::uint16_t*>(target.groupScales);
    std::int64_t bad = -1;
    for (std::int64_t row = begin; row < end; ++row) {
        widenStoredRow(kernels, rows, row, values.data());
        if (!std::all_of(values.begin(), values.end(), [](float value) { return std::isfinite(value); })) {
            std::fill(values.begin(), values.end(), 0.0F);
            if (bad < 0) bad = row;
        }
        for (std::int64_t g = 0; g < groups; ++g) {
            *scales++ = quantise(values.data() + g * group, group, codes.data() + g * group);
        }
        storeCodes(target.dtype, codes.data(), rows.k, data);
        data += rowBytes(target.dtype, rows.k);
    }
    return bad;
}

}  // namespace step3::kernels
