#include "engine/sampling/structured/json_grammar.h"

#include "engine/sampling/structured/char_set.h"

namespace step3::sampling::structured {

namespace {

constexpr std::uint32_t kMaxIndent = 32;
constexpr std::uint32_t kMaxWholeDigits = 18;     // below 2^63
constexpr std::uint32_t kMaxFractionDigits = 20;  // the shortest form of a double has no more, if it has no exponent
constexpr std::uint32_t kMaxExponentDigits = 2;   // no overflow, whatever the digits before are

}  // namespace

template <typename Body>
Grammar::Expr JsonGrammar::shared(Part part, const char* name, const Body& body) {
    if (!rules_[part]) {
        rules_[part] = grammar_.declare(name);
        grammar_.define(*rules_[part], body());
    }
    return grammar_.call(*rules_[part]);
}

Grammar::Expr JsonGrammar::space() {
    return shared(kSpace, "white space", [&] {
        const auto indent = grammar_.repeat(grammar_.oneOf({{'\t', '\t'}, {' ', ' '}}), 0, kMaxIndent);
        return grammar_.choice(
            {grammar_.optional(grammar_.symbol(' ')), grammar_.sequence({grammar_.symbol('\n'), indent})});
    });
}

Grammar::Expr JsonGrammar::value() {
    return shared(kValue, "value", [&] {
        return grammar_.choice({object(), array(), string(), number(), grammar_.text("true"), grammar_.text("false"),
                                grammar_.text("null")});
    });
}

Grammar::Expr JsonGrammar::object() {
    return shared(kObject, "object", [&] {
        const auto pair = grammar_.rule("member", member(string(), value()));
        return objectOf(
            grammar_.optional(grammar_.sequence({pair, grammar_.repeat(grammar_.sequence({comma(), pair}), 0)})));
    });
}

Grammar::Expr JsonGrammar::array() {
    return shared(kArray, "array", [&] { return listOf(value(), 0, Grammar::kUnbounded); });
}

Grammar::Expr JsonGrammar::string() {
    return shared(kString, "string", [&] {
        return grammar_.sequence({grammar_.symbol('"'), grammar_.repeat(character(), 0), grammar_.symbol('"')});
    });
}

Grammar::Expr JsonGrammar::character() {
    return shared(kCharacter, "character", [&] {
        const CharSet plain = CharSet({{0x20, 0x10FFFF}}).without(CharSet({{'"', '"'}, {'\\', '\\'}}));
        const auto range = [](char low, char high) {
            return SymbolRange{static_cast<unsigned char>(low), static_cast<unsigned char>(high)};
        };
        const SymbolRange digit = range('0', '9');
        const auto hex = grammar_.oneOf({digit, range('a', 'f'), range('A', 'F')});
        const auto letterD = grammar_.oneOf({range('d', 'd'), range('D', 'D')});
        const auto notD = grammar_.oneOf({digit, range('a', 'c'), range('A', 'C'), range('e', 'f'), range('E', 'F')});
        const auto beforeD8 = grammar_.oneOf({range('0', '7')});
        const auto highHalf = grammar_.oneOf({range('8', '9'), range('a', 'b'), range('A', 'B')});
        const auto lowHalf = grammar_.oneOf({range('c', 'f'), range('C', 'F')});
        return grammar_.choice(
            {spell(grammar_, plain, Spelling::kPlain),
             grammar_.sequence({grammar_.symbol('\\'),
                                grammar_.oneOf({range('"', '"'), range('\\', '\\'), range('/', '/'), range('b', 'b'),
                                                range('f', 'f'), range('n', 'n'), range('r', 'r'), range('t', 't')})}),
             grammar_.sequence({grammar_.text("\\u"), notD, hex, hex, hex}),
             grammar_.sequence({grammar_.text("\\u"), letterD, beforeD8, hex, hex}),
             grammar_.sequence({grammar_.text("\\u"), letterD, highHalf, hex, hex, grammar_.text("\\u"), letterD,
                                lowHalf, hex, hex})});
    });
}

Grammar::Expr JsonGrammar::integer() {
    return shared(kInteger, "integer", [&] {
        const auto digit = grammar_.oneOf({{'0', '9'}});
        return grammar_.choice(
            {grammar_.symbol('0'),
             grammar_.sequence({grammar_.optional(grammar_.symbol('-')), grammar_.oneOf({{'1', '9'}}),
                                grammar_.repeat(digit, 0, kMaxWholeDigits - 1)})});
    });
}

Grammar::Expr JsonGrammar::number() {
    return shared(kNumber, "number", [&] {
        const auto digit = grammar_.oneOf({{'0', '9'}});
        const auto whole = grammar_.choice(
            {grammar_.symbol('0'),
             grammar_.sequence({grammar_.oneOf({{'1', '9'}}), grammar_.repeat(digit, 0, kMaxWholeDigits - 1)})});
        const auto fraction = grammar_.sequence({grammar_.symbol('.'), grammar_.repeat(digit, 1, kMaxFractionDigits)});
        const auto exponent = grammar_.sequence({grammar_.oneOf({{'E', 'E'}, {'e', 'e'}}),
                                                 grammar_.optional(grammar_.oneOf({{'+', '+'}, {'-', '-'}})),
                                                 grammar_.repeat(digit, 1, kMaxExponentDigits)});
        return grammar_.sequence(
            {grammar_.optional(grammar_.symbol('-')), whole, grammar_.optional(fraction), grammar_.optional(exponent)});
    });
}

Grammar::Expr JsonGrammar::constant(const Json& value) {
    std::vector<Grammar::Expr> parts;
    if (value.is_object() && !value.empty()) {
        for (const auto& [key, item] : value.items()) {
            if (!parts.empty()) parts.push_back(comma());
            parts.push_back(member(grammar_.text(Json(key).dump()), constant(item)));
        }
        return objectOf(grammar_.sequence(std::move(parts)));
    }
    if (value.is_array() && !value.empty()) {
        for (const Json& item : value) {
            if (!parts.empty()) parts.push_back(comma());
            parts.push_back(constant(item));
        }
        return arrayOf(grammar_.sequence(std::move(parts)));
    }
    return grammar_.text(value.dump());
}

Grammar::Expr JsonGrammar::comma() {
    return grammar_.sequence({grammar_.symbol(','), space()});
}

Grammar::Expr JsonGrammar::objectOf(Grammar::Expr members) {
    return grammar_.sequence({grammar_.symbol('{'), space(), members, space(), grammar_.symbol('}')});
}

Grammar::Expr JsonGrammar::arrayOf(Grammar::Expr items) {
    return grammar_.sequence({grammar_.symbol('['), space(), items, space(), grammar_.symbol(']')});
}

Grammar::Expr JsonGrammar::member(Grammar::Expr key, Grammar::Expr value) {
    return grammar_.sequence({key, grammar_.symbol(':'), space(), value});
}

Grammar::Expr JsonGrammar::listOf(Grammar::Expr item, std::uint32_t min, std::uint32_t max) {
    if (max == 0) return arrayOf(grammar_.empty());
    const std::uint32_t moreMin = min > 0 ? min - 1 : 0;
    const std::uint32_t moreMax = max == Grammar::kUnbounded ? max : max - 1;
    const auto items = grammar_.sequence({item, grammar_.repeat(grammar_.sequence({comma(), item}), moreMin, moreMax)});
    return arrayOf(min > 0 ? items : grammar_.optional(items));
}

}  // namespace step3::sampling::structured
