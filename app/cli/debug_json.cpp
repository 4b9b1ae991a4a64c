#include "app/cli/debug_json.h"

#include "engine/error.h"

namespace step3::cli {

namespace {

std::string path(const std::string& where, const std::string& name) {
    return where.empty() ? name : where + "." + name;
}

[[noreturn]] void mismatch(const std::string& what, const std::string& expected, const Json& found) {
    throw Error(ErrorCode::kInvalidData,
                "input: " + what + ": expected " + expected + ", found a JSON " + found.type_name());
}

}  // namespace

std::string indexed(const std::string& name, std::size_t index) {
    return name + "[" + std::to_string(index) + "]";
}

const Json& requiredField(const Json& object, const std::string& name, const std::string& where) {
    if (!object.is_object()) mismatch(where.empty() ? "top level" : where, "an object", object);
    const auto found = object.find(name);
    if (found == object.end())
        throw Error(ErrorCode::kInvalidData, "input: the field " + path(where, name) + " is missing");
    return *found;
}

const Json& requiredArray(const Json& object, const std::string& name, const std::string& where) {
    const Json& value = requiredField(object, name, where);
    if (!value.is_array()) mismatch(path(where, name), "an array", value);
    return value;
}

std::vector<std::string> requiredStrings(const Json& object, const std::string& name, const std::string& where) {
    const Json& array = requiredArray(object, name, where);
    std::vector<std::string> strings;
    for (std::size_t i = 0; i < array.size(); ++i) {
        if (!array[i].is_string()) mismatch(indexed(path(where, name), i), "a text", array[i]);
        strings.push_back(array[i].get<std::string>());
    }
    return strings;
}

std::int64_t integerIn(const Json& value, std::int64_t low, std::int64_t high, const std::string& what) {
    if (!value.is_number_integer()) mismatch(what, "an integer", value);
    const bool fits =
        !value.is_number_unsigned() || value.get<std::uint64_t>() <= static_cast<std::uint64_t>(INT64_MAX);
    const std::int64_t number = fits ? value.get<std::int64_t>() : 0;
    if (!fits || number < low || number > high) {
        throw Error(ErrorCode::kInvalidData, "input: " + what + ": expected an integer in [" + std::to_string(low) +
                                                 ", " + std::to_string(high) + "], found " + value.dump());
    }
    return number;
}

bool optionalBool(const Json& object, const std::string& name, bool otherwise, const std::string& where) {
    const auto found = object.find(name);
    if (found == object.end() || found->is_null()) return otherwise;
    if (!found->is_boolean()) mismatch(path(where, name), "true or false", *found);
    return found->get<bool>();
}

Json optionalArray(const Json& object, const std::string& name, const std::string& where) {
    const auto found = object.find(name);
    if (found == object.end() || found->is_null()) return nullptr;
    if (!found->is_array()) mismatch(path(where, name), "an array", *found);
    return *found;
}

const Json& requiredMessages(const Json& object, const std::string& where) {
    const Json& messages = requiredArray(object, "messages", where);
    for (std::size_t i = 0; i < messages.size(); ++i) {
        const std::string name = indexed(path(where, "messages"), i);
        const Json& role = requiredField(messages[i], "role", name);
        if (!role.is_string()) mismatch(name + ".role", "a text", role);
    }
    return messages;
}

}  // namespace step3::cli
