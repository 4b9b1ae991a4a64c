#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace step3::sampling {

struct Logprob {
    std::int32_t id = -1;
    float logprob = 0.0F;   // natural logarithm, at least kLogprobFloor
    std::int32_t rank = 0;  // 1 for the likeliest; equal logits share the rank of the first of them
};

inline constexpr float kLogprobFloor = -9999.0F;  // JSON has no infinity (spec openai-api section 4)

/// Log-probability of `id` under softmax(logits [V]) first, then the `top` likeliest tokens, likeliest first.
std::vector<Logprob> logprobs(std::span<const float> logits, std::int32_t id, std::size_t top);

}  // namespace step3::sampling
