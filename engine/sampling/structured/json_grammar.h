#pragma once

#include <array>
#include <optional>

#include "engine/json.h"
#include "engine/sampling/structured/grammar.h"

namespace step3::sampling::structured {

/// The parts of JSON as rules, made when they are first asked for. Narrower than JSON where a model could go on for
/// ever or a reader would stumble: white space is nothing, one blank, or a line end and at most 32 blanks or tabs;
/// numbers have at most 18 digits before and 20 after the point and two in the exponent; integers are never "-0";
/// surrogates are written in pairs.
class JsonGrammar {
public:
    explicit JsonGrammar(Grammar& grammar) : grammar_(grammar) {}

    Grammar::Expr space();
    Grammar::Expr value();
    Grammar::Expr object();
    Grammar::Expr array();
    Grammar::Expr string();
    /// One character of a string, in any of its spellings.
    Grammar::Expr character();
    Grammar::Expr number();
    Grammar::Expr integer();
    /// `value` and no other, as JSON text; white space between its parts is free.
    Grammar::Expr constant(const Json& value);

    // The frame of objects and arrays; `members` and `items` are separated by comma().
    Grammar::Expr comma();
    Grammar::Expr objectOf(Grammar::Expr members);
    Grammar::Expr arrayOf(Grammar::Expr items);
    Grammar::Expr member(Grammar::Expr key, Grammar::Expr value);
    /// "[]" with at least `min` and at most `max` items.
    Grammar::Expr listOf(Grammar::Expr item, std::uint32_t min, std::uint32_t max);

private:
    enum Part { kSpace, kValue, kObject, kArray, kString, kCharacter, kNumber, kInteger, kParts };
    template <typename Body>
    Grammar::Expr shared(Part part, const char* name, const Body& body);

    Grammar& grammar_;
    std::array<std::optional<Grammar::Rule>, kParts> rules_;
};

}  // namespace step3::sampling::structured
