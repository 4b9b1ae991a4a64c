#pragma once

#include <algorithm>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "engine/serving/scheduler.h"
#include "tests/serving/fakes.h"

/// A scheduler over a made-up model of letters.
namespace step3::serving::testing {

// Vocabulary: 26 letters, then the tokens below.
inline constexpr std::int32_t kEos = 26, kPatch = 27, kPoison = 28, kCloseThink = 29, kVocab = 30;

inline std::shared_ptr<const FakeTokenizer> letters() {
    std::vector<std::string> tokens;
    for (char c = 'a'; c <= 'z'; ++c) tokens.emplace_back(1, c);
    tokens.insert(tokens.end(), {"<eos>", "<im_patch>", "<poison>", "</think>"});
    return std::make_shared<const FakeTokenizer>(tokens, std::set<text::TokenId>{kEos, kPatch, kPoison});
}

/// Answers with the alphabet: after letter n comes n + 1, after z the end.
inline std::int32_t alphabet(const FakePipeline::History& history) {
    return history.back() >= 25 ? kEos : history.back() + 1;
}

/// Always the same letter, for ever.
inline std::int32_t sameAgain(const FakePipeline::History& history) {
    return history.front() % 26;
}

struct Limits {
    std::int64_t maxPositions = 1000, kvTokens = 1000, kvPageTokens = 1;
    std::int32_t maxRunning = 32, maxWaiting = 256, prefillChunk = 256;
    std::uint64_t imageCacheBytes = 0;
    bool prefixCache = false;
};

struct Machine {
    explicit Machine(FakePipeline::Next next = alphabet, Limits limits = {},
                     const std::function<void(FakePipeline&)>& setUp = {},
                     std::function<std::vector<float>(const image::Image&)> encode = {}) {
        auto pipeline = std::make_unique<FakePipeline>(kVocab, std::move(next), limits.kvTokens, limits.kvPageTokens);
        if (setUp) setUp(*pipeline);
        SchedulerModel model{std::move(pipeline), std::move(encode), letters(), {kEos}, 1, kVocab};
        SchedulerLimits own;
        own.maxPositions = limits.maxPositions;
        own.maxRunning = limits.maxRunning;
        own.maxWaiting = limits.maxWaiting;
        own.prefillChunk = limits.prefillChunk;
        own.imageCacheBytes = limits.imageCacheBytes;
        own.prefixCache = limits.prefixCache;
        scheduler = std::make_unique<Scheduler>(std::move(model), own);
    }
    RequestId submit(const std::string& prompt, const Request& request = {},
                     std::function<void(const Event&)> onEvent = {}) {
        Prompt built;
        built.tokens.ids = letters()->encode(prompt);
        return scheduler->submit(std::move(built), request, log.sink(std::move(onEvent)));
    }

    EventLog log;
    std::unique_ptr<Scheduler> scheduler;  // ends before the log does
};

inline Request limited(std::int32_t maxTokens) {
    Request request;
    request.sampling.maxTokens = maxTokens;
    return request;
}

}  // namespace step3::serving::testing
