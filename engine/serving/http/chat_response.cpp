#include "engine/serving/http/chat_response.h"

#include <algorithm>
#include <chrono>

#include "engine/serving/http/api_error.h"
#include "engine/serving/http/request_id.h"

namespace step3::serving::http {

namespace {

constexpr const char* kFingerprint = "step3-" STEP3_VERSION;
constexpr float kLeastLogprob = -9999.0F;  // JSON has no -infinity

Json entryJson(const TokenLogprob& token) {
    Json bytes = Json::array();
    for (const char c : token.bytes) bytes.push_back(static_cast<unsigned char>(c));
    Json entry;
    entry["token"] = token.bytes;
    entry["logprob"] = std::max(token.logprob, kLeastLogprob);
    entry["bytes"] = std::move(bytes);
    return entry;
}

void appendTokens(Json& list, const std::vector<TokenLogprob>& tokens) {
    for (const TokenLogprob& token : tokens) {
        Json entry = entryJson(token);
        entry["top_logprobs"] = Json::array();
        for (const TokenLogprob& other : token.top) entry["top_logprobs"].push_back(entryJson(other));
        list.push_back(std::move(entry));
    }
}

Json stopReason(const Finished& end) {
    if (!end.stopString.empty()) return end.stopString;
    if (end.stopTokenId >= 0) return end.stopTokenId;
    return nullptr;
}

}  // namespace

AnswerId newAnswerId(const std::string& model) {
    const auto now = std::chrono::system_clock::now().time_since_epoch();
    return {"chatcmpl-" + randomHex(), std::chrono::duration_cast<std::chrono::seconds>(now).count(), model};
}

const char* finishName(FinishReason reason) {
    switch (reason) {
        case FinishReason::kStop: return "stop";
        case FinishReason::kLength: return "length";
        case FinishReason::kToolCalls: return "tool_calls";
        case FinishReason::kCancelled: return "abort";
        case FinishReason::kError: break;
    }
    return "error";
}

Json usageJson(const Usage& usage) {
    Json json;
    json["prompt_tokens"] = usage.promptTokens;
    json["total_tokens"] = usage.promptTokens + usage.completionTokens;
    json["completion_tokens"] = usage.completionTokens;
    json["prompt_tokens_details"]["cached_tokens"] = 0;
    if (usage.imageTokens > 0) json["prompt_tokens_details"]["multimodal_tokens"]["image"] = usage.imageTokens;
    json["completion_tokens_details"]["reasoning_tokens"] = usage.reasoningTokens;
    return json;
}

std::string sseEvent(const Json& json) {
    return "data: " + json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n\n";
}

ChunkWriter::ChunkWriter(const ChatRequest& options, AnswerId id)
    : id_(std::move(id)),
      includeUsage_(options.includeUsage),
      continuousUsage_(options.continuousUsage),
      includeReasoning_(options.includeReasoning),
      parallelToolCalls_(options.parallelToolCalls),
      logprobs_(options.logprobs) {}

std::string ChunkWriter::chunk(Json delta, Json logprobs, const Finished* end) {
    Json choice;
    choice["index"] = 0;
    choice["delta"] = std::move(delta);
    choice["logprobs"] = std::move(logprobs);
    choice["finish_reason"] = end != nullptr ? Json(finishName(end->reason)) : Json(nullptr);
    if (end != nullptr) choice["stop_reason"] = stopReason(*end);
    Json json;
    json["id"] = id_.id;
    json["object"] = "chat.completion.chunk";
    json["created"] = id_.created;
    json["model"] = id_.model;
    json["choices"] = Json::array({std::move(choice)});
    if (continuousUsage_) json["usage"] = usageJson(running_);
    return sseEvent(json);
}

std::string ChunkWriter::first() {
    return chunk(Json{{"role", "assistant"}, {"content", ""}});
}

std::string ChunkWriter::deltas(const char* field, const std::string& text, const std::vector<TokenLogprob>& logprobs,
                                bool show) {
    running_.completionTokens += static_cast<std::int32_t>(logprobs.size());
    const bool withLogprobs = logprobs_ && !logprobs.empty();
    if (!show || (text.empty() && !withLogprobs)) return {};
    Json list = nullptr;
    if (withLogprobs) {
        list = Json{{"content", Json::array()}};
        appendTokens(list["content"], logprobs);
    }
    return chunk(Json{{field, text}}, std::move(list));
}

std::string ChunkWriter::toolDelta(const ToolCallDelta& delta) {
    if (!parallelToolCalls_ && delta.index > 0) return {};
    std::string out;
    Json call;
    call["index"] = delta.index;
    if (std::find(startedCalls_.begin(), startedCalls_.end(), delta.index) == startedCalls_.end()) {
        startedCalls_.push_back(delta.index);
        Json head = call;
        head["id"] = "call_" + randomHex();
        head["type"] = "function";
        head["function"]["name"] = delta.name;
        out += chunk(Json{{"tool_calls", Json::array({std::move(head)})}});
    }
    if (!delta.arguments.empty()) {
        call["function"]["arguments"] = delta.arguments;
        out += chunk(Json{{"tool_calls", Json::array({std::move(call)})}});
    }
    return out;
}

std::string ChunkWriter::finish(const Finished& end) {
    running_ = end.usage;
    std::string out = chunk(Json::object(), nullptr, &end);
    if (includeUsage_) {
        Json json;
        json["id"] = id_.id;
        json["object"] = "chat.completion.chunk";
        json["created"] = id_.created;
        json["model"] = id_.model;
        json["choices"] = Json::array();
        json["system_fingerprint"] = kFingerprint;
        json["usage"] = usageJson(end.usage);
        out += sseEvent(json);
    }
    return out + kSseDone;
}

std::string ChunkWriter::write(const Event& event) {
    struct Visitor {
        ChunkWriter& writer;
        std::string operator()(const PrefillProgress& progress) const {
            writer.running_.promptTokens = progress.total;
            return {};
        }
        std::string operator()(const ReasoningDelta& delta) const {
            return writer.deltas("reasoning", delta.text, delta.logprobs, writer.includeReasoning_);
        }
        std::string operator()(const TextDelta& delta) const {
            return writer.deltas("content", delta.text, delta.logprobs, true);
        }
        std::string operator()(const ToolCallDelta& delta) const { return writer.toolDelta(delta); }
        std::string operator()(const Finished& end) const { return writer.finish(end); }
        std::string operator()(const Failed& failed) const {
            return sseEvent(fromEngine(failed.code, failed.message).json()) + kSseDone;
        }
    };
    return std::visit(Visitor{*this}, event);
}

AnswerCollector::AnswerCollector(const ChatRequest& options, AnswerId id)
    : id_(std::move(id)),
      includeReasoning_(options.includeReasoning),
      parallelToolCalls_(options.parallelToolCalls),
      logprobs_(options.logprobs) {}

void AnswerCollector::add(const Event& event) {
    if (const auto* delta = std::get_if<TextDelta>(&event)) {
        text_ += delta->text;
        if (logprobs_) appendTokens(tokens_, delta->logprobs);
    } else if (const auto* thought = std::get_if<ReasoningDelta>(&event)) {
        if (!includeReasoning_) return;
        reasoning_ += thought->text;
        if (logprobs_) appendTokens(tokens_, thought->logprobs);
    } else if (const auto* call = std::get_if<ToolCallDelta>(&event)) {
        if (!parallelToolCalls_ && call->index > 0) return;
        ToolCallMessage& message = calls_[call->index];
        if (message.id.empty()) message.id = "call_" + randomHex();
        message.name += call->name;
        message.arguments += call->arguments;
    }
}

Json AnswerCollector::response(const Finished& end) const {
    // Thought or calls without an answer: null, as clients expect of a cut or a calling turn.
    const bool noContent = text_.empty() && (end.usage.reasoningTokens > 0 || !reasoning_.empty() || !calls_.empty());
    Json message;
    message["role"] = "assistant";
    message["content"] = noContent ? Json(nullptr) : Json(text_);
    message["refusal"] = nullptr;
    message["annotations"] = nullptr;
    message["audio"] = nullptr;
    message["function_call"] = nullptr;
    if (!calls_.empty()) {
        message["tool_calls"] = Json::array();
        for (const auto& [index, call] : calls_) {
            Json json;
            json["id"] = call.id;
            json["type"] = "function";
            json["function"]["name"] = call.name;
            json["function"]["arguments"] = call.arguments;
            message["tool_calls"].push_back(std::move(json));
        }
    }
    message["reasoning"] = reasoning_.empty() ? Json(nullptr) : Json(reasoning_);

    Json choice;
    choice["index"] = 0;
    choice["message"] = std::move(message);
    choice["logprobs"] = logprobs_ ? Json{{"content", tokens_}} : Json(nullptr);
    choice["finish_reason"] = finishName(end.reason);
    choice["stop_reason"] = stopReason(end);
    choice["token_ids"] = nullptr;

    Json json;
    json["id"] = id_.id;
    json["object"] = "chat.completion";
    json["created"] = id_.created;
    json["model"] = id_.model;
    json["choices"] = Json::array({std::move(choice)});
    json["service_tier"] = nullptr;
    json["system_fingerprint"] = kFingerprint;
    json["usage"] = usageJson(end.usage);
    json["prompt_logprobs"] = nullptr;
    json["prompt_token_ids"] = nullptr;
    json["kv_transfer_params"] = nullptr;
    return json;
}

}  // namespace step3::serving::http
