#pragma once

#include "engine/serving/http/answer.h"
#include "engine/serving/http/json_fields.h"
#include "engine/serving/http/sampling_fields.h"
#include "engine/serving/http/served_model.h"

namespace step3::serving::http {

/// How the client of a chat request wants the answer.
struct ChatOptions {
    std::size_t choices = 1;
    StreamFields stream;
    bool includeReasoning = true;
    bool parallelToolCalls = true;
    bool namedTool = false;  // a call that was asked for by name ends the answer with "stop"
    bool logprobs = false;   // the engine may report them only to count tokens
    bool tokensAsIds = false;
    bool tokenIds = false;
    bool promptIds = false;
    bool promptLogprobs = false;
    std::string echo;  // goes before the answer
};

/// Reads the body of POST /v1/chat/completions (spec openai-api section 4). `clientId`: see prepare(). Decodes
/// pictures. Throws ApiError.
Ask readChat(const Fields& body, const ServedModel& model, const std::string& clientId);

/// Fields of the chat template: how much is thought, and where the prompt ends. Throws ApiError.
void readTemplate(const Fields& body, Request& request);

}  // namespace step3::serving::http
