#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "engine/json.h"

/// A subset of Jinja 2, what chat templates use (spec step3-model section 7.2): see parser.cpp for the grammar.
namespace step3::text::jinja {

struct Expression;
using ExpressionPtr = std::unique_ptr<Expression>;

struct Argument {
    std::string name;  // empty: positional
    ExpressionPtr value;
};

struct Expression {
    enum class Kind {
        kLiteral,      // literal
        kName,         // text
        kList,         // items
        kDict,         // items: key, value, key, value ...
        kAttribute,    // items[0] . text
        kSubscript,    // items[0] [ items[1] ]
        kSlice,        // items[0] [ items[1] : items[2] ], null where left out
        kCall,         // items[0] ( arguments )
        kFilter,       // items[0] | text ( arguments )
        kTest,         // items[0] is text ( arguments )
        kUnary,        // text: "-", "+", "not"
        kBinary,       // text: + - * / // % ~ == != < <= > >= and or in
        kConditional,  // items: value, condition, else (may be null)
    };
    Kind kind = Kind::kLiteral;
    int line = 0;
    int height = 1;  // of the tree below
    std::string text;
    Json literal;
    std::vector<ExpressionPtr> items;
    std::vector<Argument> arguments;
};

struct Statement;
using Block = std::vector<Statement>;

struct Statement {
    enum class Kind { kText, kOutput, kIf, kFor, kSet, kMacro };
    Kind kind = Kind::kText;
    int line = 0;
    std::string text;                  // kText: the text; kMacro: its name; kSet: attribute set on a namespace, if any
    std::vector<std::string> targets;  // kFor, kSet: names; kMacro: parameters
    std::vector<ExpressionPtr> defaults;                    // kMacro: one per parameter, may be null
    ExpressionPtr value;                                    // kOutput, kFor (sequence), kSet
    ExpressionPtr filter;                                   // kFor ... if
    std::vector<std::pair<ExpressionPtr, Block>> branches;  // kIf: condition and block; null condition: else
    Block body;                                             // kFor, kMacro
    Block otherwise;                                        // kFor ... else
};

/// Parses a template with trim_blocks and lstrip_blocks on. Throws Error kUnsupported naming construct and line.
Block parse(const std::string& source);

/// What a template may use up, so that a hostile one ends with an error.
struct Limits {
    std::int64_t steps = 2'000'000;         // statements and expressions run
    std::int64_t valueBytes = 16LL << 20;   // one value, about as many bytes as it takes in memory
    std::int64_t workBytes = 2048LL << 20;  // all values made, together
};

/// Runs a parsed template over the given variables. Throws Error: what the template raises, a wrong type, or a limit
/// (nesting, `limits`, size of the output).
std::string render(const Block& block, const Json& variables, const Limits& limits = {});

}  // namespace step3::text::jinja
