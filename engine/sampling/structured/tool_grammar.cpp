#include "engine/sampling/structured/tool_grammar.h"

#include <algorithm>

#include "engine/error.h"
#include "engine/sampling/structured/free_text.h"
#include "engine/sampling/structured/object_grammar.h"
#include "engine/sampling/structured/regex.h"
#include "engine/sampling/structured/string_formats.h"
#include "engine/text/tool_call_parser.h"

namespace step3::sampling::structured {

namespace {

constexpr int kMaxAlternatives = 8;  // in each other

/// What would end a value early.
std::vector<std::string> valueEnds() {
    return {std::string(text::kParameterClose), std::string(text::kCallEnd), std::string(text::kCallsEnd)};
}

/// The parameters of one tool.
class Parameters {
public:
    Parameters(Grammar& grammar, Json schema) : grammar_(grammar), schemas_(grammar, std::move(schema)) {}

    Grammar::Expr ofSchema() {
        const Json schema = schemas_.document().flatten(schemas_.document().root(), "#");
        if (!schema.is_object()) rejectSchema("#", "expected the schema of an object");
        refuseUnknownKeywords(schema, "#");
        for (const auto& [keyword, value] : schema.items()) {
            const bool ofObjects = keyword == "type" || keyword == "properties" || keyword == "required" ||
                                   keyword == "additionalProperties";
            if (!ofObjects && !isAnnotation(keyword)) {
                rejectSchema("#", "\"" + keyword + "\" is not supported for the parameters of a tool");
            }
        }
        const auto types = schemaTypes(schema, "#");
        if (!types.empty() && types != std::vector<std::string>{"object"}) {
            rejectSchema("#/type", "the parameters of a tool are an object");
        }
        std::vector<std::string> required;
        if (schema.contains("required")) {
            if (!schema["required"].is_array()) rejectSchema("#/required", "expected a list of names");
            for (const Json& name : schema["required"]) {
                if (!name.is_string()) rejectSchema("#/required", "expected a list of names");
                required.push_back(name.get<std::string>());
            }
        }
        std::vector<ListedPart> parts;
        std::vector<std::string> names{""};  // never the name of a parameter
        if (schema.contains("properties")) {
            if (!schema["properties"].is_object()) rejectSchema("#/properties", "expected an object");
            for (const auto& [name, value] : schema["properties"].items()) {
                const std::string path = schemaPath("#/properties", name);
                if (name.empty() || name.find('"') != std::string::npos) {
                    rejectSchema(path, "a parameter's name must not be empty or hold a quote");
                }
                const bool needed = std::find(required.begin(), required.end(), name) != required.end();
                parts.push_back({path, parameter(grammar_.text(name + "\""), bare(value, path)), needed});
                names.push_back(name);
            }
        }
        for (const std::string& name : required) {
            if (std::find(names.begin(), names.end(), name) == names.end()) {
                rejectSchema("#/required", "\"" + name + "\" is not among the properties");
            }
        }
        std::optional<Grammar::Expr> more;
        if (schema.contains("additionalProperties") && schema["additionalProperties"] != false) {
            more = additional(names, bare(schema["additionalProperties"], "#/additionalProperties"));
        }
        return orderedParts(grammar_, parts, grammar_.empty(), more);
    }

    Grammar::Expr any() { return grammar_.repeat(additional({""}, freeText()), 0); }

private:
    static Grammar::Expr joined(Grammar& grammar, Grammar::Expr name, Grammar::Expr value) {
        return grammar.sequence({name, grammar.text(">"), value, grammar.text(text::kParameterClose)});
    }
    /// `name` ends in the closing quote.
    Grammar::Expr parameter(Grammar::Expr name, Grammar::Expr value) {
        return grammar_.sequence({grammar_.text(text::kParameterOpen), joined(grammar_, name, value)});
    }
    Grammar::Expr additional(const std::vector<std::string>& names, Grammar::Expr value) {
        const std::string_view open = text::kParameterOpen;  // keyExcept brings the opening quote
        return grammar_.rule("additional parameter",
                             grammar_.sequence({grammar_.text(open.substr(0, open.size() - 1)),
                                                joined(grammar_, keyExcept(grammar_, names), value)}));
    }
    Grammar::Expr freeText() { return grammar_.rule("value", textWithout(grammar_, valueEnds())); }

