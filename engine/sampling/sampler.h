#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <random>
#include <span>
#include <string>
#include <vector>

namespace step3::sampling {

struct SamplingParams {
    float temperature = 0.0F;  // below 1e-5: greedy
    std::int32_t topK = 0;     // 0 or -1: off
    float topP = 1.0F;
    float minP = 0.0F;
    float repetitionPenalty = 1.0F;  // over prompt and output
    float presencePenalty = 0.0F;    // over output
    float frequencyPenalty = 0.0F;   // over output
    std::map<std::int32_t, float> logitBias;
    std::optional<std::uint64_t> seed;  // same seed, same text
    std::int32_t maxTokens = 0;         // 0: as many as the context holds
    std::int32_t minTokens = 0;
    std::vector<std::string> stop;
    std::vector<std::int32_t> stopTokenIds;
    bool ignoreEos = false;
};

/// Throws Error kInvalidArgument naming the field, its range and the value found.
void validate(const SamplingParams& params, std::int64_t vocabSize);

/// Draws the tokens of one request. Keeps its own random state and counts.
class Sampler {
public:
    Sampler(const SamplingParams& params, std::span<const std::int32_t> prompt, std::int64_t vocabSize);
    /// `logits` [V] is modified. `banned` ids (e.g. EOS below minTokens) get -infinity.
    std::int32_t sample(std::span<float> logits, std::span<const std::int32_t> banned = {});

private:
    SamplingParams params_;
    std::vector<std::uint8_t> inPrompt_;       // [V] only if repetitionPenalty != 1
    std::map<std::int32_t, std::int32_t> outputCounts_;
    std::mt19937_64 random_;
};

}  // namespace step3::sampling
