#include "engine/serving/http/responses_request.h"

#include <algorithm>

#include "engine/serving/http/message_reader.h"
#include "engine/serving/http/responses_answer.h"
#include "engine/serving/http/sampling_fields.h"
#include "engine/serving/http/structured_fields.h"
#include "engine/serving/http/tool_fields.h"

namespace step3::serving::http {

namespace {

constexpr const char* kLogprobsWanted = "message.output_text.logprobs";

/// `input` as messages: turns, past reasoning, calls and what they returned.
class InputReader {
public:
    InputReader(const Fields& body, const ServedModel& model) : body_(body), reader_(model) {}

    std::vector<Message> read() {
        if (const auto instructions = body_.text("instructions")) addText("system", *instructions);
        const Json* input = body_.find("input");
        const std::string path = body_.pathOf("input");
        if (input == nullptr) throw schemaError(path + ": expected a string or an array, found none", path);
        if (input->is_string()) {
            addText("user", input->get<std::string>());
            return std::move(messages_);
        }
        if (!input->is_array()) {
            throw schemaError(path + ": expected a string or an array, found " + kindOf(*input), path);
        }
        if (input->empty()) throw ruleError("input must not be empty", "input");
        for (std::size_t i = 0; i < input->size(); ++i) readItem((*input)[i], path + "." + std::to_string(i));
        return std::move(messages_);
    }

private:
    void addText(const char* role, std::string text) {
        Message message;
        message.role = role;
        message.parts.push_back({Message::Part::Kind::kText, std::move(text), nullptr});
        messages_.push_back(std::move(message));
    }

    void readItem(const Json& json, const std::string& path) {
        if (!json.is_object()) throw schemaError(path + ": expected an object, found " + kindOf(json), path);
        const Fields item(json, path);
        const std::string type = item.text("type").value_or("message");
        if (type == "message") {
            messages_.push_back(reader_.read(json, path));
            if (messages_.back().role == "assistant") takeReasoning(messages_.back());
        } else if (type == "reasoning") {
            readReasoning(item);
        } else if (type == "function_call") {
            readCall(item);
        } else if (type == "function_call_output") {
            const Json* output = item.find("output");
            if (output == nullptr) throw schemaError(path + ".output: expected a string, found none", path + ".output");
            static_cast<void>(item.requiredText("call_id"));
            messages_.push_back(reader_.read(Json{{"role", "tool"}, {"content", *output}}, path));
        } else {
            throw ruleError(path +
                                ".type: expected message, reasoning, function_call or function_call_output, found "
                                "another",
                            path + ".type");
        }
    }

    void readReasoning(const Fields& item) {
        const Json* content = item.array("content");
        if (content == nullptr) return;
        for (std::size_t i = 0; i < content->size(); ++i) {
            const std::string path = item.pathOf("content") + "." + std::to_string(i);
            if (!(*content)[i].is_object()) throw schemaError(path + ": expected an object", path);
            reasoning_ += Fields((*content)[i], path).requiredText("text");
        }
    }

    /// Calls that follow one another, or a text of the assistant, belong to one turn.
    void readCall(const Fields& item) {
        if (messages_.empty() || messages_.back().role != "assistant") {
            messages_.emplace_back().role = "assistant";
            takeReasoning(messages_.back());
        }
        messages_.back().toolCalls.push_back(
            {item.requiredText("call_id"), item.requiredText("name"), item.text("arguments").value_or("{}")});
    }

    void takeReasoning(Message& message) {
        if (!reasoning_.empty()) message.reasoning = std::exchange(reasoning_, {});
    }

