#include "engine/serving/answer_stream.h"

#include <algorithm>
#include <utility>

namespace step3::serving {

namespace {

/// Length of the longest end of `text` that a stop string could go on from.
std::size_t heldLength(std::string_view text, const std::vector<std::string>& stops) {
    std::size_t longest = 0;
    for (const std::string& stop : stops) {
        for (std::size_t n = std::min(stop.size() - 1, text.size()); n > longest; --n) {
            if (text.ends_with(std::string_view(stop).substr(0, n))) {
                longest = n;
                break;
            }
        }
    }
    return longest;
}

}  // namespace

AnswerStream::AnswerStream(std::shared_ptr<const text::Tokenizer> tokenizer, const sampling::SamplingParams& params,
                           Json tools, bool startsInReasoning, AnswerDetail detail)
    : tokenizer_(std::move(tokenizer)),
      detokenizer_(tokenizer_, false),
      parser_(startsInReasoning, tools),
      stops_(params.stop),
      minTokens_(params.minTokens),
      includeStop_(params.includeStopString),
      keepSpecial_(!tools.is_null() || !detail.skipSpecialTokens),
      reportIds_(detail.tokenIds),
      closeThink_(tokenizer_->idOf("</think>")),
      reasoning_(startsInReasoning) {}

void AnswerStream::append(std::vector<text::OutputDelta> deltas, std::vector<Event>& events) {
    for (text::OutputDelta& delta : deltas) {
        switch (delta.kind) {
            case text::OutputDelta::Kind::kReasoning:
                events.emplace_back(
                    ReasoningDelta{std::move(delta.text), std::exchange(logprobs_, {}), std::exchange(ids_, {})});
                break;
            case text::OutputDelta::Kind::kContent:
                events.emplace_back(
                    TextDelta{std::move(delta.text), std::exchange(logprobs_, {}), std::exchange(ids_, {})});
                break;
            case text::OutputDelta::Kind::kToolCallName:
                events.emplace_back(ToolCallDelta{delta.toolIndex, std::move(delta.text), ""});
                break;
            case text::OutputDelta::Kind::kToolCallArguments:
                events.emplace_back(ToolCallDelta{delta.toolIndex, "", std::move(delta.text)});
                break;
        }
    }
}

void AnswerStream::parse(std::string_view text, std::vector<Event>& events) {
    if (!text.empty()) append(parser_.push(text), events);
}

void AnswerStream::search(std::vector<Event>& events) {
    std::size_t position = std::string::npos;
    for (const std::string& stop : stops_) {
        const std::size_t at = held_.find(stop);
        if (at < position || (at == position && at != std::string::npos && stop.size() > stopString_->size())) {
            position = at;
            stopString_ = stop;
        }
    }
    std::size_t pass = held_.size() - heldLength(held_, stops_);
    if (stopString_) pass = position + (includeStop_ ? stopString_->size() : 0);
    parse(std::string_view(held_).substr(0, pass), events);
    held_.erase(0, stopString_ ? held_.size() : pass);
}

std::vector<Event> AnswerStream::push(text::TokenId id, std::optional<TokenLogprob> logprob) {
    std::vector<Event> events;
    pushSilent(id, std::move(logprob));
    if (id == closeThink_) reasoning_ = false;
    if (inReasoning()) ++reasoningTokens_;
    if (keepSpecial_ || id == closeThink_ || !tokenizer_->isSpecial(id)) {
        held_ += detokenizer_.push(id);
        if (tokens_ < minTokens_) {
            parse(std::exchange(held_, {}), events);
        } else {
            search(events);
        }
    }
    reportTokens(events);
    return events;
}

/// Who asked about tokens hears of each at once, also where its text is held back or it has none.
void AnswerStream::reportTokens(std::vector<Event>& events) {
    if (logprobs_.empty() && ids_.empty()) return;
    events.emplace_back(TextDelta{"", std::exchange(logprobs_, {}), std::exchange(ids_, {})});
}

void AnswerStream::pushSilent(text::TokenId id, std::optional<TokenLogprob> logprob) {
    if (logprob) logprobs_.push_back(std::move(*logprob));
    if (reportIds_) ids_.push_back(id);
    ++tokens_;
}

std::vector<Event> AnswerStream::finish() {
    std::vector<Event> events;
    if (!stopString_) {
        held_ += detokenizer_.flush();
        search(events);
        if (!stopString_) parse(std::exchange(held_, {}), events);
    }
    append(parser_.finish(), events);
    reportTokens(events);
    return events;
}

}  // namespace step3::serving
