#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "engine/engine.h"
#include "engine/json.h"
#include "engine/serving/http/chat_request.h"

namespace step3::serving::http {

/// Names one answer in everything that is sent of it.
struct AnswerId {
    std::string id;  // "chatcmpl-..."
    std::int64_t created = 0;
    std::string model;
};
AnswerId newAnswerId(const std::string& model);

/// "stop", "length", "tool_calls", "abort" or "error".
const char* finishName(FinishReason reason);
Json usageJson(const Usage& usage);
/// One event of a stream: `data: <json>` and an empty line. Bytes that are no UTF-8 become U+FFFD.
std::string sseEvent(const Json& json);
inline constexpr const char* kSseDone = "data: [DONE]\n\n";

/// Events to the chunks of a stream, in the order of spec openai-api section 5.
class ChunkWriter {
public:
    ChunkWriter(const ChatRequest& options, AnswerId id);

    /// The chunk that names the role.
    std::string first();
    /// Chunks for one event, possibly none. The last events' text ends with `data: [DONE]`.
    std::string write(const Event& event);

private:
    std::string chunk(Json delta, Json logprobs = nullptr, const Finished* end = nullptr);
    std::string deltas(const char* field, const std::string& text, const std::vector<TokenLogprob>& logprobs,
                       bool show);
    std::string toolDelta(const ToolCallDelta& delta);
    std::string finish(const Finished& end);

    AnswerId id_;
    bool includeUsage_, continuousUsage_, includeReasoning_, parallelToolCalls_, logprobs_;
    Usage running_;
    std::vector<std::int32_t> startedCalls_;
};

/// Gathers the events of an answer that is sent in one piece.
class AnswerCollector {
public:
    AnswerCollector(const ChatRequest& options, AnswerId id);
    void add(const Event& event);
    /// The response, once Finished was added.
    [[nodiscard]] Json response(const Finished& end) const;

private:
    AnswerId id_;
    bool includeReasoning_, parallelToolCalls_, logprobs_;
    std::string text_, reasoning_;
    std::map<std::int32_t, ToolCallMessage> calls_;
    Json tokens_ = Json::array();
};

}  // namespace step3::serving::http
