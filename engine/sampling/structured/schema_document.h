#pragma once

#include <string>
#include <string_view>

#include "engine/json.h"

namespace step3::sampling::structured {

/// Throws Error kInvalidArgument: "json_schema at PATH: WHAT".
[[noreturn]] void rejectSchema(const std::string& path, const std::string& what);

/// `path` with one more step, escaped as in a JSON pointer.
std::string schemaPath(const std::string& path, std::string_view step);

/// True for keywords that say nothing about what is valid (titles, examples, definitions, ...).
bool isAnnotation(std::string_view keyword);

/// A JSON schema with what its parts refer to. `$ref` and "allOf" are dissolved here, by merging what they bring
/// together into one schema.
class SchemaDocument {
public:
    explicit SchemaDocument(Json root) : root_(std::move(root)) {}

    [[nodiscard]] const Json& root() const { return root_; }
    /// What `reference` ("#", "#/$defs/name") refers to; `path` is where it stands. Throws Error kInvalidArgument.
    [[nodiscard]] const Json& resolve(const std::string& reference, const std::string& path) const;
    /// `schema` without "allOf" and without "$ref". Throws Error kInvalidArgument if the parts cannot be brought
    /// together, or refer to each other in a circle.
    [[nodiscard]] Json flatten(const Json& schema, const std::string& path) const;
    /// What is valid for two flat schemas at once.
    [[nodiscard]] Json combine(const Json& a, const Json& b, const std::string& path) const;

private:
    [[nodiscard]] Json flatten(const Json& schema, const std::string& path, int depth, int& partsLeft) const;

    Json root_;
};

}  // namespace step3::sampling::structured
