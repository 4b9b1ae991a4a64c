#include "engine/serving/http/responses_answer.h"

#include <chrono>
#include <utility>

#include "engine/serving/http/request_id.h"

namespace step3::serving::http {

namespace {

const char* itemStatus(const Finished& end) {
    return end.reason == FinishReason::kLength ? "incomplete" : "completed";
}

Json usageOf(const Usage& usage) {
    Json json;
    json["input_tokens"] = usage.promptTokens;
    json["input_tokens_details"] = {{"cached_tokens", usage.cachedTokens}, {"cache_write_tokens", 0}};
    json["output_tokens"] = usage.completionTokens;
    json["output_tokens_details"] = {{"reasoning_tokens", usage.reasoningTokens}};
    json["total_tokens"] = usage.promptTokens + usage.completionTokens;
    return json;
}

}  // namespace

Json ResponseItems::event(const std::string& type) const {
    return Json{
        {"type", "response." + type}, {"item_id", output_.back().at("id")}, {"output_index", output_.size() - 1}};
}

/// The content of the open item, which is reasoning or a message.
Json ResponseItems::part() const {
    if (open_ == Open::kReasoning) return Json{{"type", "reasoning_text"}, {"text", text_}};
    return Json{{"type", "output_text"}, {"text", text_}, {"annotations", Json::array()}, {"logprobs", logprobs_}};
}

void ResponseItems::open(Open kind, Json item, std::vector<Json>& events) {
    for (Json& end : close("completed")) events.push_back(std::move(end));
    open_ = kind;
    text_.clear();
    logprobs_ = Json::array();
    item["status"] = "in_progress";
    output_.push_back(item);
    events.push_back(
        {{"type", "response.output_item.added"}, {"output_index", output_.size() - 1}, {"item", std::move(item)}});
    if (kind == Open::kCall) return;
    Json added = event("content_part.added");
    added["content_index"] = 0;
    added["part"] = part();
    events.push_back(std::move(added));
}

void ResponseItems::addText(Open kind, const std::string& text, const std::vector<TokenLogprob>& logprobs,
                            std::vector<Json>& events) {
    const bool message = kind == Open::kMessage;
    if (text.empty() && !(message && withLogprobs_ && !logprobs.empty())) return;
    if (open_ != kind) {
        Json item;
        item["id"] = (message ? "msg_" : "rs_") + randomHex();
        item["type"] = message ? "message" : "reasoning";
        if (message) {
            item["role"] = "assistant";
        } else {
            item["summary"] = Json::array();
            item["encrypted_content"] = nullptr;
        }
        item["content"] = Json::array();
        open(kind, std::move(item), events);
    }
    text_ += text;
    Json delta = event(message ? "output_text.delta" : "reasoning_text.delta");
    delta["content_index"] = 0;
    delta["delta"] = text;
    if (message) {
        delta["logprobs"] = Json::array();
        if (withLogprobs_) appendLogprobs(delta["logprobs"], logprobs, false);
        logprobs_.insert(logprobs_.end(), delta["logprobs"].begin(), delta["logprobs"].end());
    }
    events.push_back(std::move(delta));
}

void ResponseItems::addCall(const ToolCallDelta& call, std::vector<Json>& events) {
    if (!parallelToolCalls_ && call.index > 0) return;
    if (open_ != Open::kCall || call.index != callIndex_) {
        Json item;
        item["id"] = "fc_" + randomHex();
        item["type"] = "function_call";
        item["call_id"] = "call_" + randomHex();
        item["name"] = call.name;
        item["arguments"] = "";
        open(Open::kCall, std::move(item), events);
        callIndex_ = call.index;
    }
    if (call.arguments.empty()) return;
    text_ += call.arguments;
    Json delta = event("function_call_arguments.delta");
    delta["delta"] = call.arguments;
    events.push_back(std::move(delta));
}

std::vector<Json> ResponseItems::add(const Event& event) {
    std::vector<Json> events;
    if (const auto* thought = std::get_if<ReasoningDelta>(&event)) {
        addText(Open::kReasoning, thought->text, thought->logprobs, events);
    } else if (const auto* text = std::get_if<TextDelta>(&event)) {
        addText(Open::kMessage, text->text, text->logprobs, events);
    } else if (const auto* call = std::get_if<ToolCallDelta>(&event)) {
        addCall(*call, events);
    } else if (const auto* end = std::get_if<Finished>(&event)) {
        return close(itemStatus(*end));
    }
    return events;
}

std::vector<Json> ResponseItems::close(const char* status) {
    std::vector<Json> events;
    if (open_ == Open::kNone) return events;
    Json& item = output_.back();
    item["status"] = status;
    if (open_ == Open::kCall) {
        item["arguments"] = text_;
        Json done = event("function_call_arguments.done");
        done["name"] = item["name"];
        done["arguments"] = text_;
        events.push_back(std::move(done));
    } else {
        const bool message = open_ == Open::kMessage;
        Json done = event(message ? "output_text.done" : "reasoning_text.done");
        done["content_index"] = 0;
        done["text"] = text_;
        if (message) done["logprobs"] = logprobs_;
        events.push_back(std::move(done));
        Json partDone = event("content_part.done");
        partDone["content_index"] = 0;
        partDone["part"] = part();
        item["content"].push_back(partDone["part"]);
        events.push_back(std::move(partDone));
    }
    events.push_back({{"type", "response.output_item.done"}, {"output_index", output_.size() - 1}, {"item", item}});
    open_ = Open::kNone;
    return events;
}

ResponseFrame::ResponseFrame(Json echoed) : echoed_(std::move(echoed)) {
    const AnswerId id = newAnswerId("resp_", "");
    id_ = id.id;
    created_ = id.created;
}

Json ResponseFrame::json(const char* status, const Json& output, const Json& usage) const {
    Json json{{"id", id_}, {"object", "response"}, {"created_at", created_}, {"status", status}};
    json["error"] = nullptr;
    json["incomplete_details"] = nullptr;
    json.update(echoed_);
    json["output"] = output;
    json["usage"] = usage;
    return json;
}

Json ResponseFrame::json(const Finished& end, const Json& output) const {
    Json whole = json(itemStatus(end), output, usageOf(end.usage));
    if (end.reason == FinishReason::kLength) whole["incomplete_details"] = {{"reason", "max_output_tokens"}};
    return whole;
}

ResponseStream::ResponseStream(ResponseOptions options)
    : frame_(std::move(options.echoed)), items_(options.logprobs, options.parallelToolCalls) {}

std::string ResponseStream::send(Json event) {
    const std::string type = event.at("type");
    event["sequence_number"] = sent_++;
    return "event: " + type + "\n" + sseEvent(event);
}

std::string ResponseStream::sendAll(std::vector<Json> events) {
    std::string out;
    for (Json& event : events) out += send(std::move(event));
    return out;
}

std::string ResponseStream::write(std::size_t, const Event& event) {
    std::string out;
    if (sent_ == 0) {
        const Json begun = frame_.json("in_progress", Json::array(), nullptr);
        for (const char* type : {"response.created", "response.in_progress"}) {
            out += send({{"type", type}, {"response", begun}});
        }
    }
    if (const auto* end = std::get_if<Finished>(&event)) end_ = *end;
    return out + sendAll(items_.add(event));
}

std::string ResponseStream::end() {
    if (end_.reason == FinishReason::kCancelled) {
        return fail(ApiError(503, "ServiceUnavailableError", "the server stopped before the answer ended"));
    }
    const bool cut = end_.reason == FinishReason::kLength;
    return send({{"type", cut ? "response.incomplete" : "response.completed"},
                 {"response", frame_.json(end_, items_.output())}});
}

std::string ResponseStream::fail(const ApiError& error) {
    Json failed = frame_.json("failed", items_.output(), nullptr);
    failed["error"] = {{"code", error.status() >= 500 ? "server_error" : "invalid_prompt"}, {"message", error.what()}};
    return send({{"type", "response.failed"}, {"response", std::move(failed)}});
}

ResponseBody::ResponseBody(ResponseOptions options)
    : frame_(std::move(options.echoed)), items_(options.logprobs, options.parallelToolCalls) {}

void ResponseBody::add(std::size_t, const Event& event) {
    items_.add(event);
    if (const auto* end = std::get_if<Finished>(&event)) end_ = *end;
}

Json ResponseBody::body() {
    return frame_.json(end_, items_.output());
}

}  // namespace step3::serving::http
