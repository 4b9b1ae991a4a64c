#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "engine/error.h"
#include "engine/sampling/structured/symbol.h"

namespace step3::sampling::structured {

/// The sizes at which a constraint is refused: a compiled one stays within some tens of megabytes and is compiled
/// within a fraction of a second.
struct GrammarLimits {
    static constexpr std::size_t kExpressions = 200'000;
    static constexpr std::uint32_t kNesting = 1'000;        // of expressions in each other
    static constexpr std::size_t kNodes = 400'000;          // of the automaton
    static constexpr std::uint32_t kRepetitions = 100'000;  // largest bound of one repetition
};

/// A context-free grammar over symbols, built bottom-up from expressions. What regular expressions, JSON schemas, tool
/// calls and GBNF grammars are all translated to. Expressions are shared, not copied; limits: GrammarLimits, beyond
/// which Error kInvalidArgument is thrown.
class Grammar {
public:
    using Expr = std::uint32_t;
    using Rule = std::uint32_t;
    static constexpr std::uint32_t kUnbounded = UINT32_MAX;

    /// The empty text.
    Expr empty();
    /// No text at all: an alternative that is never taken.
    Expr nothing();
    Expr text(std::string_view bytes);
    /// One symbol out of any of the ranges.
    Expr oneOf(std::vector<SymbolRange> ranges);
    Expr symbol(Symbol symbol) { return oneOf({{symbol, symbol}}); }
    Expr sequence(std::vector<Expr> parts);
    Expr choice(std::vector<Expr> alternatives);
    Expr repeat(Expr part, std::uint32_t min, std::uint32_t max = kUnbounded);
    Expr optional(Expr part) { return repeat(part, 0, 1); }

    /// A rule may be called before it is defined; that makes grammars recursive.
    Rule declare(std::string name);
    void define(Rule rule, Expr body);
    Expr call(Rule rule);
    /// declare, define and call.
    Expr rule(std::string name, Expr body);

    // What a compiler of grammars reads.
    enum class Kind { kNothing, kText, kOneOf, kSequence, kChoice, kRepeat, kCall };
    struct Expression {
        Kind kind = Kind::kNothing;
        std::uint32_t size = 0;           // nodes it takes, about; saturates
        std::uint32_t nesting = 0;        // expressions below it
        std::string text;                 // kText
        std::vector<SymbolRange> ranges;  // kOneOf
        std::vector<Expr> parts;          // kSequence, kChoice; kRepeat: one
        std::uint32_t min = 0, max = 0;   // kRepeat
        Rule rule = 0;                    // kCall
    };
    struct RuleBody {
        std::string name;
        Expr body = 0;
        bool defined = false;
    };
    [[nodiscard]] const Expression& expression(Expr expr) const { return expressions_[expr]; }
    [[nodiscard]] const std::vector<RuleBody>& rules() const { return rules_; }

private:
    Expr add(Expression expression);

    std::vector<Expression> expressions_;
    std::vector<RuleBody> rules_;
};

}  // namespace step3::sampling::structured
