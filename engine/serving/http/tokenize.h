#pragma once

#include "engine/serving/http/json_fields.h"
#include "engine/serving/http/served_model.h"

namespace step3::serving::http {

/// The answers of POST /tokenize and POST /detokenize (spec openai-api section 7). Throw ApiError.
Json tokenize(const Fields& body, const ServedModel& model);
Json detokenize(const Fields& body, const ServedModel& model);

}  // namespace step3::serving::http
