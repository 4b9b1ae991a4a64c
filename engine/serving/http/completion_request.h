#pragma once

#include "engine/serving/http/answer.h"
#include "engine/serving/http/json_fields.h"
#include "engine/serving/http/sampling_fields.h"
#include "engine/serving/http/served_model.h"

namespace step3::serving::http {

/// How the client of a completion wants the answer.
struct CompletionOptions {
    std::size_t prompts = 1;
    std::size_t choices = 1;  // of each prompt
    StreamFields stream;
    bool logprobs = false;
    bool tokensAsIds = false;
    bool tokenIds = false;
    bool promptLogprobs = false;    // reported as such
    std::vector<std::string> echo;  // by prompt; empty: none goes before the answers
    bool echoOnly = false;          // max_tokens 0: the answers themselves are left out
};

/// Reads the body of POST /v1/completions (spec openai-api section 7). `clientId`: see prepare(). Throws ApiError.
Ask readCompletion(const Fields& body, const ServedModel& model, const std::string& clientId);

}  // namespace step3::serving::http
