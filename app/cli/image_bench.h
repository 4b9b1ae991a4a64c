#pragma once

#include "app/cli/model_bench.h"

namespace step3::cli {

/// Opens the model as a user's programs do and asks about one picture, drawn here, of an everyday size: `open_s`,
/// `image_first_token_s` from asking to the first token with nothing cached, `image_tokens`. Then about another picture
/// in a conversation of about 1,500 tokens: `first_turn_first_token_s`, `second_turn_first_token_s` and how many tokens
/// of the second turn came from the prefix cache. Throws Error, also for a model without a vision encoder.
Json benchImage(const ModelBenchOptions& run);

}  // namespace step3::cli
