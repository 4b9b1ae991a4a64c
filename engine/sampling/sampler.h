#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "engine/sampling/token_mask.h"

namespace step3::sampling {

/// How the next token is drawn. The order is vLLM's: penalties, bias, temperature, then top-k, top-p and min-p, each
/// over what the one before it left.
struct SamplingParams {
    float temperature = 0.0F;  // below 1e-5: greedy
    std::int32_t topK = 0;     // 0 or -1: off
    float topP = 1.0F;
    float minP = 0.0F;
    float repetitionPenalty = 1.0F;  // over prompt and output
    float presencePenalty = 0.0F;    // over output
    float frequencyPenalty = 0.0F;   // over output
    std::map<std::int32_t, float> logitBias;
    std::vector<std::int32_t> allowedTokenIds;  // no others; empty: all
    std::vector<std::string> badWords;          // at most kMaxBadWords, none empty (bad_words.h)
    std::optional<std::uint64_t> seed;          // same seed, same text
    std::int32_t maxTokens = 0;                 // an upper bound; 0: as many as the context holds
    std::int32_t minTokens = 0;                 // no stop token and no stop string before these
    std::vector<std::string> stop;              // at most kMaxStopStrings, none empty
    std::vector<std::int32_t> stopTokenIds;
    bool includeStopString = false;  // the stop string that matched stays in the text
    bool ignoreEos = false;
};

inline constexpr std::size_t kMaxStopStrings = 4;  // as the OpenAI API
inline constexpr std::size_t kMaxBadWords = 128;   // as vLLM
inline constexpr float kGreedyBelow = 1e-5F;       // temperature

/// Throws Error kInvalidArgument naming the field, its range and the value found (ranges: spec openai-api section 4).
void validate(const SamplingParams& params, std::int64_t vocabSize);

/// Draws the tokens of one request. Keeps its own random state and counts.
class Sampler {
public:
    Sampler(const SamplingParams& params, std::span<const std::int32_t> prompt, std::int64_t vocabSize);
    /// `logits` [V] is modified. `banned` ids (e.g. EOS below minTokens) and ids that are not in `allowed`, if given,
    /// get -infinity before temperature and all that follows, and so do those that the parameters do not allow. Of
    /// equal logits the lowest id comes first. Throws Error kInternal if a logit is NaN or +infinity, kInvalidArgument
    /// if no token is left.
    std::int32_t sample(std::span<float> logits, std::span<const std::int32_t> banned = {},
                        const TokenMask* allowed = nullptr);

private:
    void applyPenalties(std::span<float> logits) const;
    /// `top` is the highest of the logits.
    [[nodiscard]] std::int32_t draw(std::span<const float> logits, float top);
    [[nodiscard]] std::int32_t drawFromAll();
    [[nodiscard]] std::int32_t drawFromLikeliest(std::span<const float> logits);
    /// Uniform in [0, 1), the same on every platform.
    double uniform() { return static_cast<double>(random_() >> 11U) * 0x1p-53; }

    SamplingParams params_;
    std::int64_t vocabSize_;
    std::vector<std::int32_t> promptIds_;  // distinct, sorted; only if repetitionPenalty != 1
    std::map<std::int32_t, std::int32_t> outputCounts_;
    std::optional<TokenMask> allowed_;  // params_.allowedTokenIds
    std::mt19937_64 random_;
    std::vector<float> weights_;  // [V] of the tokens in a draw, the likeliest has 1
};

}  // namespace step3::sampling
