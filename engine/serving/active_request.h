#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <vector>

#include "engine/afd/pipeline.h"
#include "engine/engine.h"
#include "engine/sampling/bad_words.h"
#include "engine/sampling/sampler.h"
#include "engine/serving/answer_stream.h"
#include "engine/serving/draft_policy.h"
#include "engine/serving/drafter.h"
#include "engine/serving/image_cache.h"
#include "engine/serving/prompt.h"
#include "engine/serving/scheduler.h"

namespace step3::serving {

/// The answers to one prompt that were asked for at once. Of the scheduler thread.
struct Choices {
    std::size_t count = 1;  // n
    std::size_t ended = 0;
    std::int32_t mostTokens = 0;  // of those that have ended
};

/// A request from submit to its last event. All but `cancelled` belongs to the scheduler thread once it is queued.
struct ActiveRequest {
    ActiveRequest(RequestId requestId, Prompt requestPrompt, const Request& request, EventSink eventSink,
                  std::int32_t tokenLimit, const std::shared_ptr<const text::Tokenizer>& tokenizer,
                  std::int64_t vocabSize)
        : id(requestId),
          prompt(std::move(requestPrompt)),
          params(request.sampling),
          topLogprobs(request.topLogprobs),
          promptLogprobs(request.promptLogprobs),
          thinkingBudget(request.thinkingBudget),
          tokenIds(request.tokenIds),
          priority(request.priority),
          sink(std::move(eventSink)),
          maxTokens(tokenLimit),
          tokens(prompt.tokens.ids),
          pictures(prompt.images.size()),
          sampler(params, prompt.tokens.ids, vocabSize),
          badWords(params.badWords, *tokenizer),
          stream(tokenizer, params, parseTools(request.toolsJson), prompt.startsInReasoning,
                 {request.skipSpecialTokens, request.tokenIds}) {
        if (prompt.form) constraint.emplace(prompt.form);
    }

    RequestId id;
    std::atomic<bool> cancelled = false;
    Prompt prompt;
    sampling::SamplingParams params;
    std::int32_t topLogprobs;
    std::int32_t promptLogprobs;
    std::int32_t thinkingBudget;
    bool tokenIds;
    std::int32_t priority;
    EventSink sink;
    std::shared_ptr<const ActiveRequest>
        leader;  // reads the prompt that this one shares; read before this one is admitted
    std::shared_ptr<Choices> choices;
    bool isFirst = true;     // of these
    std::int32_t maxTokens;  // what params, context and KV memory leave

    std::vector<std::int32_t> tokens;  // prompt and answer so far
    std::size_t fed = 0;               // of these, in the sequence's cache
    std::unique_ptr<afd::Sequence> sequence;
    std::vector<std::int32_t> draft;  // guessed to follow `tokens`, to be checked in the next step
    std::unique_ptr<DraftState> draftState;
    Acceptance acceptance{0};
    std::vector<afd::BlockName> blockNames;    // of the first blocks of `tokens`
    std::vector<afd::BlockName> pictureNames;  // of prompt.images, once they are needed
    std::vector<ImageRows> pictures;           // of prompt.images; null if not encoded yet or not needed
    sampling::Sampler sampler;
    sampling::BadWords badWords;
    AnswerStream stream;
    std::optional<sampling::structured::TokenConstraint> constraint;

    bool alone = false;    // repeat the failed step without the others
    bool retired = false;  // its last event has been sent
    bool sinkBroken = false;
    std::int32_t completionTokens = 0;
    std::int32_t cachedTokens = 0;  // of the prompt, found in the prefix cache
    std::size_t promptRead = 0;  // prompt tokens reported as read; a request that gave its cache back reads them again
    std::int32_t preemptions = 0;
    bool admittedBefore = false;
    Clock::time_point submitted, admitted, firstToken, lastToken;

    [[nodiscard]] std::size_t promptTokens() const { return prompt.tokens.ids.size(); }
    /// The first picture that is needed and has not been encoded, or their number. A picture is not needed if all its
    /// rows are in the cache.
    [[nodiscard]] std::size_t missingPicture() const;
    /// Pictures of which no row is needed.
    [[nodiscard]] std::size_t cachedPictures() const;
    [[nodiscard]] bool hasAllPictures() const { return missingPicture() == pictures.size(); }
    [[nodiscard]] bool hasReadPrompt() const { return promptRead == promptTokens(); }
    /// Has begun its answer, and all but its latest token is in the cache.
    [[nodiscard]] bool isDecoding() const { return completionTokens > 0 && fed + 1 == tokens.size(); }
    /// Before `other` in the queue and later to give its cache back.
    [[nodiscard]] bool before(const ActiveRequest& other) const {
        return priority != other.priority ? priority < other.priority : id < other.id;
    }
    /// The logits of prompt tokens that have not been reported are wanted.
    [[nodiscard]] bool wantsPromptLogits() const { return promptLogprobs >= 0 && !hasReadPrompt(); }

    /// Embeddings [end - begin, H] of tokens [begin, end) with the image rows in their places; empty if no image row is
    /// there.
    [[nodiscard]] std::vector<float> splice(afd::Pipeline& pipeline, std::size_t begin, std::size_t end,
                                            std::size_t hiddenSize) const;
    [[nodiscard]] Usage usage() const;
};

}  // namespace step3::serving
