#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "engine/engine.h"
#include "engine/json.h"

/// What the answers of all routes are made of.
namespace step3::serving::http {

/// Names one answer in everything that is sent of it.
struct AnswerId {
    std::string id;            // "chatcmpl-..."
    std::int64_t created = 0;  // Unix time
    std::string model;
};
/// `id` empty: a new one.
AnswerId newAnswerId(const std::string& prefix, const std::string& model, const std::string& id = {});
inline constexpr const char* kFingerprint = "step3-" STEP3_VERSION;
/// The same in the text of an event: streams say it once, in their last chunk.
inline constexpr const char* kFingerprintMember = ",\"system_fingerprint\":\"step3-" STEP3_VERSION "\"";

/// "stop", "length", "tool_calls", "abort" or "error".
const char* finishName(FinishReason reason);
/// The stop string or the request's own stop token that matched, or null.
Json stopReason(const Finished& end);

Json usageJson(const Usage& usage);
/// Sums the usage of all answers; `choices` of them share a prompt, which counts once.
class UsageTotal {
public:
    explicit UsageTotal(std::size_t choices) : choices_(choices) {}
    void add(std::size_t choice, const Usage& usage);
    [[nodiscard]] const Usage& total() const { return total_; }

private:
    std::size_t choices_;
    Usage total_;
};

/// JSON as it is sent. Bytes that are no UTF-8 become U+FFFD.
std::string jsonText(const Json& json);
/// One event of a stream: `data: <json>` and an empty line. Bytes that are no UTF-8 become U+FFFD.
std::string sseEvent(const Json& json);
/// What every event of one answer's stream begins with, up to the bracket that opens `choices`. Streams write their
/// events as text: one object after the other would be made and thrown away for every token.
std::string sseFrame(const AnswerId& id, const char* object);
/// `text` as a JSON string with its quotes. Bytes that are no UTF-8 become U+FFFD.
void appendJsonString(std::string& out, std::string_view text);
/// Token ids as a JSON array.
void appendIds(std::string& out, const std::vector<std::int32_t>& ids);
inline constexpr const char* kSseDone = "data: [DONE]\n\n";

/// A token as text: its bytes, or "token_id:N".
std::string tokenText(const TokenLogprob& token, bool asId);
/// Adds an entry of the chat API's `logprobs.content` for each token.
void appendLogprobs(Json& list, const std::vector<TokenLogprob>& tokens, bool asIds);
/// JSON has no -infinity.
float finiteLogprob(float logprob);
/// vLLM's `prompt_logprobs`: for each token of the prompt an object by token ids, for the first null.
Json promptLogprobsJson(const std::vector<TokenLogprob>& tokens);

}  // namespace step3::serving::http
