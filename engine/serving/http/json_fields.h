#pragma once

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>

#include "engine/json.h"

namespace step3::serving::http {

/// The body as a JSON object; depth is bounded. Throws ApiError as spec openai-api section 6, row one.
Json parseBody(std::string_view body);

/// Reads fields of one JSON object with checked types. A field that is null counts as absent; `path` ("body") and the
/// name make the `param` of errors ("body.stop"). All throw ApiError of type "Bad Request".
class Fields {
public:
    Fields(const Json& object, std::string path) : object_(&object), path_(std::move(path)) {}

    /// Null if absent.
    [[nodiscard]] const Json* find(const char* name) const;
    [[nodiscard]] std::optional<bool> boolean(const char* name) const;
    [[nodiscard]] std::optional<std::int64_t> integer(const char* name) const;
    [[nodiscard]] std::optional<double> number(const char* name) const;
    [[nodiscard]] std::optional<std::string> text(const char* name) const;
    [[nodiscard]] const Json* array(const char* name) const;
    [[nodiscard]] std::optional<Fields> object(const char* name) const;
    /// The field must be there and be a text.
    [[nodiscard]] std::string requiredText(const char* name) const;

    [[nodiscard]] const Json& json() const { return *object_; }
    [[nodiscard]] std::string pathOf(const char* name) const { return path_ + "." + name; }

private:
    const Json* object_;
    std::string path_;
};

/// An int64 written as an integer or as a float without a fraction; absent if `value` is neither.
std::optional<std::int64_t> asInteger(const Json& value);
/// "a number", "an object", ... for messages.
const char* kindOf(const Json& value);

}  // namespace step3::serving::http
