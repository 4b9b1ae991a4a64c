#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/serving/http/answer.h"
#include "engine/serving/http/answer_parts.h"
#include "engine/serving/http/responses_request.h"

namespace step3::serving::http {

/// The `output` of a response, item by item (reasoning, message, function_call), and what a stream says of each step.
class ResponseItems {
public:
    ResponseItems(bool logprobs, bool parallelToolCalls)
        : withLogprobs_(logprobs), parallelToolCalls_(parallelToolCalls) {}

    /// Events of the stream, in order, without their sequence_number.
    std::vector<Json> add(const Event& event);
    /// Ends the item that is open, if any; `status` is completed or incomplete.
    std::vector<Json> close(const char* status);
    [[nodiscard]] const Json& output() const { return output_; }

private:
    enum class Open { kNone, kReasoning, kMessage, kCall };

    void open(Open kind, Json item, std::vector<Json>& events);
    void addText(Open kind, const std::string& text, const std::vector<TokenLogprob>& logprobs,
                 std::vector<Json>& events);
    void addCall(const ToolCallDelta& delta, std::vector<Json>& events);
    [[nodiscard]] Json event(const std::string& type) const;
    [[nodiscard]] Json part() const;

    bool withLogprobs_;
    bool parallelToolCalls_;
    Json output_ = Json::array();
    Open open_ = Open::kNone;
    std::int32_t callIndex_ = -1;  // of the open call
    std::string text_;             // of the open item: text or arguments
    Json logprobs_ = Json::array();
};

/// What a response says of itself beside its output.
class ResponseFrame {
public:
    explicit ResponseFrame(Json echoed);
    /// `status` is in_progress, completed, incomplete or failed; `usage` may be null.
    [[nodiscard]] Json json(const char* status, const Json& output, const Json& usage) const;
    /// After the end of the answer.
    [[nodiscard]] Json json(const Finished& end, const Json& output) const;

private:
    Json echoed_;
    std::string id_;
    std::int64_t created_;
};

/// The events of a streamed response, in the order of spec openai-api section 5.
class ResponseStream final : public StreamWriter {
public:
    explicit ResponseStream(ResponseOptions options);
    std::string write(std::size_t choice, const Event& event) override;
    std::string end() override;
    std::string fail(const ApiError& error) override;

private:
    std::string send(Json event);
    std::string sendAll(std::vector<Json> events);

    ResponseFrame frame_;
    ResponseItems items_;
    Finished end_;
    std::int64_t sent_ = 0;
};

/// A response in one piece.
class ResponseBody final : public BodyWriter {
public:
    explicit ResponseBody(ResponseOptions options);
    void add(std::size_t choice, const Event& event) override;
    Json body() override;

private:
    ResponseFrame frame_;
    ResponseItems items_;
    Finished end_;
};

}  // namespace step3::serving::http
