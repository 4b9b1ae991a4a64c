#pragma once

#include <string>

#include "engine/serving/http/answer.h"
#include "engine/serving/http/json_fields.h"
#include "engine/serving/http/served_model.h"

namespace step3::serving::http {

/// How the client of a response wants the answer.
struct ResponseOptions {
    bool stream = false;
    bool parallelToolCalls = true;
    bool logprobs = false;
    Json echoed;  // fields of the answer that repeat the request
};

/// Reads the body of POST /v1/responses (spec openai-api section 2): text, pictures, functions and reasoning; nothing
/// is stored. Decodes pictures. Throws ApiError.
Ask readResponse(const Fields& body, const ServedModel& model);

/// No response is kept, so none is found again.
ApiError unknownResponse(const std::string& id, const std::string& param);

}  // namespace step3::serving::http