    const Fields& body_;
    MessageReader reader_;
    std::vector<Message> messages_;
    std::string reasoning_;  // of the turn that follows
};

/// The tools, which have no "function" member here, in the form that chat requests have.
Json chatTools(const Fields& body) {
    const Json* tools = body.array("tools");
    if (tools == nullptr || tools->empty()) return nullptr;
    Json list = Json::array();
    for (std::size_t i = 0; i < tools->size(); ++i) {
        const std::string path = body.pathOf("tools") + "." + std::to_string(i);
        const Json& json = (*tools)[i];
        if (!json.is_object()) throw schemaError(path + ": expected an object, found " + kindOf(json), path);
        if (Fields(json, path).requiredText("type") != "function") {
            throw ruleError(path + ".type: only \"function\" is supported by this server", "tools");
        }
        Json function = json;
        function.erase("type");
        list.push_back({{"type", "function"}, {"function", std::move(function)}});
    }
    return list;
}

/// The same of `tool_choice`.
Json chatToolChoice(const Fields& body) {
    const Json* choice = body.find("tool_choice");
    if (choice == nullptr || !choice->is_object() || !choice->contains("name")) {
        return choice == nullptr ? Json(nullptr) : *choice;
    }
    return Json{{"type", choice->value("type", Json(nullptr))}, {"function", {{"name", choice->at("name")}}}};
}

/// `text.format` as a chat request's `response_format`.
Json chatFormat(const Fields& body) {
    const auto text = body.object("text");
    const auto format = text ? text->object("format") : std::nullopt;
    if (!format) return nullptr;
    const std::string type = format->requiredText("type");
    if (type != "text" && type != "json_object" && type != "json_schema") {
        throw schemaError(format->pathOf("type") + ": expected text, json_object or json_schema",
                          format->pathOf("type"));
    }
    Json wrapped{{"type", type}};
    if (type == "json_schema") {
        if (format->find("schema") == nullptr) {
            throw ruleError("text.format of type \"json_schema\" needs a schema", "text");
        }
        wrapped["json_schema"] = {{"name", format->requiredText("name")}, {"schema", *format->find("schema")}};
    }
    return wrapped;
}

void refuseStored(const Fields& body) {
    if (const auto previous = body.text("previous_response_id")) {
        throw unknownResponse(*previous, "previous_response_id");
    }
    if (body.boolean("background").value_or(false)) {
        throw ruleError("background needs stored responses, this server stores none", "background");
    }
    for (const char* field : {"conversation", "prompt"}) {
        if (body.find(field) == nullptr) continue;
        throw ruleError(std::string(field) + " is not supported by this server", field);
    }
    static_cast<void>(body.boolean("store"));  // true or not, nothing is stored, and the answer says so
}

void readLogprobs(const Fields& body, ResponseOptions& options, Request& request) {
    const std::int64_t top = body.integer("top_logprobs").value_or(0);
    if (top < 0 || top > kMaxLogprobs) {
        throw outOfRange("top_logprobs", "in [0, " + std::to_string(kMaxLogprobs) + "]", *body.find("top_logprobs"),
                         "top_logprobs");
    }
    const Json* include = body.array("include");
    const bool wanted =
        include != nullptr && std::find(include->begin(), include->end(), kLogprobsWanted) != include->end();
    options.logprobs = wanted || top > 0;
    if (options.logprobs) request.topLogprobs = static_cast<std::int32_t>(top);
}

Json echoedFields(const Fields& body, const ServedModel& model, const Request& request) {
    const auto given = [&](const char* name, Json otherwise) {
        const Json* value = body.find(name);
        return value != nullptr ? *value : std::move(otherwise);
    };
    const auto reasoning = body.object("reasoning");
    Json echoed;
    echoed["background"] = false;
    echoed["instructions"] = given("instructions", nullptr);
    echoed["max_output_tokens"] = given("max_output_tokens", nullptr);
    echoed["max_tool_calls"] = given("max_tool_calls", nullptr);
    echoed["metadata"] = given("metadata", Json::object());
    echoed["model"] = model.name;
    echoed["parallel_tool_calls"] = request.toolChoice.parallel;
    echoed["previous_response_id"] = nullptr;
    echoed["prompt"] = nullptr;
    const Json* effort = reasoning ? reasoning->find("effort") : nullptr;
    echoed["reasoning"] = {{"effort", effort != nullptr ? *effort : Json(nullptr)}, {"summary", nullptr}};
    echoed["service_tier"] = given("service_tier", "auto");
    echoed["store"] = false;
    echoed["temperature"] = request.sampling.temperature;
    echoed["text"] = given("text", Json{{"format", {{"type", "text"}}}});
    echoed["tool_choice"] = given("tool_choice", "auto");
    echoed["tools"] = given("tools", Json::array());
    echoed["top_logprobs"] = given("top_logprobs", 0);
    echoed["top_p"] = request.sampling.topP;
    echoed["truncation"] = given("truncation", "disabled");
    echoed["user"] = given("user", nullptr);
    return echoed;
}

}  // namespace

Ask readResponse(const Fields& body, const ServedModel& model) {
    refuseUnsupported(body);
    refuseStored(body);
    ResponseOptions options;
    Request request;
    request.sampling = readSampling(body, model, "max_output_tokens");
    options.stream = readStream(body).stream;
    readLengths(body, model, request);
    readCommon(body, request);
    readLogprobs(body, options, request);

    const Json chat{{"tools", chatTools(body)},
                    {"tool_choice", chatToolChoice(body)},
                    {"parallel_tool_calls",
                     body.find("parallel_tool_calls") != nullptr ? *body.find("parallel_tool_calls") : Json(nullptr)},
                    {"response_format", chatFormat(body)}};
    const Fields wrapped(chat, "body");
    std::string tools = readTools(wrapped);
    // Clients send the default "auto" with no tools, too.
    if (!tools.empty() || chat["tool_choice"] != "auto") request.toolChoice = readToolChoice(wrapped);
    options.parallelToolCalls = request.toolChoice.parallel;
    if (request.toolChoice.kind != sampling::structured::ToolChoice::Kind::kNone) request.toolsJson = std::move(tools);
    request.structured = readStructuredOutput(wrapped);
    if (const auto reasoning = body.object("reasoning")) {
        if (const auto effort = readEffort(*reasoning, "effort")) request.think = *effort != "none";
    }
    request.messages = InputReader(body, model).read();
    options.echoed = echoedFields(body, model, request);

    Ask ask;
    ask.prompts.push_back(std::move(request));
    if (options.stream) {
        ask.stream = std::make_unique<ResponseStream>(std::move(options));
    } else {
        ask.whole = std::make_unique<ResponseBody>(std::move(options));
    }
    return ask;
}

ApiError unknownResponse(const std::string& id, const std::string& param) {
    return {404, "NotFoundError", "Response with id '" + id + "' not found.", param};
}

}  // namespace step3::serving::http
