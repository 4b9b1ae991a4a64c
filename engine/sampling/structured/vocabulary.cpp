#include "engine/sampling/structured/vocabulary.h"

#include <algorithm>

#include "engine/text/markup_names.h"

namespace step3::sampling::structured {

Vocabulary::Vocabulary(std::shared_ptr<const text::Tokenizer> tokenizer, std::span<const std::int32_t> eos)
    : tokenizer_(std::move(tokenizer)), eos_(eos.begin(), eos.end()) {
    for (const std::string_view name : text::kMarkupNames) markupIds_.push_back(tokenizer_->idOf(name).value_or(-1));

    struct Entry {
        std::vector<Symbol> symbols;
        std::int32_t id;
    };
    std::vector<Entry> entries;
    for (std::int64_t i = 0; i < tokenizer_->vocabSize(); ++i) {
        const auto id = static_cast<std::int32_t>(i);
        if (auto symbols = symbolsOf(id); !symbols.empty()) entries.push_back({std::move(symbols), id});
    }
    std::sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) {
        return a.symbols != b.symbols ? a.symbols < b.symbols : a.id < b.id;
    });

    std::vector<std::size_t> path;  // nodes from a first symbol to the last token's end
    const auto close = [&](std::size_t depth) {
        for (; path.size() > depth; path.pop_back())
            nodes_[path.back()].next = static_cast<std::uint32_t>(nodes_.size());
    };
    for (const Entry& entry : entries) {
        std::size_t common = 0;
        while (common < path.size() && common < entry.symbols.size() &&
               nodes_[path[common]].symbol == entry.symbols[common]) {
            ++common;
        }
        close(common);
        for (; common < entry.symbols.size(); ++common) {
            path.push_back(nodes_.size());
            nodes_.push_back({0, 0, 0, entry.symbols[common], static_cast<std::uint16_t>(common)});
        }
        Node& node = nodes_[path.back()];
        if (node.tokenCount++ == 0) node.firstToken = static_cast<std::uint32_t>(tokens_.size());
        tokens_.push_back(entry.id);
        maxDepth_ = std::max(maxDepth_, entry.symbols.size());
    }
    close(0);
}

std::vector<Symbol> Vocabulary::symbolsOf(std::int32_t id) const {
    if (std::find(eos_.begin(), eos_.end(), id) != eos_.end()) return {};
    const auto markup = std::find(markupIds_.begin(), markupIds_.end(), id);
    if (markup != markupIds_.end()) return {static_cast<Symbol>(kFirstMarkup + (markup - markupIds_.begin()))};
    if (tokenizer_->isSpecial(id)) return {};
    const std::string bytes = tokenizer_->tokenBytes(id);
    if (bytes.size() > UINT16_MAX) return {};
    std::vector<Symbol> symbols;
    symbols.reserve(bytes.size());
    for (const char byte : bytes) symbols.push_back(static_cast<unsigned char>(byte));
    return symbols;
}

std::optional<Symbol> Vocabulary::markup(std::string_view name) const {
    const auto found = std::find(text::kMarkupNames.begin(), text::kMarkupNames.end(), name);
    if (found == text::kMarkupNames.end()) return std::nullopt;
    const auto index = static_cast<std::size_t>(found - text::kMarkupNames.begin());
    if (markupIds_[index] < 0 || std::find(eos_.begin(), eos_.end(), markupIds_[index]) != eos_.end()) {
        return std::nullopt;
    }
    return static_cast<Symbol>(kFirstMarkup + index);
}

}  // namespace step3::sampling::structured
