#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "engine/text/tokenizer.h"

namespace step3::text {

/// Finds added tokens in a text, leftmost first, the longest where several begin. A trie of their bytes.
class AddedTokens {
public:
    struct Found {
        TokenId id = -1;  // -1: none begins here
        std::size_t length = 0;
    };

    /// `content` is not empty; a second token of the same content replaces nothing.
    void add(std::string_view content, TokenId id);
    /// Where the next token begins from `from` on, text.size() if none; `found` is that token.
    std::size_t next(std::string_view text, std::size_t from, Found& found) const;

private:
    [[nodiscard]] Found at(std::string_view text, std::size_t at) const;

    std::array<bool, 256> begins_{};                          // bytes with which a token begins
    std::unordered_map<std::uint64_t, std::uint32_t> child_;  // node << 8 | byte -> node; 0 is the root
    std::vector<TokenId> ends_{-1};                           // by node: the token that ends there
};

}  // namespace step3::text
