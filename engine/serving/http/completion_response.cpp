#include "engine/serving/http/completion_response.h"

#include "engine/utf8.h"

namespace step3::serving::http {

void CompletionLogprobs::add(const std::vector<TokenLogprob>& tokens) {
    if (tokens.empty()) return;
    if (columns_.is_null()) {
        for (const char* column : {"text_offset", "token_logprobs", "tokens", "top_logprobs"}) {
            columns_[column] = Json::array();
        }
    }
    for (const TokenLogprob& token : tokens) {
        const std::string text = tokenText(token, asIds_);
        columns_["text_offset"].push_back(offset_);
        columns_["tokens"].push_back(text);
        if (token.rank == 0 && token.top.empty()) {  // the first token of a prompt follows nothing
            columns_["token_logprobs"].push_back(nullptr);
            columns_["top_logprobs"].push_back(nullptr);
        } else {
            columns_["token_logprobs"].push_back(finiteLogprob(token.logprob));
            Json top;
            top[text] = finiteLogprob(token.logprob);
            for (const TokenLogprob& other : token.top) top[tokenText(other, asIds_)] = finiteLogprob(other.logprob);
            columns_["top_logprobs"].push_back(std::move(top));
        }
        offset_ += characterCount(validUtf8(token.bytes));  // as it is sent
    }
}

Json CompletionLogprobs::take() {
    return std::exchange(columns_, nullptr);
}

CompletionStream::CompletionStream(CompletionOptions options, AnswerId id)
    : options_(std::move(options)),
      frame_(sseFrame(id, "text_completion")),
      choices_(options_.prompts * options_.choices,
               Choice{false, {}, CompletionLogprobs(options_.tokensAsIds), {}, {}}),
      usage_(options_.choices) {}

std::string CompletionStream::chunk(std::size_t index, const std::string& text, const std::vector<std::int32_t>& ids,
                                    const Finished* end) {
    Choice& from = choices_[index];
    std::string out = frame_;
    out.append("{\"index\":").append(std::to_string(index)).append(",\"text\":");
    appendJsonString(out, text);
    out.append(",\"logprobs\":").append(options_.logprobs ? jsonText(from.logprobs.take()) : "null");
    if (end != nullptr) {
        out.append(",\"finish_reason\":\"").append(finishName(end->reason)).append("\",\"stop_reason\":");
        out += jsonText(stopReason(*end));
    } else {
        out += ",\"finish_reason\":null,\"stop_reason\":null";
    }
    if (options_.tokenIds) {
        out += ",\"token_ids\":";
        appendIds(out, ids);
        if (!from.promptIds.empty()) {
            out += ",\"prompt_token_ids\":";
            appendIds(out, std::exchange(from.promptIds, {}));
        }
    }
    out += "}]";
    if (end != nullptr && !options_.stream.includeUsage) out += kFingerprintMember;
    if (options_.stream.continuousUsage) out.append(",\"usage\":").append(jsonText(usageJson(from.running)));
    return out += "}\n\n";
}

std::string CompletionStream::delta(std::size_t index, const std::string& text,
                                    const std::vector<TokenLogprob>& logprobs, const std::vector<std::int32_t>& ids) {
    Choice& choice = choices_[index];
    std::string out;
    if (!std::exchange(choice.begun, true) && !options_.echo.empty()) {
        if (options_.logprobs) choice.logprobs.add(std::exchange(choice.promptLogprobs, {}));
        out = chunk(index, options_.echo[index / options_.choices], {});
    }
    if (options_.echoOnly) return out;
    choice.running.completionTokens += static_cast<std::int32_t>(ids.size());
    if (options_.logprobs) choice.logprobs.add(logprobs);
    if (text.empty() && !(options_.logprobs && !logprobs.empty()) && !(options_.tokenIds && !ids.empty())) return out;
    return out + chunk(index, text, ids);
}

std::string CompletionStream::write(std::size_t index, const Event& event) {
    Choice& choice = choices_[index];
    if (const auto* progress = std::get_if<PrefillProgress>(&event)) {
        choice.running.promptTokens = progress->total;
        if (options_.tokenIds && !progress->tokenIds.empty()) choice.promptIds = progress->tokenIds;
        choice.promptLogprobs.insert(choice.promptLogprobs.end(), progress->logprobs.begin(), progress->logprobs.end());
        return {};
    }
    if (const auto* text = std::get_if<TextDelta>(&event))
        return delta(index, text->text, text->logprobs, text->tokenIds);
    if (const auto* thought = std::get_if<ReasoningDelta>(&event)) {
        return delta(index, thought->text, thought->logprobs, thought->tokenIds);
    }
    if (const auto* end = std::get_if<Finished>(&event)) {
        std::string out = delta(index, "", {}, {});
        choice.running = end->usage;
        usage_.add(index, end->usage);
        return out + chunk(index, "", {}, end);
    }
    return {};
}

std::string CompletionStream::end() {
    std::string out;
    if (options_.stream.includeUsage) {
        out = frame_ + "]" + kFingerprintMember + ",\"usage\":" + jsonText(usageJson(usage_.total())) + "}\n\n";
    }
    return out + kSseDone;
}

std::string CompletionStream::fail(const ApiError& error) {
    return sseEvent(error.json()) + kSseDone;
}

CompletionBody::CompletionBody(CompletionOptions options, AnswerId id)
    : options_(std::move(options)),
      id_(std::move(id)),
      choices_(options_.prompts * options_.choices,
               Choice{{}, CompletionLogprobs(options_.tokensAsIds), {}, {}, {}, {}}),
      usage_(options_.choices) {}

void CompletionBody::addText(Choice& choice, const std::string& text, const std::vector<TokenLogprob>& logprobs,
                             const std::vector<std::int32_t>& ids) {
    if (options_.logprobs && !std::exchange(choice.promptAdded, true) && !options_.echo.empty()) {
        choice.logprobs.add(choice.promptLogprobs);
    }
    if (options_.echoOnly) return;
    choice.text += text;
    choice.tokenIds.insert(choice.tokenIds.end(), ids.begin(), ids.end());
    if (options_.logprobs) choice.logprobs.add(logprobs);
}

void CompletionBody::add(std::size_t index, const Event& event) {
    Choice& choice = choices_[index];
    if (const auto* progress = std::get_if<PrefillProgress>(&event)) {
        if (!progress->tokenIds.empty()) choice.promptIds = progress->tokenIds;
        choice.promptLogprobs.insert(choice.promptLogprobs.end(), progress->logprobs.begin(), progress->logprobs.end());
    } else if (const auto* text = std::get_if<TextDelta>(&event)) {
        addText(choice, text->text, text->logprobs, text->tokenIds);
    } else if (const auto* thought = std::get_if<ReasoningDelta>(&event)) {
        addText(choice, thought->text, thought->logprobs, thought->tokenIds);
    } else if (const auto* end = std::get_if<Finished>(&event)) {
        choice.end = *end;
        usage_.add(index, end->usage);
    }
}

Json CompletionBody::body() {
    Json json;
    json["id"] = id_.id;
    json["object"] = "text_completion";
    json["created"] = id_.created;
    json["model"] = id_.model;
    json["choices"] = Json::array();
    for (std::size_t i = 0; i < choices_.size(); ++i) {
        Choice& from = choices_[i];
        Json choice;
        choice["index"] = i;
        choice["text"] = (options_.echo.empty() ? std::string() : options_.echo[i / options_.choices]) + from.text;
        choice["logprobs"] = from.logprobs.take();
        choice["finish_reason"] = finishName(from.end.reason);
        choice["stop_reason"] = stopReason(from.end);
        choice["token_ids"] = options_.tokenIds ? Json(from.tokenIds) : Json(nullptr);
        choice["prompt_logprobs"] = options_.promptLogprobs ? promptLogprobsJson(from.promptLogprobs) : Json(nullptr);
        choice["prompt_token_ids"] = options_.tokenIds ? Json(from.promptIds) : Json(nullptr);
        json["choices"].push_back(std::move(choice));
    }
    json["service_tier"] = nullptr;
    json["system_fingerprint"] = kFingerprint;
    json["usage"] = usageJson(usage_.total());
    json["kv_transfer_params"] = nullptr;
    return json;
}

}  // namespace step3::serving::http
