#include "engine/sampling/structured/json_schema.h"

#include <algorithm>
#include <cmath>

#include "engine/error.h"
#include "engine/sampling/structured/number_range.h"
#include "engine/sampling/structured/object_grammar.h"
#include "engine/sampling/structured/regex.h"
#include "engine/sampling/structured/string_formats.h"

namespace step3::sampling::structured {

namespace {

constexpr std::size_t kMaxMergedBytes = 8U << 20U;

bool isOfType(const Json& value, const std::string& type) {
    if (type == "object") return value.is_object();
    if (type == "array") return value.is_array();
    if (type == "string") return value.is_string();
    if (type == "boolean") return value.is_boolean();
    if (type == "null") return value.is_null();
    if (type == "integer" && value.is_number_float()) return value.get<double>() == std::floor(value.get<double>());
    return value.is_number();
}

/// `schema` without annotations and without `keyword`.
Json without(const Json& schema, const char* keyword) {
    Json rest = Json::object();
    for (const auto& [name, value] : schema.items()) {
        if (name != keyword && !isAnnotation(name)) rest[name] = value;
    }
    return rest;
}

std::optional<Bound> bound(const Json& schema, const char* closed, const char* open, const std::string& path) {
    for (const char* keyword : {closed, open}) {
        if (schema.contains(keyword) && !schema[keyword].is_number()) {
            rejectSchema(schemaPath(path, keyword), "expected a number");
        }
    }
    if (!schema.contains(closed) && !schema.contains(open)) return std::nullopt;
    if (!schema.contains(open)) return Bound{Decimal::from(schema[closed]), false};
    if (!schema.contains(closed)) return Bound{Decimal::from(schema[open]), true};
    const bool lower = std::string_view(closed) == "minimum";
    const double a = schema[closed].get<double>();
    const double b = schema[open].get<double>();
    return (lower ? a > b : a < b) ? Bound{Decimal::from(schema[closed]), false}
                                   : Bound{Decimal::from(schema[open]), true};
}

}  // namespace

SchemaTranslator::SchemaTranslator(Grammar& grammar, Json schema)
    : grammar_(grammar), document_(std::move(schema)), json_(grammar) {}

Grammar::Expr SchemaTranslator::part(const Json& schema, const std::string& path) {
    const auto result = translate(schema, path);
    for (; !jobs_.empty(); jobs_.pop_front()) {  // a job may add others at the end
        const Job& job = jobs_.front();
        grammar_.define(job.rule, translate(job.schema, job.path));
    }
    return result;
}

/// A call of the rule for `schema`, which is translated once and not now: schemas may refer to themselves.
Grammar::Expr SchemaTranslator::later(const std::string& key, const Json& schema, const std::string& path) {
    const auto found = rules_.find(key);
    if (found != rules_.end()) return grammar_.call(found->second);
    keyBytes_ += key.size();
    if (keyBytes_ > kMaxMergedBytes) {
        rejectSchema(path, "what \"allOf\" and alternatives bring together is longer than " +
                               std::to_string(kMaxMergedBytes >> 20U) + " MiB");
    }
    const Grammar::Rule rule = grammar_.declare("json_schema at " + path);
    rules_.emplace(key, rule);
    jobs_.push_back({rule, schema, path});
    return grammar_.call(rule);
}

Grammar::Expr SchemaTranslator::translate(const Json& schema, const std::string& path) {
    if (schema.is_boolean()) return schema == true ? json_.value() : grammar_.nothing();
    if (!schema.is_object()) rejectSchema(path, "expected a schema: an object or a boolean");
    if (schema.contains("$ref") && schema["$ref"].is_string() && without(schema, "$ref").empty()) {
        const auto reference = schema["$ref"].get<std::string>();
        return later(reference, document_.resolve(reference, path), reference);
    }
    const bool twoChoices = schema.contains("anyOf") && schema.contains("oneOf");
    if (schema.contains("$ref") || schema.contains("allOf") || twoChoices) {
        const Json flat = document_.flatten(schema, path);
        return later("merged " + flat.dump(), flat, path);
    }
    return translateFlat(schema, path);
}

Grammar::Expr SchemaTranslator::translateFlat(const Json& schema, const std::string& path) {
    refuseUnknownKeywords(schema, path);
    for (const char* keyword : {"anyOf", "oneOf"}) {
        if (schema.contains(keyword)) return alternatives(schema, keyword, path);
    }
    if (schema.contains("const") || schema.contains("enum")) return constants(schema, path);
    const auto types = schemaTypes(schema, path);
    if (types.empty()) return json_.value();
    std::vector<Grammar::Expr> parts;
    for (const std::string& type : types) parts.push_back(ofType(schema, type, path));
    return grammar_.choice(std::move(parts));
}

Grammar::Expr SchemaTranslator::alternatives(const Json& schema, const char* keyword, const std::string& path) {
    const Json& list = schema[keyword];
    if (!list.is_array() || list.empty()) rejectSchema(schemaPath(path, keyword), "expected a list of schemas");
    const Json rest = without(schema, keyword);
    std::vector<Grammar::Expr> parts;
    for (std::size_t i = 0; i < list.size(); ++i) {
        const std::string at = schemaPath(schemaPath(path, keyword), std::to_string(i));
        if (rest.empty()) {
            parts.push_back(translate(list[i], at));
        } else {
            const Json both = document_.combine(rest, document_.flatten(list[i], at), at);
            parts.push_back(later("merged " + both.dump(), both, at));
        }
    }
    return grammar_.choice(std::move(parts));
}

/// "enum" and "const"; of other keywords, only "type" may stand beside them.
Grammar::Expr SchemaTranslator::constants(const Json& schema, const std::string& path) {
    Json values = Json::array();
    if (schema.contains("enum")) {
        if (!schema["enum"].is_array() || schema["enum"].empty()) {
            rejectSchema(path + "/enum", "expected a list of values");
        }
        values = schema["enum"];
    }
    if (schema.contains("const")) {
        const Json& value = schema["const"];
        if (schema.contains("enum") && std::find(values.begin(), values.end(), value) == values.end()) {
            return grammar_.nothing();
        }
        values = Json::array({value});
    }
    for (const auto& [name, value] : schema.items()) {
        if (name != "enum" && name != "const" && name != "type" && !isAnnotation(name)) {
            rejectSchema(path, "\"" + name + "\" beside " + (schema.contains("enum") ? "\"enum\"" : "\"const\"") +
                                   " is not supported");
        }
    }
    const auto types = schemaTypes(schema, path);
    std::vector<Grammar::Expr> parts;
    for (const Json& value : values) {
        const bool fits = types.empty() || std::any_of(types.begin(), types.end(),
                                                       [&](const std::string& type) { return isOfType(value, type); });
        if (fits) parts.push_back(json_.constant(value));
    }
    return grammar_.choice(std::move(parts));
}

Grammar::Expr SchemaTranslator::ofType(const Json& schema, const std::string& type, const std::string& path) {
    if (type == "object") return object(schema, path);
    if (type == "array") return array(schema, path);
    if (type == "string") return string(schema, path);
    if (type == "number" || type == "integer") return number(schema, type == "number", path);
    if (type == "null") return grammar_.text("null");
    return grammar_.choice({grammar_.text("true"), grammar_.text("false")});
}

Grammar::Expr SchemaTranslator::object(const Json& schema, const std::string& path) {
    const Json none = Json::object();
    const Json& properties = schema.contains("properties") ? schema["properties"] : none;
    if (!properties.is_object()) rejectSchema(path + "/properties", "expected an object");
    std::vector<std::string> required;
    if (schema.contains("required")) {
        if (!schema["required"].is_array()) rejectSchema(path + "/required", "expected a list of names");
        for (const Json& name : schema["required"]) {
            if (!name.is_string()) rejectSchema(path + "/required", "expected a list of names");
            required.push_back(name.get<std::string>());
        }
    }
    const bool closed = schema.contains("properties") && !schema.contains("additionalProperties");
    const Json additional = schema.contains("additionalProperties") ? schema["additionalProperties"] : Json(!closed);
    if (properties.empty() && required.empty() && additional == true) return json_.object();

    std::vector<ListedPart> parts;
    std::vector<std::string> names;
    const auto add = [&](const std::string& name, const Json& value, const std::string& at) {
        const bool needed = std::find(required.begin(), required.end(), name) != required.end();
        parts.push_back({at, json_.member(grammar_.text(Json(name).dump()), translate(value, at)), needed});
        names.push_back(name);
    };
    for (const auto& [name, value] : properties.items()) add(name, value, schemaPath(path + "/properties", name));
    for (const std::string& name : required) {
        if (std::find(names.begin(), names.end(), name) != names.end()) continue;
        if (additional == false && !closed)
            rejectSchema(path + "/required", "\"" + name + "\" is not among the properties");
        add(name, closed ? Json(true) : additional, path + "/additionalProperties");
    }
    std::optional<Grammar::Expr> more;
    if (additional != false) {
        more = grammar_.rule(
            "additional property",
            json_.member(keyExcept(grammar_, names), translate(additional, path + "/additionalProperties")));
    }
    return json_.objectOf(orderedParts(grammar_, parts, json_.comma(), more));
}

Grammar::Expr SchemaTranslator::array(const Json& schema, const std::string& path) {
    const std::uint32_t min = schemaCount(schema, "minItems", 0, path);
    std::uint32_t max = schemaCount(schema, "maxItems", Grammar::kUnbounded, path);
    if (schema.contains("items") && schema["items"].is_array()) {
        rejectSchema(path + "/items", "a list of schemas is not supported; \"prefixItems\" is");
    }
    std::vector<Grammar::Expr> prefix;
    if (schema.contains("prefixItems")) {
        if (!schema["prefixItems"].is_array()) rejectSchema(path + "/prefixItems", "expected a list of schemas");
        for (std::size_t i = 0; i < schema["prefixItems"].size(); ++i) {
            const std::string at = path + "/prefixItems/" + std::to_string(i);
            prefix.push_back(grammar_.rule(at, translate(schema["prefixItems"][i], at)));
        }
    }
    const Json items = schema.contains("items") ? schema["items"] : Json(true);
    if (items == false) max = std::min(max, static_cast<std::uint32_t>(prefix.size()));
    if (max < min) return grammar_.nothing();
    const auto item = grammar_.rule(path + "/items", translate(items, path + "/items"));
    if (prefix.empty()) return json_.listOf(item, min, max);

    // The items behind the prefix, then the prefix from its end.
    const auto count = static_cast<std::uint32_t>(prefix.size());
    auto rest = grammar_.empty();
    if (max > count) {
        rest = grammar_.repeat(grammar_.sequence({json_.comma(), item}), min > count ? min - count : 0,
                               max == Grammar::kUnbounded ? max : max - count);
    }
    for (std::uint32_t i = count; i-- > 0;) {
        if (i >= max) continue;
        rest = i == 0 ? grammar_.sequence({prefix[i], rest}) : grammar_.sequence({json_.comma(), prefix[i], rest});
        if (i >= min) rest = grammar_.optional(rest);
    }
    return json_.arrayOf(rest);
}

Grammar::Expr SchemaTranslator::string(const Json& schema, const std::string& path) {
    const bool counted = schema.contains("minLength") || schema.contains("maxLength");
    for (const char* keyword : {"pattern", "format"}) {
        if (!schema.contains(keyword)) continue;
        if (!schema[keyword].is_string()) rejectSchema(schemaPath(path, keyword), "expected a string");
        if (counted || (schema.contains("pattern") && schema.contains("format"))) {
            rejectSchema(path, std::string("\"") + keyword + "\" together with " +
                                   (counted ? "\"minLength\" or \"maxLength\"" : "\"format\"") + " is not supported");
        }
    }
    const auto quoted = [&](Grammar::Expr text) {
        return grammar_.sequence({grammar_.symbol('"'), text, grammar_.symbol('"')});
    };
    if (schema.contains("pattern")) {
        try {
            return quoted(regexSearch(grammar_, schema["pattern"].get<std::string>(), Spelling::kJsonString));
        } catch (const Error& error) {
            rejectSchema(path + "/pattern", error.what());
        }
    }
    if (schema.contains("format")) {
        const auto name = schema["format"].get<std::string>();
        const auto pattern = stringFormat(name);
        if (!pattern) rejectSchema(path + "/format", "\"" + name + "\" is not supported");
        return quoted(regexFullMatch(grammar_, *pattern, Spelling::kJsonString));
    }
    if (!counted) return json_.string();
    return quoted(grammar_.repeat(json_.character(), schemaCount(schema, "minLength", 0, path),
                                  schemaCount(schema, "maxLength", Grammar::kUnbounded, path)));
}

Grammar::Expr SchemaTranslator::number(const Json& schema, bool fractions, const std::string& path) {
    const auto low = bound(schema, "minimum", "exclusiveMinimum", path);
    const auto high = bound(schema, "maximum", "exclusiveMaximum", path);
    if (!low && !high) return fractions ? json_.number() : json_.integer();
    return numberBetween(grammar_, low, high, fractions);
}

}  // namespace step3::sampling::structured
