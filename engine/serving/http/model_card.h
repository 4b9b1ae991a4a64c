#pragma once

#include "engine/json.h"
#include "engine/serving/http/served_model.h"

namespace step3::serving::http {

/// One entry of GET /v1/models, and GET /v1/models/{id} (spec openai-api section 7).
Json modelCard(const ServedModel& model);
Json modelList(const ServedModel& model);

}  // namespace step3::serving::http
