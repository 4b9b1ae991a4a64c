#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/engine.h"
#include "engine/json.h"
#include "engine/text/output_parser.h"
#include "engine/text/tokenizer.h"

namespace step3::serving {

/// What an answer shows of its tokens besides the text.
struct AnswerDetail {
    bool skipSpecialTokens = true;  // hide special tokens, but for those the parser needs; with tools none is hidden
    bool tokenIds = false;          // report the ids
};

/// The sampled tokens of one request as events: bytes to text, stop strings, then reasoning, content and tool calls
/// apart.
class AnswerStream {
public:
    /// `tools` is the request's array of schemas or null.
    AnswerStream(std::shared_ptr<const text::Tokenizer> tokenizer, const sampling::SamplingParams& params, Json tools,
                 bool startsInReasoning, AnswerDetail detail = {});

    /// Takes one token that is no stop token. After a stop string has matched, nothing more may be pushed.
    std::vector<Event> push(text::TokenId id, std::optional<TokenLogprob> logprob = std::nullopt);
    /// A token that is counted and reported, but has no text: the stop token.
    void pushSilent(text::TokenId id, std::optional<TokenLogprob> logprob = std::nullopt);
    /// What was held back: half characters, the start of a stop string, unfinished markup.
    std::vector<Event> finish();

    /// The stop string that matched; what follows it is not part of the answer, and neither is the string itself unless
    /// SamplingParams::includeStopString is set.
    [[nodiscard]] const std::optional<std::string>& stopString() const { return stopString_; }
    /// No </think> so far in an answer that began with reasoning.
    [[nodiscard]] bool inReasoning() const { return reasoning_ && parser_.inReasoning(); }
    [[nodiscard]] std::int32_t reasoningTokens() const { return reasoningTokens_; }
    [[nodiscard]] int toolCallCount() const { return parser_.toolCallCount(); }

private:
    void parse(std::string_view text, std::vector<Event>& events);
    void append(std::vector<text::OutputDelta> deltas, std::vector<Event>& events);
    void reportTokens(std::vector<Event>& events);
    void search(std::vector<Event>& events);

    std::shared_ptr<const text::Tokenizer> tokenizer_;
    text::Detokenizer detokenizer_;
    text::OutputParser parser_;
    std::vector<std::string> stops_;
    std::int32_t minTokens_;
    bool includeStop_;
    bool keepSpecial_;
    bool reportIds_;
    std::optional<text::TokenId> closeThink_;
    bool reasoning_;  // no </think> token so far
    std::int32_t tokens_ = 0;
    std::int32_t reasoningTokens_ = 0;
    std::string held_;  // text that may be the start of a stop string
    std::optional<std::string> stopString_;
    std::vector<TokenLogprob> logprobs_;  // of tokens not yet reported
    std::vector<std::int32_t> ids_;       // likewise
};

}  // namespace step3::serving
