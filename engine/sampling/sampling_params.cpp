#include <cmath>
#include <cstdio>

#include "engine/error.h"
#include "engine/sampling/sampler.h"

namespace step3::sampling {

namespace {

/// Shortest usual form: 2.5, not 2.500000.
std::string numberText(double value) {
    char buffer[32];
    std::snprintf(buffer, sizeof buffer, "%.7g", value);
    return buffer;
}

[[noreturn]] void reject(const std::string& field, const std::string& range, const std::string& found) {
    throw Error(ErrorCode::kInvalidArgument, field + " must be " + range + ", got " + found);
}

/// `ok` is written as the condition that holds, so that NaN, for which no comparison holds, is rejected.
void require(bool ok, const char* field, const char* range, float found) {
    if (!ok) reject(field, range, numberText(found));
}

void requireToken(const char* field, std::int32_t id, std::int64_t vocabSize) {
    if (id < 0 || id >= vocabSize) {
        reject(field, "a token id in [0, " + std::to_string(vocabSize - 1) + "]", std::to_string(id));
    }
}

}  // namespace

void validate(const SamplingParams& params, std::int64_t vocabSize) {
    const SamplingParams& p = params;
    require(p.temperature >= 0.0F && p.temperature <= 2.0F, "temperature", "in [0, 2]", p.temperature);
    require(p.topP > 0.0F && p.topP <= 1.0F, "top_p", "in (0, 1]", p.topP);
    if (p.topK < -1) reject("top_k", "-1 or 0 (off), or at least 1", std::to_string(p.topK));
    require(p.minP >= 0.0F && p.minP <= 1.0F, "min_p", "in [0, 1]", p.minP);
    require(p.repetitionPenalty > 0.0F && std::isfinite(p.repetitionPenalty), "repetition_penalty", "greater than 0",
            p.repetitionPenalty);
    require(p.presencePenalty >= -2.0F && p.presencePenalty <= 2.0F, "presence_penalty", "in [-2, 2]",
            p.presencePenalty);
    require(p.frequencyPenalty >= -2.0F && p.frequencyPenalty <= 2.0F, "frequency_penalty", "in [-2, 2]",
            p.frequencyPenalty);
    for (const auto& [id, bias] : p.logitBias) {
        requireToken("logit_bias", id, vocabSize);
        require(bias >= -100.0F && bias <= 100.0F, "logit_bias", "in [-100, 100]", bias);
    }
    for (const std::int32_t id : p.allowedTokenIds) requireToken("allowed_token_ids", id, vocabSize);
    if (p.badWords.size() > kMaxBadWords) {
        reject("bad_words", "at most " + std::to_string(kMaxBadWords) + " strings", std::to_string(p.badWords.size()));
    }
    for (const std::string& word : p.badWords) {
        if (word.empty()) reject("bad_words", "without empty strings", "an empty string");
    }
    if (p.maxTokens < 0) reject("max_tokens", "at least 1, or 0 for no limit", std::to_string(p.maxTokens));
    if (p.minTokens < 0) reject("min_tokens", "at least 0", std::to_string(p.minTokens));
    if (p.maxTokens > 0 && p.minTokens > p.maxTokens) {
        reject("min_tokens", "at most max_tokens = " + std::to_string(p.maxTokens), std::to_string(p.minTokens));
    }
    if (p.stop.size() > kMaxStopStrings) {
        reject("stop", "at most " + std::to_string(kMaxStopStrings) + " strings", std::to_string(p.stop.size()));
    }
    for (const std::string& stop : p.stop) {
        if (stop.empty()) reject("stop", "without empty strings", "an empty string");
    }
    for (const std::int32_t id : p.stopTokenIds) requireToken("stop_token_ids", id, vocabSize);
}

}  // namespace step3::sampling
