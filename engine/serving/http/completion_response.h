#pragma once

#include <string>
#include <vector>

#include "engine/serving/http/answer.h"
#include "engine/serving/http/answer_parts.h"
#include "engine/serving/http/completion_request.h"

namespace step3::serving::http {

/// The `logprobs` object of one choice of a completion: columns of tokens, their log-probabilities and where they begin
/// in the text, counted in characters.
class CompletionLogprobs {
public:
    explicit CompletionLogprobs(bool tokensAsIds) : asIds_(tokensAsIds) {}
    void add(const std::vector<TokenLogprob>& tokens);
    /// What was added since the last call; null if nothing was.
    Json take();

private:
    bool asIds_;
    std::size_t offset_ = 0;  // characters of all tokens so far
    Json columns_ = nullptr;
};

/// The chunks of a streamed completion.
class CompletionStream final : public StreamWriter {
public:
    CompletionStream(CompletionOptions options, AnswerId id);
    std::string write(std::size_t choice, const Event& event) override;
    std::string end() override;
    std::string fail(const ApiError& error) override;

private:
    struct Choice {
        bool begun = false;
        Usage running;
        CompletionLogprobs logprobs;
        std::vector<TokenLogprob> promptLogprobs;  // to be echoed
        std::vector<std::int32_t> promptIds;       // to be told in the first chunk
    };

    std::string chunk(std::size_t index, const std::string& text, const std::vector<std::int32_t>& ids,
                      const Finished* end = nullptr);
    std::string delta(std::size_t index, const std::string& text, const std::vector<TokenLogprob>& logprobs,
                      const std::vector<std::int32_t>& ids);

    CompletionOptions options_;
    const std::string frame_;
    std::vector<Choice> choices_;
    UsageTotal usage_;
};

/// A completion in one piece.
class CompletionBody final : public BodyWriter {
public:
    CompletionBody(CompletionOptions options, AnswerId id);
    void add(std::size_t choice, const Event& event) override;
    Json body() override;

private:
    struct Choice {
        std::string text;
        CompletionLogprobs logprobs;
        std::vector<std::int32_t> tokenIds, promptIds;
        std::vector<TokenLogprob> promptLogprobs;
        Finished end;
        bool promptAdded = false;  // to `logprobs`
    };
    void addText(Choice& choice, const std::string& text, const std::vector<TokenLogprob>& logprobs,
                 const std::vector<std::int32_t>& ids);

    CompletionOptions options_;
    AnswerId id_;
    std::vector<Choice> choices_;
    UsageTotal usage_;
};

}  // namespace step3::serving::http
