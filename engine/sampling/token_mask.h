#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

namespace step3::sampling {

/// A set of token ids, one bit each.
class TokenMask {
public:
    explicit TokenMask(std::int64_t vocabSize)
        : vocabSize_(vocabSize), words_((static_cast<std::size_t>(vocabSize) + 63) / 64) {}

    /// Ids outside the vocabulary are left out.
    void allow(std::int32_t id) {
        if (id < 0 || id >= vocabSize_) return;
        words_[static_cast<std::size_t>(id) / 64] |= std::uint64_t{1} << (static_cast<std::size_t>(id) % 64);
    }
    [[nodiscard]] bool allows(std::int32_t id) const {
        if (id < 0 || id >= vocabSize_) return false;
        return (words_[static_cast<std::size_t>(id) / 64] >> (static_cast<std::size_t>(id) % 64) & 1U) != 0;
    }
    [[nodiscard]] std::int64_t vocabSize() const { return vocabSize_; }
    [[nodiscard]] std::int64_t count() const {
        std::int64_t sum = 0;
        for (const std::uint64_t word : words_) sum += std::popcount(word);
        return sum;
    }
    /// Sets the logits [V] of all other tokens to -infinity.
    void apply(std::span<float> logits) const {
        constexpr float kBanned = -std::numeric_limits<float>::infinity();
        for (std::size_t w = 0; w < words_.size(); ++w) {
            const std::size_t begin = w * 64;
            const std::size_t end = std::min(begin + 64, logits.size());
            if (words_[w] == 0) {
                std::fill(logits.begin() + static_cast<std::ptrdiff_t>(begin),
                          logits.begin() + static_cast<std::ptrdiff_t>(end), kBanned);
            } else if (words_[w] != ~std::uint64_t{0}) {
                for (std::size_t i = begin; i < end; ++i) {
                    if ((words_[w] >> (i - begin) & 1U) == 0) logits[i] = kBanned;
                }
            }
        }
    }

private:
    std::int64_t vocabSize_;
    std::vector<std::uint64_t> words_;
};

}  // namespace step3::sampling