    /// A value as it stands between the tags.
    Grammar::Expr bare(const Json& original, const std::string& path, int nesting = 0) {
        if (nesting > kMaxAlternatives) rejectSchema(path, "alternatives refer to each other in a circle");
        const Json schema = schemas_.document().flatten(original, path);
        if (schema == true) return freeText();
        if (!schema.is_object()) return schemas_.part(schema, path);
        refuseUnknownKeywords(schema, path);
        for (const char* keyword : {"anyOf", "oneOf"}) {
            if (!schema.contains(keyword)) continue;
            if (!schema[keyword].is_array() || schema[keyword].empty()) {
                rejectSchema(schemaPath(path, keyword), "expected a list of schemas");
            }
            Json rest = schema;
            rest.erase(keyword);
            std::vector<Grammar::Expr> parts;
            for (std::size_t i = 0; i < schema[keyword].size(); ++i) {
                const std::string at = schemaPath(schemaPath(path, keyword), std::to_string(i));
                const Json one = schemas_.document().flatten(schema[keyword][i], at);
                parts.push_back(bare(schemas_.document().combine(rest, one, at), at, nesting + 1));
            }
            return grammar_.choice(std::move(parts));
        }
        if (schema.contains("enum") || schema.contains("const")) return constants(schema, path);
        const auto types = schemaTypes(schema, path);
        if (types.empty()) return freeText();
        std::vector<Grammar::Expr> parts;
        for (const std::string& type : types) {
            Json one = schema;
            one["type"] = type;
            parts.push_back(type == "string" ? bareString(schema, path) : schemas_.part(one, path));
        }
        return grammar_.choice(std::move(parts));
    }

    Grammar::Expr constants(const Json& schema, const std::string& path) {
        schemas_.part(schema, path);  // refuses what is out of form
        std::vector<Grammar::Expr> parts;
        const Json values = schema.contains("const") ? Json::array({schema["const"]}) : schema["enum"];
        for (const Json& value : values) {
            if (!value.is_string()) {
                parts.push_back(schemas_.json().constant(value));
                continue;
            }
            const auto& text = value.get_ref<const std::string&>();
            const auto ends = valueEnds();
            if (text != text::trimmed(text) || std::any_of(ends.begin(), ends.end(), [&](const std::string& end) {
                    return text.find(end) != std::string::npos;
                })) {
                rejectSchema(path, "a tool call cannot hold the value " + value.dump());
            }
            parts.push_back(grammar_.text(text));
        }
        return grammar_.choice(std::move(parts));
    }

    Grammar::Expr bareString(const Json& schema, const std::string& path) {
        const auto checked = schemas_.part(schema, path);  // refuses what is out of form
        static_cast<void>(checked);
        if (schema.contains("pattern")) {
            return regexSearch(grammar_, schema["pattern"].get<std::string>(), Spelling::kTagText);
        }
        if (schema.contains("format")) {
            return regexFullMatch(grammar_, *stringFormat(schema["format"].get<std::string>()), Spelling::kTagText);
        }
        const std::uint32_t min = schemaCount(schema, "minLength", 0, path);
        const std::uint32_t max = schemaCount(schema, "maxLength", Grammar::kUnbounded, path);
        if (min == 0 && max == Grammar::kUnbounded) return freeText();
        // The parser trims: blanks at the ends do not count.
        const CharSet blanks({{'\t', '\r'}, {' ', ' '}});
        const auto inner = grammar_.rule("character", spell(grammar_, CharSet::all(), Spelling::kTagText));
        const auto edge = grammar_.rule("edge", spell(grammar_, blanks.complement(), Spelling::kTagText));
        if (max == 0) return grammar_.empty();
        const std::uint32_t moreMax = max == Grammar::kUnbounded ? max : max - 1;
        const auto more = [&](std::uint32_t least) {  // `least` to moreMax characters behind the first
            const std::uint32_t innerMax = moreMax == Grammar::kUnbounded ? moreMax : moreMax - 1;
            return grammar_.sequence({grammar_.repeat(inner, least - 1, innerMax), edge});
        };
        auto text = edge;
        if (min >= 2) {
            text = grammar_.sequence({edge, more(min - 1)});
        } else if (moreMax > 0) {
            text = grammar_.sequence({edge, grammar_.optional(more(1))});
        }
        return min == 0 ? grammar_.optional(text) : text;
    }

