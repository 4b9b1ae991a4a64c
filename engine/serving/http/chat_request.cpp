#include "engine/serving/http/chat_request.h"

#include <limits>

#include "engine/serving/http/chat_response.h"
#include "engine/serving/http/message_reader.h"
#include "engine/serving/http/structured_fields.h"
#include "engine/serving/http/tool_fields.h"

namespace step3::serving::http {

namespace {

/// With `echo`, the text of a last turn of the assistant, which the answer goes on from.
std::string echoText(const Fields& body, const Request& request) {
    std::string text;
    if (!body.boolean("echo").value_or(false) || request.messages.back().role != "assistant") return text;
    for (const Message::Part& part : request.messages.back().parts) text += part.text;
    return text;
}

void readLogprobs(const Fields& body, ChatOptions& options, Request& request) {
    options.logprobs = body.boolean("logprobs").value_or(false);
    const std::int64_t top = body.integer("top_logprobs").value_or(0);
    if (top < -1) {
        throw outOfRange("top_logprobs", "at least 0, or -1 for all", *body.find("top_logprobs"), "top_logprobs");
    }
    if (top != 0 && !options.logprobs) {
        throw ruleError("when using `top_logprobs`, `logprobs` must be set to true.", "top_logprobs");
    }
    if (top > kMaxLogprobs || top == -1) {
        throw ruleError("Requested sample logprobs of " + (top == -1 ? std::string("all") : std::to_string(top)) +
                            ", which is greater than max allowed: " + std::to_string(kMaxLogprobs),
                        "logprobs");
    }
    options.tokensAsIds = body.boolean("return_tokens_as_token_ids").value_or(false);
    options.promptIds = request.tokenIds;
    // What is left out of the text is not told token by token either.
    options.logprobs = options.logprobs && options.includeReasoning;
    options.tokenIds = request.tokenIds && options.includeReasoning;
    if (options.logprobs) request.topLogprobs = static_cast<std::int32_t>(top);
    // The deltas' ids tell how many tokens they hold.
    request.tokenIds = request.tokenIds || options.stream.continuousUsage;
    options.promptLogprobs = request.promptLogprobs >= 0;
}

}  // namespace

void readTemplate(const Fields& body, Request& request) {
    if (const auto effort = readEffort(body, "reasoning_effort")) request.think = *effort != "none";
    if (const auto options = body.object("chat_template_kwargs")) {
        request.think =
            options->boolean("enable_thinking").value_or(options->boolean("thinking").value_or(request.think));
    }
    request.addGenerationPrompt = body.boolean("add_generation_prompt").value_or(true);
    request.continueFinalMessage = body.boolean("continue_final_message").value_or(false);
    if (request.continueFinalMessage && request.addGenerationPrompt) {
        throw ruleError("Cannot set both `continue_final_message` and `add_generation_prompt` to True.");
    }
    if (const auto budget = body.integer("thinking_token_budget")) {
        if (*budget < -1 || *budget > std::numeric_limits<std::int32_t>::max()) {
            throw outOfRange("thinking_token_budget", "at least 0, or -1 for no limit",
                             *body.find("thinking_token_budget"), "thinking_token_budget");
        }
        request.thinkingBudget = static_cast<std::int32_t>(*budget);
    }
}

Ask readChat(const Fields& body, const ServedModel& model, const std::string& clientId) {
    refuseUnsupported(body);
    if (body.find("max_completion_tokens") != nullptr && body.integer("max_tokens").value_or(1) < 1) {  // else unread
        throw outOfRange("max_tokens", "at least 1", *body.find("max_tokens"), "max_tokens");
    }
    ChatOptions options;
    Request request;
    request.sampling = readSampling(
        body, model, body.find("max_completion_tokens") != nullptr ? "max_completion_tokens" : "max_tokens");
    options.choices = readChoices(body, request.sampling);
    options.stream = readStream(body);
    readLengths(body, model, request);
    readCommon(body, request);
    options.includeReasoning = body.boolean("include_reasoning").value_or(true);
    readLogprobs(body, options, request);
    std::string tools = readTools(body);
    request.toolChoice = readToolChoice(body);
    options.namedTool = request.toolChoice.kind == sampling::structured::ToolChoice::Kind::kNamed;
    if (options.namedTool) request.toolChoice.parallel = false;  // one call was named
    options.parallelToolCalls = request.toolChoice.parallel;
    if (request.toolChoice.kind != sampling::structured::ToolChoice::Kind::kNone) request.toolsJson = std::move(tools);
    request.structured = readStructuredOutput(body);
    if (options.namedTool && body.find("structured_outputs") != nullptr) {
        throw ruleError("structured_outputs and a tool that is called by name exclude each other");
    }
    readTemplate(body, request);
    request.messages = readMessages(body, model);
    options.echo = echoText(body, request);

    Ask ask;
    ask.choices = options.choices;
    ask.prompts.push_back(std::move(request));
    const AnswerId id = newAnswerId("chatcmpl-", model.name, readRequestId(body, clientId));
    if (options.stream.stream) {
        ask.stream = std::make_unique<ChatStream>(options, id);
    } else {
        ask.whole = std::make_unique<ChatBody>(options, id);
    }
    return ask;
}

}  // namespace step3::serving::http
