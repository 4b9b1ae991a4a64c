#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace step3::attention {

/// How K and V are stored. Formats of fewer bits are added here and in KvCache::write.
enum class KvFormat : std::uint8_t { kFloat32 };

/// Tokens of one page.
inline constexpr std::int64_t kKvPageTokens = 64;

/// Bytes that K and V of one token take in all layers (spec step3-model section 1.2: one head each).
std::uint64_t kvBytesPerToken(std::int64_t layers, std::int64_t headDim, KvFormat format = KvFormat::kFloat32);

/// K (after RoPE) and V of one sequence in all layers, one shared head each, in pages of kKvPageTokens tokens. A page
/// holds [L, 2, kKvPageTokens, D].
class KvCache {
public:
    KvCache(std::int64_t layers, std::int64_t headDim, KvFormat format = KvFormat::kFloat32);

    [[nodiscard]] std::int64_t length() const { return length_; }
    [[nodiscard]] std::uint64_t bytes() const;
    [[nodiscard]] KvFormat format() const { return format_; }

    /// Makes room for `tokens` more than length(). Throws Error kResourceExhausted.
    void reserve(std::int64_t tokens);
    /// K and V of one token, [D] each; `position` must be reserved.
    void write(std::int64_t layer, std::int64_t position, const float* k, const float* v);
    /// Makes `tokens` written tokens part of the sequence.
    void commit(std::int64_t tokens) { length_ += tokens; }
    /// Forgets the tokens from `length` on, 0 .. length(), and frees the pages that none is left in.
    void truncate(std::int64_t length);

    /// Start of each page's K or V of one layer, [kKvPageTokens, D].
    [[nodiscard]] std::span<const float* const> keyPages(std::int64_t layer) const;
    [[nodiscard]] std::span<const float* const> valuePages(std::int64_t layer) const;

private:
    std::int64_t layers_;
    std::int64_t headDim_;
    KvFormat format_;
    std::int64_t length_ = 0;
    std::vector<std::unique_ptr<float[]>> pages_;
    std::vector<std::vector<const float*>> keyPages_;    // [L][pages]
    std::vector<std::vector<const float*>> valuePages_;  // [L][pages]
};

}  // namespace step3::attention
