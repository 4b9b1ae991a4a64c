#include "engine/serving/http/json_fields.h"

#include <cmath>
#include <limits>

#include "engine/serving/http/api_error.h"
#include "engine/serving/http/json_position.h"

namespace step3::serving::http {

namespace {

ApiError wrongKind(const std::string& param, const char* expected, const Json& found) {
    return schemaError(param + ": expected " + expected + ", found " + kindOf(found), param);
}

}  // namespace

Json parseBody(std::string_view body) {
    if (body.empty()) throw schemaError("expected a JSON object, found an empty body", "body");
    Json document;
    if (const auto defect = readJson(body, document)) {
        switch (defect->kind) {
            case JsonDefect::Kind::kTooDeep:
                throw schemaError("JSON nested deeper than " + std::to_string(kMaxJsonDepth) + " levels", "body");
            case JsonDefect::Kind::kNumberOutOfRange:
                throw schemaError("the body is not valid JSON: a number is out of range", "body");
            case JsonDefect::Kind::kDuplicateMember:
                throw schemaError("the body is not valid JSON: an object names a member twice", "body");
            case JsonDefect::Kind::kSyntax: break;
        }
        const std::string position = std::to_string(jsonErrorPosition(body).value_or(defect->byte - 1));
        throw schemaError("the body is not valid JSON: error at character " + position, "body." + position);
    }
    if (!document.is_object()) {
        throw schemaError(std::string("expected a JSON object, found ") + kindOf(document), "body");
    }
    return document;
}

const char* kindOf(const Json& value) {
    switch (value.type()) {
        case Json::value_t::null: return "null";
        case Json::value_t::object: return "an object";
        case Json::value_t::array: return "an array";
        case Json::value_t::string: return "a string";
        case Json::value_t::boolean: return "a boolean";
        case Json::value_t::number_integer:
        case Json::value_t::number_unsigned: return "an integer";
        case Json::value_t::number_float: return "a number";
        default: return "something else";
    }
}

std::optional<std::int64_t> asInteger(const Json& value) {
    if (value.is_number_unsigned()) {
        const auto number = value.get<std::uint64_t>();
        if (number > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) return std::nullopt;
        return static_cast<std::int64_t>(number);
    }
    if (value.is_number_integer()) return value.get<std::int64_t>();
    if (value.is_number_float()) {
        const auto number = value.get<double>();
        constexpr double kExact = 9007199254740992.0;  // 2^53: beyond it a double is not sure to be what was written
        if (std::abs(number) <= kExact && std::trunc(number) == number) return static_cast<std::int64_t>(number);
    }
    return std::nullopt;
}

const Json* Fields::find(const char* name) const {
    const auto found = object_->find(name);
    return found == object_->end() || found->is_null() ? nullptr : &*found;
}

std::optional<bool> Fields::boolean(const char* name) const {
    const Json* value = find(name);
    if (value == nullptr) return std::nullopt;
    if (!value->is_boolean()) throw wrongKind(pathOf(name), "a boolean", *value);
    return value->get<bool>();
}

std::optional<std::int64_t> Fields::integer(const char* name) const {
    const Json* value = find(name);
    if (value == nullptr) return std::nullopt;
    const auto number = asInteger(*value);
    if (!number) throw wrongKind(pathOf(name), "an integer of 64 bits", *value);
    return number;
}

std::optional<double> Fields::number(const char* name) const {
    const Json* value = find(name);
    if (value == nullptr) return std::nullopt;
    if (!value->is_number()) throw wrongKind(pathOf(name), "a number", *value);
    return value->get<double>();
}

std::optional<std::string> Fields::text(const char* name) const {
    const Json* value = find(name);
    if (value == nullptr) return std::nullopt;
    if (!value->is_string()) throw wrongKind(pathOf(name), "a string", *value);
    return value->get<std::string>();
}

const Json* Fields::array(const char* name) const {
    const Json* value = find(name);
    if (value != nullptr && !value->is_array()) throw wrongKind(pathOf(name), "an array", *value);
    return value;
}

std::optional<Fields> Fields::object(const char* name) const {
    const Json* value = find(name);
    if (value == nullptr) return std::nullopt;
    if (!value->is_object()) throw wrongKind(pathOf(name), "an object", *value);
    return Fields(*value, pathOf(name));
}

std::string Fields::requiredText(const char* name) const {
    auto value = text(name);
    if (!value) throw schemaError(pathOf(name) + ": expected a string, found none", pathOf(name));
    return *std::move(value);
}

}  // namespace step3::serving::http
