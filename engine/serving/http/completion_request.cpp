#include "engine/serving/http/completion_request.h"

#include "engine/serving/http/completion_response.h"
#include "engine/serving/http/structured_fields.h"

namespace step3::serving::http {

namespace {

constexpr std::size_t kMaxPrompts = 1024;
constexpr std::int32_t kDefaultTokens = 16;

std::vector<std::int32_t> readIds(const Json& list, const std::string& path, const ServedModel& model) {
    std::vector<std::int32_t> ids;
    for (const Json& entry : list) {
        const auto id = asInteger(entry);
        if (!id) throw schemaError(path + ": expected token ids, found " + kindOf(entry), path);
        if (*id < 0 || *id >= model.vocabSize) {
            throw ruleError("Token id " + std::to_string(*id) + " is out of vocabulary", "prompt");
        }
        ids.push_back(static_cast<std::int32_t>(*id));
    }
    if (ids.empty()) throw ruleError("prompt must not be empty", "prompt");
    return ids;
}

void setPrompt(Request& request, const Json& prompt, const std::string& path, const ServedModel& model) {
    if (prompt.is_string()) {
        request.rawPrompt = prompt.get<std::string>();
    } else if (prompt.is_array()) {
        request.promptIds = readIds(prompt, path, model);
    } else {
        throw schemaError(path + ": expected a string or token ids, found " + kindOf(prompt), path);
    }
}

/// `prompt`: a string, strings, token ids or lists of token ids. Each becomes a copy of `request`.
std::vector<Request> readPrompts(const Fields& body, const Request& request, const ServedModel& model) {
    const Json* prompt = body.find("prompt");
    const std::string path = body.pathOf("prompt");
    if (prompt == nullptr || *prompt == "") throw ruleError("prompt must be given and not be empty", "prompt");
    std::vector<Request> prompts;
    const bool several =
        prompt->is_array() && !prompt->empty() && (prompt->front().is_string() || prompt->front().is_array());
    if (!several) {
        prompts.push_back(request);
        setPrompt(prompts[0], *prompt, path, model);
        return prompts;
    }
    if (prompt->size() > kMaxPrompts) {
        throw ruleError("prompt: expected at most " + std::to_string(kMaxPrompts) + " prompts, found " +
                            std::to_string(prompt->size()),
                        "prompt");
    }
    for (std::size_t i = 0; i < prompt->size(); ++i) {
        prompts.push_back(request);
        setPrompt(prompts.back(), (*prompt)[i], path + "." + std::to_string(i), model);
    }
    return prompts;
}

void readLogprobs(const Fields& body, CompletionOptions& options, Request& request) {
    const auto count = body.integer("logprobs");
    if (count && *count < 0) throw outOfRange("logprobs", "at least 0", *body.find("logprobs"), "logprobs");
    if (count && *count > kMaxLogprobs) {
        throw ruleError("Requested sample logprobs of " + std::to_string(*count) +
                            ", which is greater than max allowed: " + std::to_string(kMaxLogprobs),
                        "logprobs");
    }
    options.logprobs = count.has_value();
    if (count) request.topLogprobs = static_cast<std::int32_t>(*count);
    options.tokensAsIds = body.boolean("return_tokens_as_token_ids").value_or(false);
    options.tokenIds = request.tokenIds;
    request.tokenIds = request.tokenIds || options.stream.continuousUsage;
}

}  // namespace

Ask readCompletion(const Fields& body, const ServedModel& model, const std::string& clientId) {
    refuseUnsupported(body);
    if (body.text("suffix").value_or("") != "") throw ruleError("suffix is not currently supported", "suffix");
    CompletionOptions options;
    Request request;
    const bool echo = body.boolean("echo").value_or(false);
    // Scores a prompt; one token is made, as vLLM does, and kept back.
    options.echoOnly = echo && body.integer("max_tokens") == 0;
    request.sampling = options.echoOnly ? readSampling(body, model, nullptr, 1)
                                        : readSampling(body, model, "max_tokens", kDefaultTokens);
    options.choices = readChoices(body, request.sampling);
    const auto bestOf = body.integer("best_of");
    if (bestOf && *bestOf != static_cast<std::int64_t>(options.choices)) {
        throw ruleError("best_of other than n is not supported by this server", "best_of");
    }
    options.stream = readStream(body);
    readLengths(body, model, request);
    readCommon(body, request);
    readLogprobs(body, options, request);
    request.structured = readStructuredOutput(body);
    // What is echoed has log-probabilities like the rest.
    if (echo && options.logprobs) request.promptLogprobs = std::max(request.promptLogprobs, request.topLogprobs);
    options.promptLogprobs = request.promptLogprobs >= 0;

    Ask ask;
    ask.choices = options.choices;
    ask.prompts = readPrompts(body, request, model);
    options.prompts = ask.prompts.size();
    for (const Request& prompt : ask.prompts) {
        if (!echo) break;
        if (prompt.promptIds && !model.tokenizer) throw ruleError("echo of token ids needs a tokenizer", "echo");
        options.echo.push_back(prompt.rawPrompt ? *prompt.rawPrompt : model.tokenizer->decode(*prompt.promptIds, true));
    }
    const AnswerId id = newAnswerId("cmpl-", model.name, readRequestId(body, clientId));
    if (options.stream.stream) {
        ask.stream = std::make_unique<CompletionStream>(options, id);
    } else {
        ask.whole = std::make_unique<CompletionBody>(options, id);
    }
    return ask;
}

}  // namespace step3::serving::http
