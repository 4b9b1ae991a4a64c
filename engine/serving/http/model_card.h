#pragma once

#include "engine/json.h"
#include "engine/serving/http/chat_request.h"

namespace step3::serving::http {

/// One entry of GET /v1/models, and GET /v1/models/{id} (spec openai-api section 7).
Json modelCard(const ServedModel& model, std::int64_t created);
Json modelList(const ServedModel& model, std::int64_t created);

}  // namespace step3::serving::http
