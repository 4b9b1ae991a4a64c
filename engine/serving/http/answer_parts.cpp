#include "engine/serving/http/answer_parts.h"

#include <algorithm>
#include <chrono>

#include "engine/serving/http/request_id.h"

namespace step3::serving::http {

namespace {

Json entryJson(const TokenLogprob& token, bool asId) {
    Json bytes = Json::array();
    for (const char c : token.bytes) bytes.push_back(static_cast<unsigned char>(c));
    Json entry;
    entry["token"] = tokenText(token, asId);
    entry["logprob"] = finiteLogprob(token.logprob);
    entry["bytes"] = std::move(bytes);
    return entry;
}

}  // namespace

AnswerId newAnswerId(const std::string& prefix, const std::string& model, const std::string& id) {
    const auto now = std::chrono::system_clock::now().time_since_epoch();
    return {prefix + (id.empty() ? randomHex() : id), std::chrono::duration_cast<std::chrono::seconds>(now).count(),
            model};
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

Json stopReason(const Finished& end) {
    if (!end.stopString.empty()) return end.stopString;
    if (end.stopTokenId >= 0) return end.stopTokenId;
    return nullptr;
}

Json usageJson(const Usage& usage) {
    Json json;
    json["prompt_tokens"] = usage.promptTokens;
    json["total_tokens"] = usage.promptTokens + usage.completionTokens;
    json["completion_tokens"] = usage.completionTokens;
    json["prompt_tokens_details"]["cached_tokens"] = usage.cachedTokens;
    if (usage.imageTokens > 0) json["prompt_tokens_details"]["multimodal_tokens"]["image"] = usage.imageTokens;
    json["completion_tokens_details"]["reasoning_tokens"] = usage.reasoningTokens;
    return json;
}

void UsageTotal::add(std::size_t choice, const Usage& usage) {
    if (choice % choices_ == 0) {
        total_.promptTokens += usage.promptTokens;
        total_.imageTokens += usage.imageTokens;
        total_.cachedTokens += usage.cachedTokens;
    }
    total_.completionTokens += usage.completionTokens;
    total_.reasoningTokens += usage.reasoningTokens;
}

std::string jsonText(const Json& json) {
    return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string sseEvent(const Json& json) {
    return "data: " + jsonText(json) + "\n\n";
}

std::string sseFrame(const AnswerId& id, const char* object) {
    std::string out = "data: {\"id\":";
    appendJsonString(out, id.id);
    out.append(",\"object\":\"").append(object).append("\",\"created\":").append(std::to_string(id.created));
    out += ",\"model\":";
    appendJsonString(out, id.model);
    return out += ",\"choices\":[";
}

void appendJsonString(std::string& out, std::string_view text) {
    const auto isPlain = [](char c) { return c >= ' ' && c <= '~' && c != '"' && c != '\\'; };
    if (std::all_of(text.begin(), text.end(), isPlain)) {
        out.append("\"").append(text).append("\"");
    } else {
        out += jsonText(std::string(text));
    }
}

void appendIds(std::string& out, const std::vector<std::int32_t>& ids) {
    out += '[';
    for (const std::int32_t id : ids) out.append(std::to_string(id)) += ',';
    if (!ids.empty()) out.pop_back();
    out += ']';
}

std::string tokenText(const TokenLogprob& token, bool asId) {
    return asId ? "token_id:" + std::to_string(token.id) : token.bytes;
}

float finiteLogprob(float logprob) {
    return std::max(logprob, -9999.0F);
}

void appendLogprobs(Json& list, const std::vector<TokenLogprob>& tokens, bool asIds) {
    for (const TokenLogprob& token : tokens) {
        Json entry = entryJson(token, asIds);
        entry["top_logprobs"] = Json::array();
        for (const TokenLogprob& other : token.top) entry["top_logprobs"].push_back(entryJson(other, asIds));
        list.push_back(std::move(entry));
    }
}

Json promptLogprobsJson(const std::vector<TokenLogprob>& tokens) {
    Json list = Json::array();
    const auto add = [](Json& object, const TokenLogprob& token, std::int32_t rank) {
        Json& entry = object[std::to_string(token.id)];
        entry["logprob"] = finiteLogprob(token.logprob);
        entry["rank"] = rank;
        entry["decoded_token"] = token.bytes;
    };
    for (const TokenLogprob& token : tokens) {
        if (token.rank == 0) {
            list.push_back(nullptr);
            continue;
        }
        Json object = Json::object();
        add(object, token, token.rank);
        for (std::size_t i = 0; i < token.top.size(); ++i) {
            add(object, token.top[i], static_cast<std::int32_t>(i) + 1);
        }
        list.push_back(std::move(object));
    }
    return list;
}

}  // namespace step3::serving::http
