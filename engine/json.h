#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

namespace step3 {

/// JSON with the members of an object in the order they were written: chat templates render tool schemas in that order.
using Json = nlohmann::ordered_json;

/// Nothing honest nests deeper; copying and writing a value takes stack for every level.
inline constexpr std::size_t kMaxJsonDepth = 64;

/// Why a text is not JSON that this program reads.
struct JsonDefect {
    enum class Kind { kSyntax, kTooDeep, kNumberOutOfRange, kDuplicateMember };
    Kind kind;
    std::size_t byte;    // where it was noticed, from 1
    std::string member;  // the name that an object has twice
};

/// Reads JSON in time linear in its length into `value`; nothing if that went well.
std::optional<JsonDefect> readJson(std::string_view text, Json& value);

/// Reads JSON. Throws Error kInvalidData "`name`: expected JSON, found ...".
Json parseJson(std::string_view text, const std::string& name);

}  // namespace step3
