#include "engine/serving/http/chat_response.h"

#include <algorithm>

#include "engine/serving/http/request_id.h"

namespace step3::serving::http {

namespace {

const char* finishOf(const Finished& end, const ChatOptions& options) {
    const bool named = options.namedTool && end.reason == FinishReason::kToolCalls;
    return finishName(named ? FinishReason::kStop : end.reason);
}

/// An object with one member, as JSON text.
std::string member(const char* name, std::string_view text) {
    std::string out = std::string("{\"") + name + "\":";
    appendJsonString(out, text);
    return out += '}';
}

}  // namespace

ChatStream::ChatStream(ChatOptions options, AnswerId id)
    : options_(std::move(options)),
      frame_(sseFrame(id, "chat.completion.chunk")),
      choices_(options_.choices),
      usage_(options_.choices) {}

/// `delta` is JSON text.
std::string ChatStream::chunk(std::size_t index, std::string_view delta, const Extra& extra) {
    std::string out = frame_;
    out.append("{\"index\":").append(std::to_string(index)).append(",\"delta\":").append(delta);
    out.append(",\"logprobs\":").append(extra.logprobs.is_null() ? "null" : jsonText(extra.logprobs));
    if (extra.end != nullptr) {
        out.append(",\"finish_reason\":\"").append(finishOf(*extra.end, options_)).append("\",\"stop_reason\":");
        out += jsonText(stopReason(*extra.end));
    } else {
        out += ",\"finish_reason\":null";
    }
    if (!extra.role) {
        out += ",\"token_ids\":";
        if (extra.tokenIds != nullptr) {
            appendIds(out, *extra.tokenIds);
        } else {
            out += "null";
        }
    }
    out += "}]";
    if (extra.role && options_.promptIds) {
        out += ",\"prompt_token_ids\":";
        appendIds(out, promptIds_);
    }
    if (extra.end != nullptr && !options_.stream.includeUsage) out += kFingerprintMember;
    if (options_.stream.continuousUsage) out.append(",\"usage\":").append(jsonText(usageJson(choices_[index].running)));
    return out += "}\n\n";
}

/// The chunk that names the role, and what is echoed.
std::string ChatStream::begin(std::size_t index, const Event& event) {
    Choice& choice = choices_[index];
    if (const auto* progress = std::get_if<PrefillProgress>(&event)) {
        choice.running.promptTokens = progress->total;
        if (options_.promptIds && !progress->tokenIds.empty()) promptIds_ = progress->tokenIds;
    }
    if (std::exchange(choice.begun, true)) return {};
    Extra first;
    first.role = true;
    std::string text = chunk(index, R"({"role":"assistant","content":""})", first);
    if (!options_.echo.empty()) text += chunk(index, member("content", options_.echo), {});
    return text;
}

template <typename Delta>
std::string ChatStream::textDelta(std::size_t index, const char* field, const Delta& delta, bool show) {
    choices_[index].running.completionTokens += static_cast<std::int32_t>(delta.tokenIds.size());
    const bool withLogprobs = options_.logprobs && !delta.logprobs.empty();
    const bool withIds = options_.tokenIds && !delta.tokenIds.empty();
    if (!show || (delta.text.empty() && !withLogprobs && !withIds)) return {};
    Extra extra;
    if (withLogprobs) {
        extra.logprobs = Json{{"content", Json::array()}};
        appendLogprobs(extra.logprobs["content"], delta.logprobs, options_.tokensAsIds);
    }
    if (withIds) extra.tokenIds = &delta.tokenIds;
    return chunk(index, member(field, delta.text), extra);
}

std::string ChatStream::toolDelta(std::size_t index, const ToolCallDelta& delta) {
    if (!options_.parallelToolCalls && delta.index > 0) return {};
    auto& started = choices_[index].startedCalls;
    std::string out;
    Json call;
    call["index"] = delta.index;
    if (std::find(started.begin(), started.end(), delta.index) == started.end()) {
        started.push_back(delta.index);
        Json head = call;
        head["id"] = "call_" + randomHex();
        head["type"] = "function";
        head["function"]["name"] = delta.name;
        out += chunk(index, jsonText(Json{{"tool_calls", Json::array({std::move(head)})}}), {});
    }
    if (!delta.arguments.empty()) {
        call["function"]["arguments"] = delta.arguments;
        out += chunk(index, jsonText(Json{{"tool_calls", Json::array({std::move(call)})}}), {});
    }
    return out;
}

std::string ChatStream::write(std::size_t index, const Event& event) {
    std::string out = begin(index, event);
    if (const auto* thought = std::get_if<ReasoningDelta>(&event)) {
        out += textDelta(index, "reasoning", *thought, options_.includeReasoning);
    } else if (const auto* text = std::get_if<TextDelta>(&event)) {
        out += textDelta(index, "content", *text, true);
    } else if (const auto* call = std::get_if<ToolCallDelta>(&event)) {
        out += toolDelta(index, *call);
    } else if (const auto* end = std::get_if<Finished>(&event)) {
        choices_[index].running = end->usage;
        usage_.add(index, end->usage);
        Extra extra;
        extra.end = end;
        out += chunk(index, "{}", extra);
    }
    return out;
}

std::string ChatStream::end() {
    std::string out;
    if (options_.stream.includeUsage) {
        out = frame_ + "]" + kFingerprintMember + ",\"usage\":" + jsonText(usageJson(usage_.total())) + "}\n\n";
    }
    return out + kSseDone;
}

std::string ChatStream::fail(const ApiError& error) {
    return sseEvent(error.json()) + kSseDone;
}

ChatBody::ChatBody(ChatOptions options, AnswerId id)
    : options_(std::move(options)), id_(std::move(id)), choices_(options_.choices), usage_(options_.choices) {}

void ChatBody::add(std::size_t index, const Event& event) {
    Choice& choice = choices_[index];
    if (const auto* progress = std::get_if<PrefillProgress>(&event)) {
        if (index > 0) return;
        if (!progress->tokenIds.empty()) promptIds_ = progress->tokenIds;
        promptLogprobs_.insert(promptLogprobs_.end(), progress->logprobs.begin(), progress->logprobs.end());
    } else if (const auto* text = std::get_if<TextDelta>(&event)) {
        choice.text += text->text;
        appendLogprobs(choice.logprobs, text->logprobs, options_.tokensAsIds);
        choice.tokenIds.insert(choice.tokenIds.end(), text->tokenIds.begin(), text->tokenIds.end());
    } else if (const auto* thought = std::get_if<ReasoningDelta>(&event)) {
        if (!options_.includeReasoning) return;
        choice.reasoning += thought->text;
        appendLogprobs(choice.logprobs, thought->logprobs, options_.tokensAsIds);
        choice.tokenIds.insert(choice.tokenIds.end(), thought->tokenIds.begin(), thought->tokenIds.end());
    } else if (const auto* call = std::get_if<ToolCallDelta>(&event)) {
        if (!options_.parallelToolCalls && call->index > 0) return;
        ToolCallMessage& message = choice.calls[call->index];
        if (message.id.empty()) message.id = "call_" + randomHex();
        message.name += call->name;
        message.arguments += call->arguments;
    } else if (const auto* end = std::get_if<Finished>(&event)) {
        choice.end = *end;
        usage_.add(index, end->usage);
    }
}

Json ChatBody::messageJson(const Choice& choice) const {
    const std::string text = options_.echo + choice.text;
    // Thought or calls without an answer: null, as clients expect of a cut or a calling turn.
    const bool noContent =
        text.empty() && (choice.end.usage.reasoningTokens > 0 || !choice.reasoning.empty() || !choice.calls.empty());
    Json message;
    message["role"] = "assistant";
    message["content"] = noContent ? Json(nullptr) : Json(text);
    for (const char* empty : {"refusal", "annotations", "audio", "function_call"}) message[empty] = nullptr;
    for (const auto& [index, call] : choice.calls) {
        Json json;
        json["id"] = call.id;
        json["type"] = "function";
        json["function"]["name"] = call.name;
        json["function"]["arguments"] = call.arguments;
        message["tool_calls"].push_back(std::move(json));
    }
    message["reasoning"] = choice.reasoning.empty() ? Json(nullptr) : Json(choice.reasoning);
    return message;
}

Json ChatBody::body() {
    Json json;
    json["id"] = id_.id;
    json["object"] = "chat.completion";
    json["created"] = id_.created;
    json["model"] = id_.model;
    json["choices"] = Json::array();
    for (std::size_t i = 0; i < choices_.size(); ++i) {
        Choice& from = choices_[i];
        Json choice;
        choice["index"] = i;
        choice["message"] = messageJson(from);
        choice["logprobs"] = options_.logprobs ? Json{{"content", std::move(from.logprobs)}} : Json(nullptr);
        choice["finish_reason"] = finishOf(from.end, options_);
        choice["stop_reason"] = stopReason(from.end);
        choice["token_ids"] = options_.tokenIds ? Json(from.tokenIds) : Json(nullptr);
        json["choices"].push_back(std::move(choice));
    }
    json["service_tier"] = nullptr;
    json["system_fingerprint"] = kFingerprint;
    json["usage"] = usageJson(usage_.total());
    json["prompt_logprobs"] = options_.promptLogprobs ? promptLogprobsJson(promptLogprobs_) : Json(nullptr);
    json["prompt_token_ids"] = options_.promptIds ? Json(promptIds_) : Json(nullptr);
    json["kv_transfer_params"] = nullptr;
    return json;
}

}  // namespace step3::serving::http
