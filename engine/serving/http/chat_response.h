#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "engine/serving/http/answer.h"
#include "engine/serving/http/answer_parts.h"
#include "engine/serving/http/chat_request.h"

namespace step3::serving::http {

/// The chunks of a streamed chat answer, in the order of spec openai-api section 5.
class ChatStream final : public StreamWriter {
public:
    ChatStream(ChatOptions options, AnswerId id);
    std::string write(std::size_t choice, const Event& event) override;
    std::string end() override;
    std::string fail(const ApiError& error) override;

private:
    struct Choice {
        bool begun = false;
        Usage running;
        std::vector<std::int32_t> startedCalls;
    };
    /// What a chunk says beside its delta.
    struct Extra {
        bool role = false;  // the chunk that names the role
        Json logprobs = nullptr;
        const std::vector<std::int32_t>* tokenIds = nullptr;
        const Finished* end = nullptr;
    };

    std::string begin(std::size_t index, const Event& event);
    std::string chunk(std::size_t index, std::string_view delta, const Extra& extra);
    template <typename Delta>
    std::string textDelta(std::size_t index, const char* field, const Delta& delta, bool show);
    std::string toolDelta(std::size_t index, const ToolCallDelta& delta);

    ChatOptions options_;
    const std::string frame_;
    std::vector<Choice> choices_;
    UsageTotal usage_;
    std::vector<std::int32_t> promptIds_;
};

/// A chat answer in one piece.
class ChatBody final : public BodyWriter {
public:
    ChatBody(ChatOptions options, AnswerId id);
    void add(std::size_t choice, const Event& event) override;
    Json body() override;

private:
    struct Choice {
        std::string text, reasoning;
        std::map<std::int32_t, ToolCallMessage> calls;
        Json logprobs = Json::array();
        std::vector<std::int32_t> tokenIds;
        Finished end;
    };

    [[nodiscard]] Json messageJson(const Choice& choice) const;

    ChatOptions options_;
    AnswerId id_;
    std::vector<Choice> choices_;
    UsageTotal usage_;
    std::vector<std::int32_t> promptIds_;
    std::vector<TokenLogprob> promptLogprobs_;
};

}  // namespace step3::serving::http
