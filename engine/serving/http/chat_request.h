#pragma once

#include <string_view>

#include "engine/engine.h"
#include "engine/serving/http/message_reader.h"

namespace step3::serving::http {

/// The facts about the served model that a request is checked against.
struct ServedModel {
    std::string name;
    std::int64_t maxContext = 0;  // tokens
    std::int64_t vocabSize = 0;
    sampling::SamplingParams defaults;
    PictureLimits pictures;
};

/// A checked chat request: what the engine gets, and how the client wants the answer.
struct ChatRequest {
    Request request;
    bool stream = false;
    bool includeUsage = false;
    bool continuousUsage = false;
    bool includeReasoning = true;
    bool parallelToolCalls = true;
    bool logprobs = false;  // `request.topLogprobs` may be on only to count tokens
};

/// Reads the body of POST /v1/chat/completions (spec openai-api section 4). Decodes pictures: not for a network thread.
/// Throws ApiError.
ChatRequest parseChatRequest(std::string_view body, const ServedModel& model);

}  // namespace step3::serving::http
