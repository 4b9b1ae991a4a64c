#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

#include "engine/text/tokenizer.h"

namespace step3::text {

/// The merge rules of a byte-level BPE and the algorithm that applies them: always the pair of lowest rank next,
/// leftmost among equals.
class BpeMerges {
public:
    /// `byteIds`: the token of each byte, -1 where the vocabulary has none (such a byte is left out, as in the original
    /// without unk_token). `expected` rules will be added.
    BpeMerges(const std::array<TokenId, 256>& byteIds, std::size_t expected);
    /// Ids are at least 0. The first rule of a pair stays.
    void add(TokenId left, TokenId right, std::uint32_t rank, TokenId merged);
    /// Appends the ids of one piece. O(n log n) for long pieces.
    void encode(std::string_view piece, std::vector<TokenId>& ids) const;

    /// Up to this many symbols the ranks lie in an array that is searched; beyond, in a heap.
    static constexpr std::size_t kArraySymbols = 64;

private:
    struct Rule {
        std::uint64_t pair = kNoPair;
        std::uint32_t rank = kNoRank;
        TokenId merged = -1;
    };
    static constexpr std::uint64_t kNoPair = ~0ULL;
    static constexpr std::uint32_t kNoRank = ~0U;

    [[nodiscard]] const Rule& find(TokenId left, TokenId right) const;
    void encodeShort(TokenId* symbols, std::size_t count, std::vector<TokenId>& ids) const;
    void encodeLong(const std::vector<TokenId>& symbols, std::vector<TokenId>& ids) const;

    std::array<TokenId, 256> byteIds_;
    std::vector<Rule> table_;  // open addressing, at most half full
    unsigned shift_ = 0;       // a hash's upper bits are the slot
};

}  // namespace step3::text
