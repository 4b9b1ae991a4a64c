#include <algorithm>
#include <array>
#include <cstddef>
#include <cstring>
#include <span>
#include <vector>

#include "kernels/cpu/convert.h"
#include "kernels/gemm/panels.h"

namespace step3::kernels {
namespace {

constexpr std::int32_t kExponents = 15;  // 1 .. 15; 0 is the number 0
// The power of two that sums are multiplied with, 2^(base - 64), stays a normal float32. Larger weights are exceptions.
constexpr std::int32_t kMostBase = 180;

std::int32_t exponentOf(std::uint16_t bits) {
    return (bits >> 7U) & 0xFF;
}

/// Repacks one panel after the other; what it allocates is for all of them.
class CompactPacker {
public:
    explicit CompactPacker(std::int64_t k)
        : k_(k),
          units_((k + kCompactValues - 1) / kCompactValues),
          codes_(static_cast<std::size_t>(units_ * kCompactValues)) {}

    /// Returns false if there is no room for the exceptions.
    bool pack(const WeightView& rows, std::int64_t panel, std::byte* out) {
        const std::int64_t first = panel * kPanelColumns;
        const std::int64_t columns = std::min(kPanelColumns, rows.n - first);
        weights_.resize(static_cast<std::size_t>(columns * k_));
        std::memcpy(weights_.data(), static_cast<const std::byte*>(rows.data) + first * k_ * 2, weights_.size() * 2);
        return packWith(baseBelowLargest(weights_), out) || packWith(bestBase(weights_), out);
    }

private:
    /// So that the largest number still has a code.
    static std::int32_t baseBelowLargest(std::span<const std::uint16_t> weights) {
        std::uint16_t largest = 0;
        for (const std::uint16_t bits : weights) largest = std::max<std::uint16_t>(largest, bits & 0x7FFFU);
        return std::clamp(exponentOf(largest) - kExponents, 0, kMostBase);
    }

    /// So that most numbers have a code.
    static std::int32_t bestBase(std::span<const std::uint16_t> weights) {
        std::array<std::int64_t, 256> count{};
        for (const std::uint16_t bits : weights) ++count[static_cast<std::size_t>(exponentOf(bits))];
        count[0] = 0;  // mostly zeros, which always have one
        std::int64_t most = -1;
        std::int32_t best = 0;
        for (std::int32_t base = 0; base <= kMostBase; ++base) {
            std::int64_t inside = 0;
            for (std::int32_t e = 1; e <= kExponents; ++e) inside += count[static_cast<std::size_t>(base + e)];
            if (inside > most) {
                most = inside;
                best = base;
            }
        }
        return best;
    }

    bool packWith(std::int32_t base, std::byte* out) {
        CompactHead head{};
        head.base = base;
        exceptions_.clear();
        std::byte* units = out + compactHeadBytes(k_);
        const std::size_t columns = weights_.size() / static_cast<std::size_t>(k_);
        for (std::size_t column = 0; column < static_cast<std::size_t>(kPanelColumns); ++column) {
            if (column < columns) {
                encode(weights_.data() + column * static_cast<std::size_t>(k_), base, column);
                if (static_cast<std::int64_t>(exceptions_.size()) > compactExceptions(k_)) return false;
            } else {
                std::fill(codes_.begin(), codes_.end(), std::uint16_t{0});
            }
            interleave(units + column / 4 * 16 + column % 4 * 2);
        }
        head.count = static_cast<std::uint32_t>(exceptions_.size());
        std::memset(out, 0, static_cast<std::size_t>(compactHeadBytes(k_)));
        std::memcpy(out, &head, offsetof(CompactHead, first));
        auto* exceptions = out + offsetof(CompactHead, first);
        for (const CompactException& one : exceptions_) {
            std::memcpy(exceptions, &one, sizeof one);
            exceptions += sizeof one;
        }
        return true;
    }

    /// One row's codes; where there is none, 0 and an exception.
    void encode(const std::uint16_t* weights, std::int32_t base, std::size_t column) {
        const auto shift = static_cast<std::uint16_t>(base << 7);
        constexpr std::uint16_t kLeast = 1U << 7U;
        constexpr std::uint16_t kCodes = kExponents << 7;
        std::uint16_t outside = 0;
        const auto k = static_cast<std::size_t>(k_);
        for (std::size_t i = 0; i < k; ++i) {
            const auto size = static_cast<std::uint16_t>((weights[i] & 0x7FFFU) - shift);
            const bool inside = static_cast<std::uint16_t>(size - kLeast) < kCodes;
            const auto code = static_cast<std::uint16_t>(size | (weights[i] >> 15U << 11U));
            codes_[i] = inside ? code : std::uint16_t{0};
            outside = static_cast<std::uint16_t>(outside | !inside);
        }
        if (outside == 0) return;
        for (std::size_t i = 0; i < k; ++i) {
            if (codes_[i] != 0 || (weights[i] & 0x7FFFU) == 0) continue;
            exceptions_.push_back({static_cast<std::uint32_t>(i * static_cast<std::size_t>(kPanelColumns) + column),
                                   bf16ToFloat(weights[i])});
        }
    }

    /// Codes to their column of the panel's units: `to` is the column's first pair of bytes in each line.
    void interleave(std::byte* to) const {
        for (std::size_t i = 0; i < codes_.size(); i += kCompactValues, to += kCompactUnit) {
            std::array<std::uint32_t, 4> pair{};  // values (k, k+1), (k+2, k+3) ...
            std::memcpy(pair.data(), codes_.data() + i, sizeof pair);
            const auto put = [&](std::int64_t at, std::uint32_t bytes) {
                const auto two = static_cast<std::uint16_t>(bytes);
                std::memcpy(to + at, &two, sizeof two);
            };
            const auto lower = [&](std::size_t j) { return (pair[j] & 0xFFU) | (pair[j] >> 8U & 0xFF00U); };
            const auto upper = [&](std::size_t j) { return (pair[j] >> 8U & 0x0FU) | (pair[j] >> 16U & 0x0F00U); };
            put(0, upper(0) | upper(2) << 4U);
            put(8, upper(1) | upper(3) << 4U);
            put(64, lower(0));
            put(72, lower(1));
            put(128, lower(2));
            put(136, lower(3));
        }
    }

    std::int64_t k_;
    std::int64_t units_;
    std::vector<std::uint16_t> weights_;  // of one panel
    std::vector<std::uint16_t> codes_;    // of one row
    std::vector<CompactException> exceptions_;
};

}  // namespace

bool packCompactPanels(const WeightView& rows, const WeightView& target, std::int64_t begin, std::int64_t end) {
    CompactPacker packer(rows.k);
    const std::int64_t bytes = panelBytes(DType::kCompactBF16, rows.k);
    auto* data = static_cast<std::byte*>(const_cast<void*>(target.data));  // as packPanels
    for (std::int64_t panel = begin; panel < end; ++panel) {
        if (!packer.pack(rows, panel, data + panel * bytes)) return false;
    }
    return true;
}

}  // namespace step3::kernels
