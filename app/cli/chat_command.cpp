#include "app/cli/chat_command.h"

#include <iostream>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "app/cli/answer_printer.h"
#include "app/cli/command.h"
#include "app/cli/conversation.h"
#include "app/cli/draft_choice.h"
#include "app/cli/interactive_chat.h"
#include "app/cli/kv_choice.h"
#include "app/cli/open_model.h"
#include "app/cli/terminal.h"
#include "app/cli/weight_choice.h"
#include "engine/json.h"

namespace step3::cli {

namespace {

constexpr const char* kName = "step3 chat";
constexpr int kInterrupted = 130;  // as shells say of a program that Ctrl-C ended

struct ChatOptions {
    std::filesystem::path model;
    WeightChoice weights;
    KvChoice kv;
    DraftChoice draft;
    std::vector<std::filesystem::path> images;
    std::optional<std::string> prompt;
    std::optional<std::int32_t> maxTokens;
    std::optional<float> temperature;
    std::optional<std::uint64_t> seed;
    bool noThink = false;
    bool json = false;
};

Request baseRequest(const ChatOptions& options, const Engine& engine) {
    Request request;
    request.sampling = engine.defaultSampling();
    if (options.maxTokens) request.sampling.maxTokens = *options.maxTokens;
    if (options.temperature) request.sampling.temperature = *options.temperature;
    request.sampling.seed = options.seed;
    request.think = !options.noThink;
    return request;
}

Json answerJson(const Answer& answer, const ModelInfo& model) {
    Json usage;
    usage["prompt_tokens"] = answer.usage.promptTokens;
    usage["image_tokens"] = answer.usage.imageTokens;
    usage["cached_tokens"] = answer.usage.cachedTokens;
    usage["completion_tokens"] = answer.usage.completionTokens;
    usage["reasoning_tokens"] = answer.usage.reasoningTokens;
    usage["ttft_s"] = answer.usage.ttftSeconds;
    usage["tpot_s"] = answer.usage.tpotSeconds;
    Json json;
    json["model"] = model.name;
    json["text"] = answer.text;
    json["reasoning"] = answer.reasoning;
    json["finish_reason"] = finishName(answer.reason);
    json["usage"] = std::move(usage);
    return json;
}

std::string readStandardInput() {
    std::string text{std::istreambuf_iterator<char>(std::cin), {}};
    while (!text.empty() && (text.back() == '\n' || text.back() == '\r')) text.pop_back();
    return text;
}

int answerOnce(const ChatOptions& options, Engine& engine, Conversation& conversation, const std::string& question) {
    if (options.json) {
        const Answer answer = conversation.ask(question, [](const Event&) {});
        writeOutput(answerJson(answer, engine.info()).dump(-1, ' ', false, Json::error_handler_t::replace) + "\n");
        return answer.reason == FinishReason::kCancelled ? kInterrupted : kSuccess;
    }
    AnswerPrinter printer;
    const Answer answer = conversation.ask(question, [&](const Event& event) { printer.show(event); });
    printer.finish();
    return answer.reason == FinishReason::kCancelled ? kInterrupted : kSuccess;
}

int chat(const ChatOptions& options) {
    const bool interactive = !options.prompt && isTerminal(Stream::kInput);
    if (interactive && options.json) throw UsageError("--json answers one question: give it with --prompt");
    const std::string question = interactive ? "" : options.prompt ? *options.prompt : readStandardInput();
    if (!interactive && question.empty() && options.images.empty()) {
        throw UsageError("expected a question from --prompt or standard input, found none");
    }
    OpenOptions open;
    open.model = modelFolder(options.model);
    open.weights = options.weights.options();
    open.kvMemoryBytes = options.kv.memoryBytes();
    open.draft = options.draft.options();
    open.kvFormat = options.kv.kvFormat();
    open.prefixCache = !options.kv.noPrefixCache;
    const auto engine = openModel(open);
    Conversation conversation(*engine, baseRequest(options, *engine));
    for (const auto& file : options.images) conversation.attach(file);
    if (!interactive) return answerOnce(options, *engine, conversation, question);
    chatInteractively(conversation, engine->info());
    return kSuccess;
}

}  // namespace

void addChatCommand(CLI::App& app, int& exitCode) {
    const auto options = std::make_shared<ChatOptions>();
    CLI::App* command = app.add_subcommand("chat", "Ask about pictures and text, once or in a conversation");
    command->add_option("--model", options->model, "Model folder (default: the model that ships)")->type_name("DIR");
    command
        ->add_option("--image", options->images,
                     "Picture to ask about: PNG, JPEG, WebP, GIF or BMP; may be given again")
        ->type_name("FILE")
        ->expected(1)
        ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
    command
        ->add_option("--prompt", options->prompt,
                     "The question; without it a conversation on a terminal, else the question is standard input")
        ->type_name("TEXT");
    command->add_option("--max-tokens", options->maxTokens, "Longest answer (default: until it ends by itself)")
        ->type_name("N")
        ->check(wholeNumber(1, INT32_MAX));
    command
        ->add_option("--temperature", options->temperature,
                     "0: always the likeliest word; more: more varied, up to 2 (default: the model's own)")
        ->type_name("T")
        ->check(numberIn(0, 2));
    command->add_option("--seed", options->seed, "Same seed, same answer")->type_name("S")->check(wholeNumber(0));
    addWeightOptions(*command, options->weights);
    addKvOptions(*command, options->kv);
    addDraftOptions(*command, options->draft);
    command->add_flag("--no-think", options->noThink, "Answer at once, without reasoning first");
    command->add_flag("--json", options->json,
                      "Print one JSON object: text, reasoning, finish_reason, usage with ttft_s and tpot_s");
    command->footer(
        "Examples:\n"
        "  step3 chat\n"
        "  step3 chat --image cat.jpg --prompt \"What is on the table?\"\n"
        "  step3 chat --json < question.txt");
    command->callback([options, &exitCode] { exitCode = runGuarded(kName, [&] { return chat(*options); }); });
}

}  // namespace step3::cli
