#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "engine/sampling/structured/symbol.h"
#include "engine/text/tokenizer.h"

namespace step3::sampling::structured {

/// The tokens of a tokenizer as a trie over symbols, laid out in depth-first order, so that one pass over an array
/// meets every token and steps over subtrees that cannot match. Special tokens without a name in text::kMarkupNames and
/// the `eos` ids are left out: no grammar can produce them.
class Vocabulary {
public:
    Vocabulary(std::shared_ptr<const text::Tokenizer> tokenizer, std::span<const std::int32_t> eos);

    struct Node {
        std::uint32_t next = 0;                        // index behind this node's subtree
        std::uint32_t firstToken = 0, tokenCount = 0;  // in tokens()
        Symbol symbol = 0;
        std::uint16_t depth = 0;  // 0: a first symbol
    };
    [[nodiscard]] std::span<const Node> nodes() const { return nodes_; }
    [[nodiscard]] std::span<const std::int32_t> tokens() const { return tokens_; }
    [[nodiscard]] std::size_t maxDepth() const { return maxDepth_; }  // symbols of the longest token

    /// What a token writes; empty for tokens no grammar can produce.
    [[nodiscard]] std::vector<Symbol> symbolsOf(std::int32_t id) const;
    /// Symbol of a markup token, if the tokenizer has it; otherwise the markup is spelled out in bytes.
    [[nodiscard]] std::optional<Symbol> markup(std::string_view name) const;

private:
    std::shared_ptr<const text::Tokenizer> tokenizer_;
    std::vector<std::int32_t> eos_;
    std::vector<std::int32_t> markupIds_;  // of kMarkupNames; -1: not there
    std::vector<Node> nodes_;
    std::vector<std::int32_t> tokens_;
    std::size_t maxDepth_ = 0;
};

}  // namespace step3::sampling::structured
