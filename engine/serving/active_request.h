#pragma once

#include <atomic>
#include <memory>
#include <vector>

#include "engine/afd/pipeline.h"
#include "engine/engine.h"
#include "engine/sampling/sampler.h"
#include "engine/serving/answer_stream.h"
#include "engine/serving/image_cache.h"
#include "engine/serving/prompt.h"
#include "engine/serving/scheduler.h"

namespace step3::serving {

/// A request from submit to its last event. All but `cancelled` belongs to the scheduler thread once it is queued.
struct ActiveRequest {
    ActiveRequest(RequestId requestId, Prompt requestPrompt, const Request& request, EventSink eventSink,
                  std::int32_t tokenLimit, const std::shared_ptr<const text::Tokenizer>& tokenizer,
                  std::int64_t vocabSize)
        : id(requestId),
          prompt(std::move(requestPrompt)),
          params(request.sampling),
          topLogprobs(request.topLogprobs),
          sink(std::move(eventSink)),
          maxTokens(tokenLimit),
          tokens(prompt.tokens.ids),
          sampler(params, prompt.tokens.ids, vocabSize),
          stream(tokenizer, params, parseTools(request.toolsJson), prompt.startsInReasoning) {}

    RequestId id;
    std::atomic<bool> cancelled = false;
    Prompt prompt;
    sampling::SamplingParams params;
    std::int32_t topLogprobs;
    EventSink sink;
    std::int32_t maxTokens;  // what params, context and KV memory leave

    std::vector<std::int32_t> tokens;  // prompt and answer so far
    std::size_t fed = 0;               // of these, in the sequence's cache
    std::unique_ptr<afd::Sequence> sequence;
    std::vector<ImageRows> pictures;  // encoded so far, in the order of prompt.images
    sampling::Sampler sampler;
    AnswerStream stream;

    bool alone = false;    // repeat the failed step without the others
    bool retired = false;  // its last event has been sent
    bool sinkBroken = false;
    std::int32_t completionTokens = 0;
    std::size_t promptRead = 0;  // prompt tokens reported as read; a request that gave its cache back reads them again
    bool admittedBefore = false;
    Clock::time_point submitted, admitted, firstToken, lastToken;

    [[nodiscard]] bool hasAllPictures() const { return pictures.size() == prompt.images.size(); }
};

}  // namespace step3::serving
