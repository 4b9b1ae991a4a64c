#pragma once

#include "app/cli/model_bench.h"
#include "engine/draft_options.h"
#include "engine/json.h"

namespace step3::cli {

inline constexpr std::int64_t kDraftBenchTokens = 128;

/// Opens the model several times, without drafts and with those of `draft` in turn, and has it answer the same prompts
/// one after another, greedily, with at most `options.decode` tokens each (0: kDraftBenchTokens): questions and a text
/// that repeats itself. Speeds are of the tokens after each answer's first; per second of CPU time the prompts are part
/// of them. Fields: `plain_tokens_per_s` and `draft_tokens_per_s`, both also with `_cpu`, `draft_method`,
/// `draft_acceptance` (of the tokens drafted; null if none were), `draft_tokens_per_step`, and the same for the
/// repetitive text alone with `repeat_` before the name. Throws Error, kInternal if an answer differs.
Json benchDrafts(const ModelBenchOptions& options, const DraftOptions& draft);

}  // namespace step3::cli
