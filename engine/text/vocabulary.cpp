#include "engine/text/vocabulary.h"

#include <bit>
#include <functional>

namespace step3::text {

void Vocabulary::reserve(std::size_t tokens, std::size_t textBytes) {
    block_.reserve(textBytes);
    entries_.reserve(tokens);
    grow(tokens);
}

void Vocabulary::grow(std::size_t tokens) {
    const std::size_t slots = std::bit_ceil(2 * tokens + 2);
    if (slots <= slots_.size()) return;
    slots_.assign(slots, -1);
    for (std::size_t id = 0; id < entries_.size(); ++id)
        if (entries_[id].used) slots_[slotOf(text(static_cast<TokenId>(id)))] = static_cast<TokenId>(id);
}

// Where the text is, or the free slot where it would be.
std::size_t Vocabulary::slotOf(std::string_view wanted) const {
    std::size_t slot = std::hash<std::string_view>{}(wanted) & (slots_.size() - 1);
    while (slots_[slot] >= 0 && text(slots_[slot]) != wanted) slot = (slot + 1) & (slots_.size() - 1);
    return slot;
}

bool Vocabulary::add(TokenId id, std::string_view text, std::string_view bytes, bool special) {
    if (2 * (count_ + 1) >= slots_.size()) grow(2 * (count_ + 1));
    const std::size_t slot = slotOf(text);
    if (slots_[slot] >= 0 || contains(id)) return false;
    const auto index = static_cast<std::size_t>(id);
    if (index >= entries_.size()) entries_.resize(index + 1);
    Entry& entry = entries_[index];
    entry.text = static_cast<std::uint32_t>(block_.size());
    entry.textSize = static_cast<std::uint32_t>(text.size());
    block_.append(text);
    entry.bytes = text == bytes ? entry.text : static_cast<std::uint32_t>(block_.size());
    entry.bytesSize = static_cast<std::uint32_t>(bytes.size());
    if (text != bytes) block_.append(bytes);
    entry.used = true;
    entry.special = special;
    slots_[slot] = id;
    ++count_;
    return true;
}

void Vocabulary::makeVerbatim(TokenId id, bool special) {
    Entry& entry = entries_[static_cast<std::size_t>(id)];
    entry.bytes = entry.text;
    entry.bytesSize = entry.textSize;
    entry.special = special;
}

std::optional<TokenId> Vocabulary::find(std::string_view text) const {
    if (slots_.empty()) return std::nullopt;
    const TokenId id = slots_[slotOf(text)];
    return id < 0 ? std::nullopt : std::optional(id);
}

}  // namespace step3::text
