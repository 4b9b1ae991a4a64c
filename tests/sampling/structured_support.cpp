#include "tests/sampling/structured_support.h"

#include <algorithm>
#include <cmath>

#include <catch2/catch.hpp>
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "engine/error.h"
#include "engine/sampling/structured/json_schema.h"
#include "engine/sampling/structured/regex.h"

namespace step3::sampling::structured::testing {

namespace {

std::shared_ptr<const Automaton> automatonOf(const std::function<Grammar::Expr(Grammar&)>& build) {
    Grammar grammar;
    const auto root = grammar.declare("root");
    grammar.define(root, build(grammar));
    return std::make_shared<const Automaton>(grammar, root);
}

const Json& resolved(const Json& root, const std::string& reference) {
    return root.at(Json::json_pointer(reference.substr(1)));
}

std::size_t characters(const std::string& text) {
    return static_cast<std::size_t>(std::count_if(
        text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0U) != 0x80; }));
}

bool isOfType(const Json& value, const std::string& type) {
    if (type == "integer") {
        return value.is_number_integer() ||
               (value.is_number_float() && value.get<double>() == std::floor(value.get<double>()));
    }
    return type == (value.is_number() ? "number" : value.type_name());
}

/// As PCRE2 sees it.
bool found(const std::string& pattern, const std::string& text) {
    int error = 0;
    PCRE2_SIZE at = 0;
    pcre2_code* code = pcre2_compile(reinterpret_cast<PCRE2_SPTR>(pattern.data()), pattern.size(),
                                     PCRE2_UTF | PCRE2_DOLLAR_ENDONLY, &error, &at, nullptr);
    REQUIRE(code != nullptr);
    pcre2_match_data* data = pcre2_match_data_create_from_pattern(code, nullptr);
    const int count = pcre2_match(code, reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(), 0, 0, data, nullptr);
    pcre2_match_data_free(data);
    pcre2_code_free(code);
    return count > 0;
}

}  // namespace

Language::Language(const std::function<Grammar::Expr(Grammar&)>& build) : machine_(automatonOf(build)) {}

Machine::State Language::read(std::string_view text) {
    machine_.resetWork();
    Machine::State state = machine_.start();
    for (const char c : text) {
        if (state == Machine::kDead) return state;
        state = machine_.step(state, static_cast<unsigned char>(c));
    }
    return state;
}

bool Language::matches(std::string_view text) {
    const Machine::State state = read(text);
    return state != Machine::kDead && machine_.accepts(state);
}

bool Language::isPrefix(std::string_view text) {
    return read(text) != Machine::kDead;
}

std::optional<std::string> Language::randomText(std::mt19937& random, std::size_t maxBytes) {
    machine_.resetWork();
    Machine::State state = machine_.start();
    std::string text;
    while (text.size() < maxBytes) {
        if (machine_.isComplete(state) || (machine_.accepts(state) && random() % 4 == 0)) return text;
        std::vector<Symbol> next;
        for (Symbol symbol = 0; symbol < kFirstMarkup; ++symbol) {
            if (machine_.step(state, symbol) != Machine::kDead) next.push_back(symbol);
        }
        // What is in the language can be finished: no state is a dead end.
        if (next.empty()) {
            REQUIRE(machine_.accepts(state));
            return text;
        }
        Symbol symbol = next[random() % next.size()];
        for (const Symbol closer : {'"', '}', ']'}) {  // most texts are to end
            if (random() % 3 == 0 && std::find(next.begin(), next.end(), closer) != next.end()) symbol = closer;
        }
        text += static_cast<char>(symbol);
        state = machine_.step(state, symbol);
    }
    return std::nullopt;
}

Language jsonSchema(const std::string& schema) {
    return Language([&](Grammar& grammar) { return SchemaTranslator(grammar, parseSchema(schema)).root(); });
}

Language regex(const std::string& pattern) {
    return Language([&](Grammar& grammar) { return regexFullMatch(grammar, pattern, Spelling::kPlain); });
}

std::string refusal(const std::function<void()>& action) {
    try {
        action();
    } catch (const Error& error) {
        CHECK(error.code() == ErrorCode::kInvalidArgument);
        return error.what();
    }
    FAIL("nothing was refused");
    return {};
}

