#include <limits>

#include <catch2/catch.hpp>

#include "engine/error.h"
#include "engine/sampling/sampler.h"

using step3::Error;
using step3::ErrorCode;
using step3::sampling::SamplingParams;
using step3::sampling::validate;

namespace {

constexpr std::int64_t kVocab = 100;

/// The message of the error, or "" if the parameters are accepted.
template <typename Change>
std::string verdict(Change change) {
    SamplingParams params;
    change(params);
    try {
        validate(params, kVocab);
    } catch (const Error& error) {
        CHECK(error.code() == ErrorCode::kInvalidArgument);
        return error.what();
    }
    return "";
}

}  // namespace

TEST_CASE("every limit is inclusive or exclusive as the API says") {
    const float nan = std::numeric_limits<float>::quiet_NaN();
    CHECK(verdict([](SamplingParams&) {}).empty());
    CHECK(verdict([](auto& p) { p.temperature = 2.0F; }).empty());
    CHECK(verdict([](auto& p) { p.temperature = 2.5F; }) == "temperature must be in [0, 2], got 2.5");
    CHECK(verdict([](auto& p) { p.temperature = -1.0F; }) == "temperature must be in [0, 2], got -1");
    CHECK(verdict([&](auto& p) { p.temperature = nan; }) == "temperature must be in [0, 2], got nan");
    CHECK(verdict([](auto& p) { p.topP = 0.0F; }) == "top_p must be in (0, 1], got 0");
    CHECK(verdict([](auto& p) { p.topP = 1.5F; }) == "top_p must be in (0, 1], got 1.5");
    CHECK(verdict([](auto& p) { p.topK = -1; }).empty());
    CHECK(verdict([](auto& p) { p.topK = -2; }) == "top_k must be -1 or 0 (off), or at least 1, got -2");
    CHECK(verdict([](auto& p) { p.minP = 1.0F; }).empty());
    CHECK(verdict([](auto& p) { p.minP = 1.1F; }) == "min_p must be in [0, 1], got 1.1");
    CHECK(verdict([](auto& p) { p.repetitionPenalty = 0.0F; }) == "repetition_penalty must be greater than 0, got 0");
    CHECK(verdict([](auto& p) { p.repetitionPenalty = std::numeric_limits<float>::infinity(); }) ==
          "repetition_penalty must be greater than 0, got inf");
    CHECK(verdict([](auto& p) { p.presencePenalty = -2.0F; }).empty());
    CHECK(verdict([](auto& p) { p.presencePenalty = 2.25F; }) == "presence_penalty must be in [-2, 2], got 2.25");
    CHECK(verdict([](auto& p) { p.frequencyPenalty = -3.0F; }) == "frequency_penalty must be in [-2, 2], got -3");
}

TEST_CASE("token counts") {
    CHECK(verdict([](auto& p) { p.maxTokens = -1; }) == "max_tokens must be at least 1, or 0 for no limit, got -1");
    CHECK(verdict([](auto& p) { p.minTokens = -1; }) == "min_tokens must be at least 0, got -1");
    CHECK(verdict([](auto& p) { p.minTokens = 5; }).empty());
    CHECK(verdict([](auto& p) { p.minTokens = p.maxTokens = 5; }).empty());
    CHECK(verdict([](auto& p) {
              p.minTokens = 6;
              p.maxTokens = 5;
          }) == "min_tokens must be at most max_tokens = 5, got 6");
}

TEST_CASE("token ids lie in the vocabulary") {
    CHECK(verdict([](auto& p) { p.stopTokenIds = {0, 99}; }).empty());
    CHECK(verdict([](auto& p) {
              p.allowedTokenIds = {3, -1};
          }) == "allowed_token_ids must be a token id in [0, 99], got -1");
    CHECK(verdict([](auto& p) { p.badWords = {""}; }) ==
          "bad_words must be without empty strings, got an empty string");
    CHECK(verdict([](auto& p) { p.badWords.assign(129, "a"); }) == "bad_words must be at most 128 strings, got 129");
    CHECK(verdict([](auto& p) { p.stopTokenIds = {100}; }) == "stop_token_ids must be a token id in [0, 99], got 100");
    CHECK(verdict([](auto& p) { p.logitBias = {{-1, 1.0F}}; }) == "logit_bias must be a token id in [0, 99], got -1");
    CHECK(verdict([](auto& p) { p.logitBias = {{1, 100.5F}}; }) == "logit_bias must be in [-100, 100], got 100.5");
}

TEST_CASE("stop strings") {
    CHECK(verdict([](auto& p) { p.stop = {"a", "b", "c", "d"}; }).empty());
    CHECK(verdict([](auto& p) { p.stop = {"a", "b", "c", "d", "e"}; }) == "stop must be at most 4 strings, got 5");
    CHECK(verdict([](auto& p) { p.stop = {"a", ""}; }) == "stop must be without empty strings, got an empty string");
}
