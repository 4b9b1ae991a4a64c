#pragma once

#include <map>
#include <vector>

#include "engine/sampling/structured/grammar.h"

namespace step3::sampling::structured {

/// Thompson's construction: the rules that are reachable from `root` as one list of nodes and links, unsorted. The
/// parts of an Automaton in the making.
class NetworkBuilder {
public:
    using Node = std::uint32_t;

    NetworkBuilder(const Grammar& grammar, Grammar::Rule root);

    struct Read {
        Node from, to;
        SymbolRange range;
    };
    struct Jump {
        Node from, to;
    };
    struct Call {
        Node from, to;
        std::uint32_t rule;  // index into rules()
    };
    struct Rule {
        std::string name;
        Node start = 0, end = 0;
        Grammar::Expr body = 0;
    };

    [[nodiscard]] std::size_t nodeCount() const { return ruleOf_.size(); }
    [[nodiscard]] std::uint32_t ruleOf(Node node) const { return ruleOf_[node]; }
    [[nodiscard]] const std::vector<Rule>& rules() const { return rules_; }  // the first is the root
    [[nodiscard]] const std::vector<Read>& reads() const { return reads_; }
    [[nodiscard]] const std::vector<Jump>& jumps() const { return jumps_; }
    [[nodiscard]] const std::vector<Call>& calls() const { return calls_; }

private:
    Node newNode();
    Node build(Grammar::Expr expr, Node from);
    Node buildRepeat(const Grammar::Expression& repeat, Node from);
    Node buildPart(Grammar::Expr part, Node from, std::uint32_t copies);
    std::uint32_t ruleFor(Grammar::Rule rule);
    std::uint32_t addRule(std::string name, Grammar::Expr body);

    const Grammar& grammar_;
    std::map<Grammar::Rule, std::uint32_t> named_;
    std::map<Grammar::Expr, std::uint32_t> repeated_;  // rules made for parts that are repeated many times
    std::vector<Rule> rules_;
    std::vector<std::uint32_t> ruleOf_;
    std::uint32_t current_ = 0;  // rule being built
    std::vector<Read> reads_;
    std::vector<Jump> jumps_;
    std::vector<Call> calls_;
};

}  // namespace step3::sampling::structured
