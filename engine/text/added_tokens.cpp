#include "engine/text/added_tokens.h"

namespace step3::text {
namespace {

std::uint64_t edge(std::uint32_t node, char byte) {
    return static_cast<std::uint64_t>(node) << 8 | static_cast<unsigned char>(byte);
}

}  // namespace

void AddedTokens::add(std::string_view content, TokenId id) {
    begins_[static_cast<unsigned char>(content.front())] = true;
    std::uint32_t node = 0;
    for (const char byte : content) {
        const auto [it, added] = child_.try_emplace(edge(node, byte), static_cast<std::uint32_t>(ends_.size()));
        if (added) ends_.push_back(-1);
        node = it->second;
    }
    if (ends_[node] < 0) ends_[node] = id;
}

AddedTokens::Found AddedTokens::at(std::string_view text, std::size_t at) const {
    Found found;
    std::uint32_t node = 0;
    for (std::size_t i = at; i < text.size(); ++i) {
        const auto it = child_.find(edge(node, text[i]));
        if (it == child_.end()) break;
        node = it->second;
        if (ends_[node] >= 0) found = {ends_[node], i + 1 - at};
    }
    return found;
}

std::size_t AddedTokens::next(std::string_view text, std::size_t from, Found& found) const {
    for (std::size_t i = from; i < text.size(); ++i) {
        if (!begins_[static_cast<unsigned char>(text[i])]) continue;
        found = at(text, i);
        if (found.id >= 0) return i;
    }
    found = {};
    return text.size();
}

}  // namespace step3::text
