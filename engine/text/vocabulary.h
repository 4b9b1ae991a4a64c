#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/text/tokenizer.h"

namespace step3::text {

/// Tokens by id and by text. All text lies in one block of memory and the index is a flat hash table: a vocabulary of
/// 128 000 tokens is read in milliseconds and decoding walks through little memory.
class Vocabulary {
public:
    struct Entry {
        std::uint32_t text = 0, textSize = 0;    // as in the file
        std::uint32_t bytes = 0, bytesSize = 0;  // what it stands for
        bool used = false;
        bool special = false;
    };

    /// Room for this many tokens and this much text; more grows.
    void reserve(std::size_t tokens, std::size_t textBytes);
    /// False if the id or the text is taken.
    bool add(TokenId id, std::string_view text, std::string_view bytes, bool special);
    /// What an existing token stands for becomes its text.
    void makeVerbatim(TokenId id, bool special);

    [[nodiscard]] bool contains(TokenId id) const {
        return id >= 0 && static_cast<std::size_t>(id) < entries_.size() && entry(id).used;
    }
    [[nodiscard]] std::optional<TokenId> find(std::string_view text) const;
    /// Empty for an unknown id.
    [[nodiscard]] std::string_view bytes(TokenId id) const {
        return contains(id) ? std::string_view(block_).substr(entry(id).bytes, entry(id).bytesSize)
                            : std::string_view();
    }
    [[nodiscard]] std::string_view text(TokenId id) const {
        return contains(id) ? std::string_view(block_).substr(entry(id).text, entry(id).textSize) : std::string_view();
    }
    [[nodiscard]] bool isSpecial(TokenId id) const { return contains(id) && entry(id).special; }
    /// One more than the largest id.
    [[nodiscard]] std::int64_t size() const { return static_cast<std::int64_t>(entries_.size()); }

private:
    [[nodiscard]] const Entry& entry(TokenId id) const { return entries_[static_cast<std::size_t>(id)]; }
    [[nodiscard]] std::size_t slotOf(std::string_view text) const;
    void grow(std::size_t tokens);

    std::string block_;
    std::vector<Entry> entries_;  // by id
    std::vector<TokenId> slots_;  // open addressing, at most half full; -1: free
    std::size_t count_ = 0;
};

}  // namespace step3::text
