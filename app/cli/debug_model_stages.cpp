// Stages of `step3 debug` that run the text model: forward, generate.

#include <algorithm>
#include <cmath>
#include <string_view>

#include "app/cli/debug_json.h"
#include "app/cli/debug_model.h"
#include "app/cli/debug_stages.h"
#include "engine/error.h"
#include "engine/sampling/sampler.h"

namespace step3::cli {

namespace {

constexpr std::int64_t kMaxGenerated = 1'000'000;
constexpr std::size_t kPrefillChunk = 256;  // tokens per step, as the scheduler reads prompts

/// Intermediate values of spec debug-cli; the pipeline may show more.
bool isDocumented(std::string_view name) {
    if (name == "final_norm") return true;
    if (!name.starts_with("layer")) return false;
    const std::string_view value = name.substr(std::min(name.find('.'), name.size() - 1) + 1);
    return value == "after_attn" || value == "out" || value == "router_logits" || value == "expert_ids" ||
           value == "expert_weights";
}

/// Logits [V] after the last token of the prompt.
std::vector<float> readPrompt(afd::Pipeline& pipeline, afd::Sequence& sequence, const DebugPrompt& prompt) {
    const std::size_t hidden = prompt.embeddings.size() / prompt.ids.size();
    std::vector<float> logits;
    for (std::size_t begin = 0; begin < prompt.ids.size(); begin += kPrefillChunk) {
        const std::size_t count = std::min(kPrefillChunk, prompt.ids.size() - begin);
        const afd::StepEntry entry{&sequence, std::span(prompt.ids).subspan(begin, count),
                                   std::span(prompt.embeddings).subspan(begin * hidden, count * hidden), false};
        logits = pipeline.step({&entry, 1});
    }
    return logits;
}

/// Largest minus second largest logit.
float topMargin(std::span<const float> logits) {
    float first = -INFINITY;
    float second = -INFINITY;
    for (const float logit : logits) {
        if (logit > first) {
            second = first;
            first = logit;
        } else {
            second = std::max(second, logit);
        }
    }
    return first - second;
}

}  // namespace

TensorFile debugForward(const DebugInput& input) {
    DebugModel model(input.model);
    const DebugPrompt prompt = model.prompt(input.json, input.imageFolder, "");
    const auto tokens = static_cast<std::int64_t>(prompt.ids.size());
    TensorFile out;
    out.addInts("input_ids", {tokens}, prompt.ids);
    out.addFloats("embeds", {tokens, model.config().text.hiddenSize}, prompt.embeddings);
    afd::StepObserver observer;
    observer.floats = [&](std::string_view name, std::span<const float> values, std::int64_t width) {
        const std::vector<std::int64_t> shape{static_cast<std::int64_t>(values.size()) / width, width};
        if (isDocumented(name)) out.addFloats(std::string(name), shape, values);
    };
    observer.ints = [&](std::string_view name, std::span<const std::int32_t> values, std::int64_t width) {
        const std::vector<std::int64_t> shape{static_cast<std::int64_t>(values.size()) / width, width};
        if (isDocumented(name)) out.addInts(std::string(name), shape, values);
    };
    const auto sequence = model.pipeline().newSequence({});
    const afd::StepEntry entry{sequence.get(), prompt.ids, prompt.embeddings, true};
    const auto logits = model.pipeline().step({&entry, 1}, &observer);
    out.addFloats("logits", {tokens, model.config().text.vocabSize}, logits);
    return out;
}

Json debugGenerate(const DebugInput& input) {
    const Json& requests = requiredArray(input.json, "requests");
    const auto maxTokens = integerIn(requiredField(input.json, "max_tokens"), 1, kMaxGenerated, "max_tokens");
    DebugModel model(input.model);
    const model::TextConfig& config = model.config().text;
    Json results = Json::array();
    for (std::size_t i = 0; i < requests.size(); ++i) {
        const std::string where = indexed("requests", i);
        const DebugPrompt prompt = model.prompt(requests[i], input.imageFolder, where);
        const auto promptTokens = static_cast<std::int64_t>(prompt.ids.size());
        if (promptTokens + maxTokens > config.maxPositions) {
            throw Error(ErrorCode::kResourceExhausted, "input: " + where + ": " + std::to_string(promptTokens) +
                                                           " prompt tokens and " + std::to_string(maxTokens) +
                                                           " more, but the context holds " +
                                                           std::to_string(config.maxPositions));
        }
        const auto sequence = model.pipeline().newSequence({});
        sampling::Sampler sampler({}, prompt.ids, config.vocabSize);  // greedy
        std::vector<std::int32_t> tokens;
        std::vector<float> margins;
        std::vector<float> logits = readPrompt(model.pipeline(), *sequence, prompt);
        for (;;) {
            margins.push_back(topMargin(logits));
            tokens.push_back(sampler.sample(logits));
            if (static_cast<std::int64_t>(tokens.size()) == maxTokens) break;
            const afd::StepEntry entry{sequence.get(), std::span(tokens).last(1), {}, false};
            logits = model.pipeline().step({&entry, 1});
        }
        results.push_back({{"prompt_tokens", promptTokens}, {"tokens", tokens}, {"margins", margins}});
    }
    return {{"results", results}};
}

}  // namespace step3::cli
