#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/image/image.h"
#include "engine/json.h"

namespace step3::cli {

// Fields of the input of `step3 debug`. All throw Error kInvalidData naming the field, what was expected and what was
// found; `where` is the path of the object, "" for the input itself, e.g. "requests[2]".

const Json& requiredField(const Json& object, const std::string& name, const std::string& where = "");
const Json& requiredArray(const Json& object, const std::string& name, const std::string& where = "");
std::vector<std::string> requiredStrings(const Json& object, const std::string& name, const std::string& where = "");
/// An integer in [low, high].
std::int64_t integerIn(const Json& value, std::int64_t low, std::int64_t high, const std::string& what);
/// The field's boolean, or `otherwise` if it is absent or null.
bool optionalBool(const Json& object, const std::string& name, bool otherwise, const std::string& where = "");
/// The field's array, or null if it is absent or null.
Json optionalArray(const Json& object, const std::string& name, const std::string& where = "");
/// The checked `messages` of a case or request: an array of objects with a text `role`.
const Json& requiredMessages(const Json& object, const std::string& where);

std::string indexed(const std::string& name, std::size_t index);  // "cases[3]"

}  // namespace step3::cli
