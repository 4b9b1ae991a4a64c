#include "engine/sampling/structured/schema_document.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <set>

#include "engine/error.h"

namespace step3::sampling::structured {

namespace {

constexpr int kMaxReferences = 64;         // followed while one schema is made flat
constexpr int kMaxParts = 1000;            // "$ref" and "allOf" dissolved for one schema
constexpr std::size_t kMaxProducts = 256;  // of two lists of alternatives

/// A "type" as a set; a number may be an integer.
std::set<std::string> typeSet(const Json& type) {
    std::set<std::string> types;
    if (type.is_string()) types.insert(type.get<std::string>());
    if (type.is_array()) {
        for (const Json& item : type) {
            if (item.is_string()) types.insert(item.get<std::string>());
        }
    }
    return types;
}

Json commonTypes(const Json& a, const Json& b) {
    const auto left = typeSet(a);
    const auto right = typeSet(b);
    Json common = Json::array();
    for (const std::string& type : left) {
        if (right.count(type) > 0 || (type == "integer" && right.count("number") > 0)) common.push_back(type);
    }
    if (left.count("number") > 0 && right.count("number") == 0 && right.count("integer") > 0 &&
        left.count("integer") == 0) {
        common.push_back("integer");
    }
    return common;
}

Json commonValues(const Json& a, const Json& b) {
    Json common = Json::array();
    for (const Json& value : a) {
        if (std::find(b.begin(), b.end(), value) != b.end()) common.push_back(value);
    }
    return common;
}

Json allOf(const Json& a, const Json& b) {
    return a == b ? a : Json{{"allOf", Json::array({a, b})}};
}

/// What `from` says of properties only the other schema names.
Json limited(const Json& property, const Json& from) {
    if (!from.contains("additionalProperties")) return property;
    const Json& additional = from["additionalProperties"];
    if (additional == true) return property;
    return additional == false ? Json(false) : allOf(property, additional);
}

const Json& propertiesOf(const Json& schema, const std::string& path) {
    static const Json kNone = Json::object();
    if (!schema.contains("properties")) return kNone;
    if (!schema["properties"].is_object()) rejectSchema(path + "/properties", "expected an object");
    return schema["properties"];
}

void combineObjects(Json& result, const Json& a, const Json& b, const std::string& path) {
    if (a.contains("properties") || b.contains("properties")) {
        Json properties = Json::object();
        for (const auto& [name, schema] : propertiesOf(a, path).items()) {
            properties[name] =
                propertiesOf(b, path).contains(name) ? allOf(schema, b["properties"][name]) : limited(schema, b);
        }
        for (const auto& [name, schema] : propertiesOf(b, path).items()) {
            if (!properties.contains(name)) properties[name] = limited(schema, a);
        }
        result["properties"] = std::move(properties);
    }
    if (a.contains("additionalProperties") && b.contains("additionalProperties")) {
        const Json& left = a["additionalProperties"];
        const Json& right = b["additionalProperties"];
        result["additionalProperties"] = left == false || right == false ? Json(false)
                                         : left == true                  ? right
                                         : right == true                 ? left
                                                                         : allOf(left, right);
    }
    if (a.contains("required") && b.contains("required") && a["required"].is_array() && b["required"].is_array()) {
        Json required = a["required"];
        for (const Json& name : b["required"]) {
            if (std::find(required.begin(), required.end(), name) == required.end()) required.push_back(name);
        }
        result["required"] = std::move(required);
    }
}

/// The stricter of two bounds.
Json stricter(const std::string& keyword, const Json& a, const Json& b, const std::string& path) {
    if (!a.is_number() || !b.is_number()) rejectSchema(schemaPath(path, keyword), "expected a number");
    const bool lower =
        keyword == "minimum" || keyword == "exclusiveMinimum" || keyword == "minLength" || keyword == "minItems";
    const bool aIsLess = a.get<double>() < b.get<double>();
    return aIsLess == lower ? b : a;
}

bool isBound(std::string_view keyword) {
    constexpr std::array<std::string_view, 8> kBounds{"minimum",   "exclusiveMinimum", "maximum",  "exclusiveMaximum",
                                                      "minLength", "maxLength",        "minItems", "maxItems"};
    return std::find(kBounds.begin(), kBounds.end(), keyword) != kBounds.end();
}

}  // namespace

void rejectSchema(const std::string& path, const std::string& what) {
    std::string message = "json_schema at " + path + ": " + what;
    for (char& c : message) {  // names are the caller's; a message is one line
        if (static_cast<unsigned char>(c) < 0x20) c = ' ';
    }
    throw Error(ErrorCode::kInvalidArgument, message);
}

std::string schemaPath(const std::string& path, std::string_view step) {
    std::string result = path + "/";
    for (const char c : step) result += c == '~' ? std::string("~0") : c == '/' ? std::string("~1") : std::string(1, c);
    return result;
}

bool isAnnotation(std::string_view keyword) {
    constexpr std::array<std::string_view, 16> kAnnotations{
        "title",    "description", "default",     "examples", "example",    "$schema",          "$id",
        "$comment", "$defs",       "definitions", "$anchor",  "deprecated", "contentMediaType", "contentEncoding",
        "readOnly", "writeOnly"};
    return keyword.starts_with("x-") ||
           std::find(kAnnotations.begin(), kAnnotations.end(), keyword) != kAnnotations.end();
}

const Json& SchemaDocument::resolve(const std::string& reference, const std::string& path) const {
    if (!reference.starts_with("#") || (reference.size() > 1 && reference[1] != '/')) {
        rejectSchema(path, "\"$ref\" must point into the same schema (\"#/...\"), got \"" + reference + "\"");
    }
    const Json* at = &root_;
    for (std::size_t begin = 1; begin < reference.size();) {
        const std::size_t end = std::min(reference.find('/', begin + 1), reference.size());
        std::string step;
        for (std::size_t i = begin + 1; i < end; ++i) {
            const char c = reference[i];
            unsigned code = 0;
            if (c == '~' && i + 1 < end && (reference[i + 1] == '0' || reference[i + 1] == '1')) {
                step += reference[++i] == '0' ? '~' : '/';
            } else if (c == '%' && i + 2 < end &&
                       std::from_chars(&reference[i + 1], &reference[i] + 3, code, 16).ptr == &reference[i] + 3) {
                step += static_cast<char>(code);
                i += 2;
            } else {
                step += c;
            }
        }
        const Json* next = nullptr;
        if (at->is_object() && at->contains(step)) next = &(*at)[step];
        if (at->is_array()) {
            std::size_t index = 0;
            const auto parsed = std::from_chars(step.data(), step.data() + step.size(), index);
            if (!step.empty() && parsed.ptr == step.data() + step.size() && index < at->size()) next = &(*at)[index];
        }
        if (next == nullptr) rejectSchema(path, "\"$ref\" points to \"" + reference + "\", which is not there");
        at = next;
        begin = end;
    }
    return *at;
}

Json SchemaDocument::flatten(const Json& schema, const std::string& path) const {
    int partsLeft = kMaxParts;
    return flatten(schema, path, 0, partsLeft);
}

Json SchemaDocument::flatten(const Json& schema, const std::string& path, int depth, int& partsLeft) const {
    const bool twoChoices = schema.is_object() && schema.contains("anyOf") && schema.contains("oneOf");
    if (!schema.is_object() || (!schema.contains("$ref") && !schema.contains("allOf") && !twoChoices)) return schema;
    if (depth > kMaxReferences) rejectSchema(path, "\"$ref\" and \"allOf\" refer to each other in a circle");
    if (--partsLeft < 0) rejectSchema(path, "is made of more than " + std::to_string(kMaxParts) + " parts");
    Json own = schema;
    own.erase("$ref");
    own.erase("allOf");
    if (twoChoices) {
        own.erase("oneOf");
        own = combine(own, Json{{"anyOf", schema["oneOf"]}}, path);
    }
    Json result = true;  // what others bring comes first: properties are written in this order
    if (schema.contains("$ref")) {
        if (!schema["$ref"].is_string()) rejectSchema(path + "/$ref", "expected a string");
        result = flatten(resolve(schema["$ref"].get<std::string>(), path), path, depth + 1, partsLeft);
    }
    if (schema.contains("allOf")) {
        const Json& parts = schema["allOf"];
        if (!parts.is_array() || parts.empty()) rejectSchema(path + "/allOf", "expected a list of schemas");
        for (const Json& part : parts) result = combine(result, flatten(part, path, depth + 1, partsLeft), path);
    }
    result = combine(result, own, path);
    return result;
}

Json SchemaDocument::combine(const Json& a, const Json& b, const std::string& path) const {
    if (a.is_boolean()) return a == true ? b : a;
    if (b.is_boolean()) return b == true ? a : b;
    if (!a.is_object() || !b.is_object()) rejectSchema(path, "expected a schema: an object or a boolean");
    Json result = a;
    const auto alternatives = [](const Json& schema) -> const Json* {
        for (const char* key : {"anyOf", "oneOf"}) {
            if (schema.contains(key)) return &schema[key];
        }
        return nullptr;
    };
    for (const auto& [key, value] : b.items()) {
        if (!result.contains(key)) {
            result[key] = value;
        } else if (key == "anyOf" || key == "oneOf" || key == "properties" || key == "additionalProperties" ||
                   key == "required" || isAnnotation(key) || result[key] == value) {
            continue;  // below, or nothing to do
        } else if (key == "type") {
            result[key] = commonTypes(result[key], value);
            if (result[key].empty()) return false;
        } else if (key == "enum" && value.is_array() && result[key].is_array()) {
            result[key] = commonValues(result[key], value);
        } else if (key == "const") {
            return false;
        } else if (isBound(key)) {
            result[key] = stricter(key, result[key], value, path);
        } else if (key == "items") {
            result[key] = allOf(result[key], value);
        } else {
            rejectSchema(path, "two different values of \"" + key + "\" at once are not supported");
        }
    }
    combineObjects(result, a, b, path);

    const Json* left = alternatives(a);
    const Json* right = alternatives(b);
    if (left != nullptr && right != nullptr && *left == *right) {
        result.erase("oneOf");
        result["anyOf"] = *left;
    } else if (left != nullptr && right != nullptr) {
        if (!left->is_array() || !right->is_array()) rejectSchema(path, "\"anyOf\" must be a list of schemas");
        if (left->size() * right->size() > kMaxProducts) {
            rejectSchema(path, "two lists of alternatives at once make more than " + std::to_string(kMaxProducts) +
                                   " combinations");
        }
        Json products = Json::array();
        for (const Json& x : *left) {
            for (const Json& y : *right) products.push_back(allOf(x, y));
        }
        result.erase("oneOf");
        result["anyOf"] = std::move(products);
    }
    return result;
}

}  // namespace step3::sampling::structured
