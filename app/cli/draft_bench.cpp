#include "app/cli/draft_bench.h"

#include <memory>
#include <string>
#include <vector>

#include "app/cli/ask.h"
#include "app/cli/memory_bandwidth.h"
#include "app/cli/open_model.h"

namespace step3::cli {

namespace {

constexpr int kRounds = 5;  // without and with drafts in turn, so that both see the same other load

/// Questions of which the model's own way of answering decides how well they can be guessed.
const char* const kQuestions[] = {"What can you do?", "Tell me about yourself.", "What is seven plus five?",
                                  "How do computers see pictures?", "你能做什么？"};

/// A text that repeats itself, to be gone on with.
const char* const kRepetitive =
    "one two three four five six seven eight nine ten\none two three four five six seven eight nine ten\n"
    "one two three four five six seven eight nine ten\none two three four five six seven eight nine ten\n"
    "one two three four";

struct Speed {
    std::int64_t tokens = 0;  // after each answer's first
    double seconds = 0;
    double cpu = 0;  // of whole answers: prompts are short
    std::uint64_t steps = 0, drafted = 0, accepted = 0;
    std::vector<std::string> texts;

    void add(const Speed& other) {
        tokens += other.tokens;
        seconds += other.seconds;
        cpu += other.cpu;
        steps += other.steps;
        drafted += other.drafted;
        accepted += other.accepted;
        texts.insert(texts.end(), other.texts.begin(), other.texts.end());
    }
    [[nodiscard]] double in(double time) const { return time > 0 ? static_cast<double>(tokens) / time : 0; }
};

Speed answer(Engine& engine, const Request& request) {
    const Metrics before = engine.metrics();
    const double cpu = processCpuSeconds();
    const Answer answer = ask(engine, request, [](const Event&) {});
    if (answer.reason == FinishReason::kCancelled) throw Error(ErrorCode::kCancelled, "stopped");
    const Metrics after = engine.metrics();
    Speed speed;
    speed.tokens = answer.usage.completionTokens - 1;
    speed.seconds = answer.usage.decodeSeconds;
    speed.cpu = processCpuSeconds() - cpu;
    speed.steps = after.steps - before.steps - 1;  // the first token comes with the prompt
    speed.drafted = after.draftTokens - before.draftTokens;
    speed.accepted = after.draftTokensAccepted - before.draftTokensAccepted;
    speed.texts.push_back(answer.reasoning + answer.text);
    return speed;
}

struct Result {
    Speed all, repeat;
    std::string method;

    void add(const Result& other) {
        all.add(other.all);
        repeat.add(other.repeat);
        method = other.method;
    }
};

Result run(const OpenOptions& options, std::int64_t tokens) {
    const auto engine = openModel(options);
    Request request;
    request.sampling.maxTokens = static_cast<std::int32_t>(tokens);
    Request repetitive = request;
    repetitive.rawPrompt = kRepetitive;
    repetitive.sampling.ignoreEos = true;
    Result result;
    answer(*engine, repetitive);  // warm-up
    for (const char* question : kQuestions) {
        request.messages = {{"user", {{Message::Part::Kind::kText, question, nullptr}}, "", {}}};
        result.all.add(answer(*engine, request));
    }
    result.repeat = answer(*engine, repetitive);
    result.all.add(result.repeat);
    result.method = engine->metrics().draftMethod;
    return result;
}

void report(Json& json, const std::string& prefix, const Speed& plain, const Speed& draft) {
    json[prefix + "plain_tokens_per_s"] = plain.in(plain.seconds);
    json[prefix + "plain_tokens_per_s_cpu"] = plain.in(plain.cpu);
    json[prefix + "draft_tokens_per_s"] = draft.in(draft.seconds);
    json[prefix + "draft_tokens_per_s_cpu"] = draft.in(draft.cpu);
    json[prefix + "draft_acceptance"] =
        draft.drafted > 0 ? Json(static_cast<double>(draft.accepted) / static_cast<double>(draft.drafted))
                          : Json(nullptr);
    json[prefix + "draft_tokens_per_step"] =
        draft.steps > 0 ? static_cast<double>(draft.tokens) / static_cast<double>(draft.steps) : 0;
}

}  // namespace

Json benchDrafts(const ModelBenchOptions& options, const DraftOptions& draft) {
    OpenOptions open = engineOptions(options);
    const std::int64_t tokens = options.decode > 0 ? options.decode : kDraftBenchTokens;
    Result plain;
    Result drafted;
    for (int round = 0; round < kRounds; ++round) {
        open.draft.mode = DraftMode::kOff;
        plain.add(run(open, tokens));
        open.draft = draft;
        drafted.add(run(open, tokens));
    }
    if (plain.all.texts != drafted.all.texts) {
        throw Error(ErrorCode::kInternal, "an answer with drafted tokens is not the one without");
    }
    Json json;
    json["draft_method"] = drafted.method;
    report(json, "", plain.all, drafted.all);
    report(json, "repeat_", plain.repeat, drafted.repeat);
    return json;
}

}  // namespace step3::cli
