#include "engine/sampling/structured/network_builder.h"

#include <algorithm>

namespace step3::sampling::structured {

NetworkBuilder::NetworkBuilder(const Grammar& grammar, Grammar::Rule root) : grammar_(grammar) {
    ruleFor(root);
    for (std::size_t i = 0; i < rules_.size(); ++i) {  // building one rule may add others
        current_ = static_cast<std::uint32_t>(i);
        const Node start = newNode();
        const Node end = build(rules_[i].body, start);
        // The end takes no further links, so that it can be recognised as the end.
        const Node last = newNode();
        jumps_.push_back({end, last});
        rules_[i].start = start;
        rules_[i].end = last;
    }
}

NetworkBuilder::Node NetworkBuilder::newNode() {
    if (ruleOf_.size() >= GrammarLimits::kNodes) {
        throw Error(ErrorCode::kInvalidArgument, "the form of the answer is too large: its automaton has more than " +
                                                     std::to_string(GrammarLimits::kNodes) + " nodes");
    }
    ruleOf_.push_back(current_);
    return static_cast<Node>(ruleOf_.size() - 1);
}

std::uint32_t NetworkBuilder::addRule(std::string name, Grammar::Expr body) {
    Rule rule;
    rule.name = std::move(name);
    rule.body = body;
    rules_.push_back(std::move(rule));
    return static_cast<std::uint32_t>(rules_.size() - 1);
}

std::uint32_t NetworkBuilder::ruleFor(Grammar::Rule rule) {
    const auto found = named_.find(rule);
    if (found != named_.end()) return found->second;
    const Grammar::RuleBody& body = grammar_.rules()[rule];
    if (!body.defined) throw Error(ErrorCode::kInvalidArgument, "the rule " + body.name + " is not defined");
    return named_[rule] = addRule(body.name, body.body);
}

/// Adds what reads `expr` from `from` on and returns the node behind it. No link ever leads back into `from`, so that
/// alternatives can share it.
NetworkBuilder::Node NetworkBuilder::build(Grammar::Expr expr, Node from) {
    const Grammar::Expression& expression = grammar_.expression(expr);
    switch (expression.kind) {
        case Grammar::Kind::kNothing: return newNode();
        case Grammar::Kind::kText: {
            for (const char byte : expression.text) {
                const Node next = newNode();
                const Symbol symbol = static_cast<unsigned char>(byte);
                reads_.push_back({from, next, {symbol, symbol}});
                from = next;
            }
            return from;
        }
        case Grammar::Kind::kOneOf: {
            const Node next = newNode();
            for (const SymbolRange& range : expression.ranges) reads_.push_back({from, next, range});
            return next;
        }
        case Grammar::Kind::kSequence:
            for (const Grammar::Expr part : expression.parts) from = build(part, from);
            return from;
        case Grammar::Kind::kChoice: {
            const Node end = newNode();
            for (const Grammar::Expr part : expression.parts) {
                const Node partEnd = build(part, from);
                jumps_.push_back({partEnd, end});
            }
            return end;
        }
        case Grammar::Kind::kRepeat: return buildRepeat(expression, from);
        case Grammar::Kind::kCall: {
            const Node next = newNode();
            calls_.push_back({from, next, ruleFor(expression.rule)});
            return next;
        }
    }
    return from;
}

NetworkBuilder::Node NetworkBuilder::buildRepeat(const Grammar::Expression& repeat, Node from) {
    const Grammar::Expr part = repeat.parts[0];
    const bool unbounded = repeat.max == Grammar::kUnbounded;
    const std::uint32_t copies = unbounded ? repeat.min + 1 : repeat.max;
    for (std::uint32_t i = 0; i < repeat.min; ++i) from = buildPart(part, from, copies);
    if (unbounded) {
        const Node loop = newNode();
        jumps_.push_back({from, loop});
        const Node end = buildPart(part, loop, copies);
        jumps_.push_back({end, loop});
        return loop;
    }
    const Node end = newNode();
    for (std::uint32_t i = repeat.min; i < repeat.max; ++i) {
        jumps_.push_back({from, end});
        from = buildPart(part, from, copies);
    }
    jumps_.push_back({from, end});
    return end;
}

/// A part with many copies becomes a rule: a copy is then one node.
NetworkBuilder::Node NetworkBuilder::buildPart(Grammar::Expr part, Node from, std::uint32_t copies) {
    constexpr std::uint32_t kManyCopies = 3;
    constexpr std::uint32_t kSmallPart = 4;  // nodes
    if (copies < kManyCopies || grammar_.expression(part).size <= kSmallPart) return build(part, from);
    auto found = repeated_.find(part);
    if (found == repeated_.end()) {
        found = repeated_.emplace(part, addRule(rules_[current_].name + " (repeated part)", part)).first;
    }
    const Node next = newNode();
    calls_.push_back({from, next, found->second});
    return next;
}

}  // namespace step3::sampling::structured
