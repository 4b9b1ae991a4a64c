#pragma once

#include "engine/json.h"

namespace step3::serving::http {

/// The document of GET /openapi.json (OpenAPI 3.1): every route of this server with its fields, answers and errors.
const Json& openApi();

}  // namespace step3::serving::http