    Grammar& grammar_;
    SchemaTranslator schemas_;
};

const Json& functionOf(const Json& tool) {
    return tool.contains("function") && tool["function"].is_object() ? tool["function"] : tool;
}

Grammar::Expr parametersOf(Grammar& grammar, const Json& function, const std::string& where, bool lenient) {
    const Json schema = function.contains("parameters") && !function["parameters"].is_null() ? function["parameters"]
                                                                                             : Json{{"type", "object"}};
    try {
        return Parameters(grammar, schema).ofSchema();
    } catch (const Error& error) {
        if (!lenient) throw Error(error.code(), where + ".parameters: " + error.what());
        return Parameters(grammar, schema).any();
    }
}

}  // namespace

Grammar::Expr markup(Grammar& grammar, const Vocabulary& vocabulary, std::string_view name) {
    const auto symbol = vocabulary.markup(name);
    return symbol ? grammar.symbol(*symbol) : grammar.text(name);
}

Grammar::Expr toolCalls(Grammar& grammar, const Vocabulary& vocabulary, const Json& tools, const ToolChoice& choice) {
    const auto token = [&](std::string_view name) { return markup(grammar, vocabulary, name); };
    std::vector<Grammar::Expr> invokes;
    for (std::size_t i = 0; i < tools.size(); ++i) {
        const Json& function = functionOf(tools[i]);
        const std::string where = "tools[" + std::to_string(i) + "].function";
        const bool named = function.contains("name") && function["name"].is_string();
        const std::string name = named ? function["name"].get<std::string>() : "";
        if (name.empty() || name.find('"') != std::string::npos) {
            throw Error(ErrorCode::kInvalidArgument, where + ".name must be a text without quotes, and not empty");
        }
        if (choice.kind == ToolChoice::Kind::kNamed && name != choice.name) continue;
        const bool strict = function.contains("strict") && function["strict"] == true;
        const bool lenient = choice.kind == ToolChoice::Kind::kAuto && !strict;
        invokes.push_back(grammar.sequence({grammar.text(std::string(text::kInvokeOpen) + name + "\">"),
                                            parametersOf(grammar, function, where, lenient)}));
    }
    if (invokes.empty()) {
        throw Error(ErrorCode::kInvalidArgument,
                    "tool_choice: the tools have no function " +
                        Json(choice.name).dump(-1, ' ', false, Json::error_handler_t::replace));
    }
    const auto lineEnd = grammar.optional(grammar.symbol('\n'));
    const auto call =
        grammar.rule("tool call", grammar.sequence({token(text::kCallBegin), lineEnd, grammar.text("function"),
                                                    token(text::kCallSeparator), grammar.choice(std::move(invokes)),
                                                    grammar.text(text::kInvokeClose), token(text::kCallEnd), lineEnd}));
    return grammar.sequence(
        {token(text::kCallsBegin), lineEnd, choice.parallel ? grammar.repeat(call, 1) : call, token(text::kCallsEnd)});
}

}  // namespace step3::sampling::structured
