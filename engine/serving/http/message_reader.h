#pragma once

#include <vector>

#include "engine/engine.h"
#include "engine/serving/http/json_fields.h"
#include "engine/serving/http/served_model.h"

namespace step3::serving::http {

/// The `messages` of a chat request (spec openai-api section 4); pictures are decoded. Throws ApiError.
std::vector<Message> readMessages(const Fields& body, const ServedModel& model);

}  // namespace step3::serving::http
