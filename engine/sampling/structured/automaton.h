#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "engine/sampling/structured/grammar.h"

namespace step3::sampling::structured {

/// Calls of rules in each other at one moment of reading. What would need more is not a word of the automaton's
/// language: nesting is bounded, and no word that was begun within the bound needs to leave it.
inline constexpr std::uint32_t kMaxCallDepth = 128;

/// A grammar as a recursive transition network: a non-deterministic automaton for each rule (Thompson's construction)
/// whose edges read a symbol, read nothing, or call a rule. Symbols that no edge tells apart share a class, and edges
/// are given in classes. Immutable.
class Automaton {
public:
    using Node = std::uint32_t;
    static constexpr std::uint32_t kNever = UINT32_MAX;

    /// Throws Error kInvalidArgument if a rule calls itself before it reads anything (left recursion), naming the rule,
    /// if nothing at all matches `root`, and beyond GrammarLimits.
    Automaton(const Grammar& grammar, Grammar::Rule root);

    struct Edge {
        std::uint16_t low, high;  // classes
        Node target;
    };
    struct Call {
        Node start;   // of the rule
        Node target;  // where reading goes on afterwards
        bool tail;    // nothing is read afterwards in this rule: the call needs no return
    };
    [[nodiscard]] Node start() const { return start_; }
    [[nodiscard]] std::span<const Edge> edges(Node node) const {
        return slice(edges_, nodes_[node].edges, nodes_[node + 1].edges);
    }
    [[nodiscard]] std::span<const Node> jumps(Node node) const {
        return slice(jumps_, nodes_[node].jumps, nodes_[node + 1].jumps);
    }
    [[nodiscard]] std::span<const Call> calls(Node node) const {
        return slice(calls_, nodes_[node].calls, nodes_[node + 1].calls);
    }
    /// The rule is read to its end.
    [[nodiscard]] bool isFinal(Node node) const { return nodes_[node].final; }
    /// Calls in each other that are needed at least to get from here to the end of the rule; kNever if there is no way.
    [[nodiscard]] std::uint32_t need(Node node) const { return need_[node]; }
    [[nodiscard]] std::size_t nodeCount() const { return nodes_.size() - 1; }

    [[nodiscard]] std::size_t classCount() const { return classCount_; }
    /// Class of a symbol; all symbols no edge reads have one class, too.
    [[nodiscard]] std::uint16_t classOf(Symbol symbol) const {
        return symbol < classOf_.size() ? classOf_[symbol] : classOf_.back();
    }

private:
    struct Slots {
        std::uint32_t edges = 0, jumps = 0, calls = 0;  // where the node's own begin
        bool final = false;
    };
    template <typename T>
    static std::span<const T> slice(const std::vector<T>& all, std::uint32_t begin, std::uint32_t end) {
        return std::span(all).subspan(begin, end - begin);
    }
    void markClasses(const std::vector<SymbolRange>& ranges);
    void computeNeeds();

    Node start_ = 0;
    std::vector<Slots> nodes_;  // one more than there are nodes
    std::vector<Edge> edges_;
    std::vector<Node> jumps_;
    std::vector<Call> calls_;
    std::vector<std::uint32_t> need_;
    std::vector<std::uint16_t> classOf_;  // by symbol; the last one is for all symbols beyond
    std::size_t classCount_ = 0;
};

}  // namespace step3::sampling::structured
