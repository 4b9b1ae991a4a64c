#pragma once

#include <string>

#include "engine/error.h"
#include "engine/json.h"

namespace step3::text {

/// Throws Error about a field of tokenizer.json.
[[noreturn]] inline void failField(const std::string& file, const std::string& field, const std::string& expected,
                                   const std::string& found, ErrorCode code = ErrorCode::kInvalidData) {
    throw Error(code, file + ": field " + field + ": expected " + expected + ", found " + found);
}

/// A value for an error message, shortened.
inline std::string shownValue(const Json& value) {
    const std::string text = value.dump(-1, ' ', false, Json::error_handler_t::replace);
    return text.size() > 60 ? text.substr(0, 57) + "..." : text;
}

/// A text member of a value that may be no object; empty if there is none.
inline std::string textMember(const Json& value, const char* name) {
    const auto it = value.is_object() ? value.find(name) : value.end();
    return it != value.end() && it->is_string() ? it->get<std::string>() : std::string();
}

}  // namespace step3::text