bool isValid(const Json& schema, const Json& value, const Json& root) {
    if (schema.is_boolean()) return schema == true;
    const auto has = [&](const char* keyword) { return schema.contains(keyword); };
    if (has("$ref") && !isValid(resolved(root, schema["$ref"].get<std::string>()), value, root)) return false;
    const auto valid = [&](const Json& part) { return isValid(part, value, root); };
    if (has("allOf") && !std::all_of(schema["allOf"].begin(), schema["allOf"].end(), valid)) return false;
    if (has("anyOf") && !std::any_of(schema["anyOf"].begin(), schema["anyOf"].end(), valid)) return false;
    if (has("enum") && std::find(schema["enum"].begin(), schema["enum"].end(), value) == schema["enum"].end())
        return false;
    if (has("const") && schema["const"] != value) return false;
    if (has("type")) {
        const Json types = schema["type"].is_array() ? schema["type"] : Json::array({schema["type"]});
        if (std::none_of(types.begin(), types.end(),
                         [&](const Json& t) { return isOfType(value, t.get<std::string>()); })) {
            return false;
        }
    }
    if (value.is_number()) {
        const double number = value.get<double>();
        if (has("minimum") && number < schema["minimum"].get<double>()) return false;
        if (has("maximum") && number > schema["maximum"].get<double>()) return false;
        if (has("exclusiveMinimum") && number <= schema["exclusiveMinimum"].get<double>()) return false;
        if (has("exclusiveMaximum") && number >= schema["exclusiveMaximum"].get<double>()) return false;
    }
    if (value.is_string()) {
        const auto& text = value.get_ref<const std::string&>();
        if (has("minLength") && characters(text) < schema["minLength"].get<std::size_t>()) return false;
        if (has("maxLength") && characters(text) > schema["maxLength"].get<std::size_t>()) return false;
        if (has("pattern") && !found(schema["pattern"].get<std::string>(), text)) return false;
    }
    if (value.is_array()) {
        if (has("minItems") && value.size() < schema["minItems"].get<std::size_t>()) return false;
        if (has("maxItems") && value.size() > schema["maxItems"].get<std::size_t>()) return false;
        const Json prefix = has("prefixItems") ? schema["prefixItems"] : Json::array();
        for (std::size_t i = 0; i < value.size(); ++i) {
            const Json item = i < prefix.size() ? prefix[i] : has("items") ? schema["items"] : Json(true);
            if (!isValid(item, value[i], root)) return false;
        }
    }
    if (value.is_object()) {
        if (has("required")) {
            for (const Json& name : schema["required"]) {
                if (!value.contains(name.get<std::string>())) return false;
            }
        }
        const Json properties = has("properties") ? schema["properties"] : Json::object();
        for (const auto& [name, member] : value.items()) {
            const Json part = properties.contains(name)     ? properties[name]
                              : has("additionalProperties") ? schema["additionalProperties"]
                                                            : Json(true);
            if (!isValid(part, member, root)) return false;
        }
    }
    return true;
}

ByteTokenizer::ByteTokenizer(std::vector<std::string> words, std::vector<std::string> special) {
    for (int byte = 0; byte < 256; ++byte) tokens_.emplace_back(1, static_cast<char>(byte));
    tokens_.insert(tokens_.end(), words.begin(), words.end());
    firstSpecial_ = tokens_.size();
    tokens_.insert(tokens_.end(), special.begin(), special.end());
    tokens_.emplace_back("<|EOT|>");
}

std::vector<text::TokenId> ByteTokenizer::encode(std::string_view text) const {
    std::vector<text::TokenId> ids;
    for (const char c : text) ids.push_back(static_cast<unsigned char>(c));
    return ids;
}

std::string ByteTokenizer::tokenBytes(text::TokenId id) const {
    return id >= 0 && id < vocabSize() ? tokens_[static_cast<std::size_t>(id)] : "";
}

std::optional<text::TokenId> ByteTokenizer::idOf(std::string_view token) const {
    const auto found = std::find(tokens_.begin(), tokens_.end(), token);
    if (found == tokens_.end()) return std::nullopt;
    return static_cast<text::TokenId>(found - tokens_.begin());
}

bool ByteTokenizer::isSpecial(text::TokenId id) const {
    return id >= static_cast<text::TokenId>(firstSpecial_);
}

std::string ByteTokenizer::decode(const std::vector<text::TokenId>& ids, bool skipSpecial) const {
    std::string text;
    for (const text::TokenId id : ids) {
        if (!skipSpecial || !isSpecial(id)) text += tokenBytes(id);
    }
    return text;
}

}  // namespace step3::sampling::structured::testing
