#include "engine/sampling/structured/grammar.h"

#include <algorithm>
#include <limits>

namespace step3::sampling::structured {

namespace {

std::uint32_t saturated(std::uint64_t value) {
    return static_cast<std::uint32_t>(std::min<std::uint64_t>(value, std::numeric_limits<std::uint32_t>::max()));
}

[[noreturn]] void tooLarge(const std::string& what, std::uint64_t limit) {
    throw Error(ErrorCode::kInvalidArgument,
                "the form of the answer is too large: more than " + std::to_string(limit) + " " + what);
}

}  // namespace

Grammar::Expr Grammar::add(Expression expression) {
    if (expressions_.size() >= GrammarLimits::kExpressions) tooLarge("parts", GrammarLimits::kExpressions);
    std::uint64_t size = expression.kind == Kind::kText ? expression.text.size() : 1;
    for (const Expr part : expression.parts) {
        size += expressions_[part].size;
        expression.nesting = std::max(expression.nesting, expressions_[part].nesting + 1);
    }
    if (expression.nesting > GrammarLimits::kNesting) {
        tooLarge("levels of parts in each other", GrammarLimits::kNesting);
    }
    if (expression.kind == Kind::kRepeat) {
        const std::uint32_t copies = expression.max == kUnbounded ? expression.min + 1 : expression.max;
        size *= std::max<std::uint32_t>(copies, 1);
    }
    expression.size = saturated(size);
    expressions_.push_back(std::move(expression));
    return static_cast<Expr>(expressions_.size() - 1);
}

Grammar::Expr Grammar::empty() {
    return text("");
}

Grammar::Expr Grammar::nothing() {
    return add({});
}

Grammar::Expr Grammar::text(std::string_view bytes) {
    Expression expression;
    expression.kind = Kind::kText;
    expression.text = bytes;
    return add(std::move(expression));
}

Grammar::Expr Grammar::oneOf(std::vector<SymbolRange> ranges) {
    if (ranges.empty()) return nothing();
    Expression expression;
    expression.kind = Kind::kOneOf;
    expression.ranges = std::move(ranges);
    return add(std::move(expression));
}

Grammar::Expr Grammar::sequence(std::vector<Expr> parts) {
    if (parts.empty()) return empty();
    if (parts.size() == 1) return parts[0];
    Expression expression;
    expression.kind = Kind::kSequence;
    expression.parts = std::move(parts);
    return add(std::move(expression));
}

Grammar::Expr Grammar::choice(std::vector<Expr> alternatives) {
    if (alternatives.empty()) return nothing();
    if (alternatives.size() == 1) return alternatives[0];
    Expression expression;
    expression.kind = Kind::kChoice;
    expression.parts = std::move(alternatives);
    return add(std::move(expression));
}

Grammar::Expr Grammar::repeat(Expr part, std::uint32_t min, std::uint32_t max) {
    if (min > GrammarLimits::kRepetitions || (max != kUnbounded && max > GrammarLimits::kRepetitions)) {
        tooLarge("repetitions of one part", GrammarLimits::kRepetitions);
    }
    if (min == 1 && max == 1) return part;
    if (max < min) return nothing();
    if (max == 0) return empty();
    Expression expression;
    expression.kind = Kind::kRepeat;
    expression.parts = {part};
    expression.min = min;
    expression.max = max;
    return add(std::move(expression));
}

Grammar::Rule Grammar::declare(std::string name) {
    if (rules_.size() >= GrammarLimits::kExpressions) tooLarge("rules", GrammarLimits::kExpressions);
    rules_.push_back({std::move(name), 0, false});
    return static_cast<Rule>(rules_.size() - 1);
}

void Grammar::define(Rule rule, Expr body) {
    rules_[rule].body = body;
    rules_[rule].defined = true;
}

Grammar::Expr Grammar::call(Rule rule) {
    Expression expression;
    expression.kind = Kind::kCall;
    expression.rule = rule;
    return add(std::move(expression));
}

Grammar::Expr Grammar::rule(std::string name, Expr body) {
    const Rule rule = declare(std::move(name));
    define(rule, body);
    return call(rule);
}

}  // namespace step3::sampling::structured
