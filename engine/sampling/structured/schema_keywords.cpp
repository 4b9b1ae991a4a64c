// What a schema may hold, and its simple values.

#include <algorithm>
#include <array>
#include <cmath>

#include "engine/error.h"
#include "engine/sampling/structured/json_schema.h"

namespace step3::sampling::structured {

namespace {

constexpr int kMaxDepth = 64;
constexpr std::size_t kMaxText = 256U << 10U;

struct Keyword {
    std::string_view name;
    std::string_view type;  // what it is about; empty: anything
};
constexpr std::array<Keyword, 22> kSupported{{{"$ref", ""},
                                              {"allOf", ""},
                                              {"anyOf", ""},
                                              {"oneOf", ""},
                                              {"enum", ""},
                                              {"const", ""},
                                              {"type", ""},
                                              {"properties", "object"},
                                              {"required", "object"},
                                              {"additionalProperties", "object"},
                                              {"items", "array"},
                                              {"prefixItems", "array"},
                                              {"minItems", "array"},
                                              {"maxItems", "array"},
                                              {"minLength", "string"},
                                              {"maxLength", "string"},
                                              {"pattern", "string"},
                                              {"format", "string"},
                                              {"minimum", "number"},
                                              {"maximum", "number"},
                                              {"exclusiveMinimum", "number"},
                                              {"exclusiveMaximum", "number"}}};

const Keyword* find(std::string_view name) {
    const auto found =
        std::find_if(kSupported.begin(), kSupported.end(), [&](const Keyword& k) { return k.name == name; });
    return found == kSupported.end() ? nullptr : found;
}

}  // namespace

Json parseSchema(const std::string& text) {
    if (text.size() > kMaxText) rejectSchema("#", "longer than " + std::to_string(kMaxText >> 10U) + " KiB");
    try {
        return Json::parse(text, [&](int depth, Json::parse_event_t, Json&) {
            if (depth > kMaxDepth) {
                rejectSchema("#", "must not be nested deeper than " + std::to_string(kMaxDepth) + " levels");
            }
            return true;
        });
    } catch (const Json::parse_error& error) {
        rejectSchema("#", "expected JSON, found a syntax error at byte " + std::to_string(error.byte));
    } catch (const Json::exception&) {
        rejectSchema("#", "expected JSON, found a number that is too large");
    }
}

void refuseUnknownKeywords(const Json& schema, const std::string& path) {
    for (const auto& [name, value] : schema.items()) {
        if (isAnnotation(name)) continue;
        // Keywords that say nothing with this value.
        if ((name == "uniqueItems" || name == "nullable") && value == false) continue;
        if (name == "minProperties" && value == 0) continue;
        if (find(name) == nullptr) rejectSchema(path, "\"" + name + "\" is not supported");
    }
}

std::vector<std::string> schemaTypes(const Json& schema, const std::string& path) {
    constexpr std::array<std::string_view, 7> kTypes{"object",  "array",   "string", "number",
                                                     "integer", "boolean", "null"};
    std::vector<std::string> types;
    const auto add = [&](const Json& type) {
        if (!type.is_string() ||
            std::find(kTypes.begin(), kTypes.end(), type.get_ref<const std::string&>()) == kTypes.end()) {
            rejectSchema(path + "/type",
                         "expected object, array, string, number, integer, boolean or null, or a list of these");
        }
        if (std::find(types.begin(), types.end(), type) == types.end()) types.push_back(type.get<std::string>());
    };
    if (schema.contains("type")) {
        const Json& type = schema["type"];
        if (type.is_array() && !type.empty()) {
            for (const Json& item : type) add(item);
        } else {
            add(type);
        }
        return types;
    }
    for (const auto& [name, value] : schema.items()) {
        const Keyword* keyword = find(name);
        if (keyword != nullptr && !keyword->type.empty()) add(std::string(keyword->type));
    }
    return types;
}

std::uint32_t schemaCount(const Json& schema, const char* keyword, std::uint32_t otherwise, const std::string& path) {
    if (!schema.contains(keyword)) return otherwise;
    const Json& value = schema[keyword];
    const bool whole = value.is_number_integer() ||
                       (value.is_number_float() && value.get<double>() == std::floor(value.get<double>()));
    if (!whole || value.get<double>() < 0) {
        rejectSchema(schemaPath(path, keyword), "expected a whole number of at least 0");
    }
    if (value.get<double>() > GrammarLimits::kRepetitions) {
        rejectSchema(schemaPath(path, keyword),
                     "more than " + std::to_string(GrammarLimits::kRepetitions) + " is not supported");
    }
    return static_cast<std::uint32_t>(value.get<double>());
}

}  // namespace step3::sampling::structured
