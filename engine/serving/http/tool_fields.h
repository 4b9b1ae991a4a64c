#pragma once

#include <string>

#include "engine/serving/http/json_fields.h"

namespace step3::serving::http {

/// `tools` of a chat request (spec openai-api section 4): the array of schemas as JSON text, empty if there are none.
/// Throws ApiError.
std::string readTools(const Fields& body);

}  // namespace step3::serving::http
