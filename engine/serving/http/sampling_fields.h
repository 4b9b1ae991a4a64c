#pragma once

#include "engine/serving/http/api_error.h"
#include "engine/serving/http/json_fields.h"
#include "engine/serving/http/served_model.h"

namespace step3::serving::http {

/// Sampling fields that chat and completion requests share: the model's defaults, overwritten by what the body says
/// (spec openai-api section 4). `lengthField` is the one that holds the limit of tokens (null: none),
/// `defaultTokens` the limit without it (0: what the context leaves). Throws ApiError.
sampling::SamplingParams readSampling(const Fields& body, const ServedModel& model, const char* lengthField,
                                      std::int32_t defaultTokens = 0);

/// `n`, choices of one prompt. Greedy choices would all be the same: refused if the body asks for them; if only the
/// model's defaults are greedy, several choices are sampled with the API's default temperature, 1.
std::size_t readChoices(const Fields& body, sampling::SamplingParams& sampling);

/// What has to fit into the context: `truncate_prompt_tokens`, and the limit that request.sampling has already. Throws
/// ApiError.
void readLengths(const Fields& body, const ServedModel& model, Request& request);

/// What a request says about its place in the queue and the text of its answer: `priority`, `skip_special_tokens`,
/// `return_token_ids`, `prompt_logprobs`. Throws ApiError.
void readCommon(const Fields& body, Request& request);

/// The id that the answer is to have: `clientId` or, if that is empty, the body's `request_id`; empty: none is given.
std::string readRequestId(const Fields& body, const std::string& clientId);

/// How much the model is to think: none, minimal, low, medium, high, xhigh or max. Throws ApiError.
std::optional<std::string> readEffort(const Fields& fields, const char* name);

struct StreamFields {
    bool stream = false;
    bool includeUsage = false;
    bool continuousUsage = false;
};
StreamFields readStream(const Fields& body);

/// What would change the answer and cannot be done is refused rather than left out silently.
void refuseUnsupported(const Fields& body);

/// A refusal in vLLM's words: "temperature must be in [0, 2], got 2.5. (parameter=temperature, value=2.5)".
ApiError outOfRange(const char* field, const std::string& range, const Json& found, const std::string& param);

inline constexpr std::int64_t kMaxLogprobs = 20;
inline constexpr std::int64_t kMaxChoices = 16384;  // as vLLM

}  // namespace step3::serving::http
