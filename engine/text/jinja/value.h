#pragma once

#include <map>
#include <memory>
#include <string>

#include "engine/text/jinja/ast.h"

namespace step3::text::jinja {

/// A value while a template runs: JSON data, or one of the things JSON has no word for.
struct Value {
    enum class Kind { kUndefined, kData, kMacro, kNamespace, kMethod };
    Kind kind = Kind::kUndefined;
    Json data;                         // kData
    const Statement* macro = nullptr;  // kMacro
    std::shared_ptr<Json> space;       // kNamespace: its attributes
    std::string name;                  // kUndefined: what was looked up; kMethod: its name (the object is in `data`)

    Value() = default;
    explicit Value(Json value) : kind(Kind::kData), data(std::move(value)) {}
    static Value undefined(std::string what) {
        Value value;
        value.name = std::move(what);
        return value;
    }
    [[nodiscard]] bool isData() const { return kind == Kind::kData; }
};

/// Longest text a filter or operator makes, in bytes.
inline constexpr std::size_t kMaxText = 16U << 20;
/// Deepest nesting of a value.
inline constexpr int kMaxNesting = 100;

/// About the memory a value takes, in bytes; -1 if it nests deeper than kMaxNesting.
std::int64_t weight(const Json& value);

/// Jinja's truth of a value.
bool truthy(const Value& value);
/// Text as Jinja prints it (None, True, 1.0, lists as Python writes them).
std::string text(const Value& value);
std::string text(const Json& value);
/// Name of a type for errors.
std::string typeName(const Value& value);
/// Characters (not bytes) of a UTF-8 text.
std::vector<std::string> characters(const std::string& text);

/// Named and positional arguments of a call.
struct Arguments {
    std::vector<Value> positional;
    std::map<std::string, Value> named;
    /// Argument `index` or by its name; undefined if neither is given.
    [[nodiscard]] Value get(std::size_t index, const std::string& name) const;
};

/// Throws Error "chat template, line N: what".
[[noreturn]] void raise(int line, const std::string& what);
[[noreturn]] void unsupported(int line, const std::string& what);

/// value | name(arguments). `unknown` names are refused.
Value applyFilter(const std::string& name, const Value& value, const Arguments& arguments, int line);
/// value is name(arguments)
bool applyTest(const std::string& name, const Value& value, const Arguments& arguments, int line);
/// object.name(arguments) of strings, lists and mappings.
Value callMethod(const std::string& name, const Json& object, const Arguments& arguments, int line);
bool isMethod(const std::string& name, const Json& object);
/// left op right for every binary operator but and/or.
Value binaryOperation(const std::string& op, const Value& left, const Value& right, int line);

}  // namespace step3::text::jinja
