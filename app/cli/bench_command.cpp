#include "app/cli/bench_command.h"

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "app/cli/command.h"
#include "app/cli/draft_bench.h"
#include "app/cli/draft_choice.h"
#include "app/cli/image_bench.h"
#include "app/cli/kv_choice.h"
#include "app/cli/layer_bench.h"
#include "app/cli/model_bench.h"
#include "app/cli/open_model.h"
#include "app/cli/weight_choice.h"
#include "engine/model/config.h"

namespace step3::cli {
namespace {

constexpr const char* kName = "step3 bench";

// What is measured where neither --pp nor --tg is given.
constexpr std::int64_t kPrompt = 512;
constexpr std::int64_t kDecode = 128;

struct BenchOptions {
    std::string model, layer;
    WeightChoice weights;
    KvChoice kv;
    DraftChoice draft;
    int threads = 0;
    std::optional<std::int64_t> prompt, decode;
    std::int64_t batch = 1, depth = 0;
    bool formatGiven = false;  // --quant is given
    bool drafts = false;       // --draft is given
    bool draftAlways = false;  // as many tokens as allowed, whatever they cost
    bool image = false;
    bool json = false;
};

Json benchLayers(const BenchOptions& options) {
    if (!options.model.empty()) throw UsageError("--layer needs no --model: its weights are arbitrary");
    LayerBenchOptions layer;
    layer.kvFormat = options.kv.kvFormat();
    layer.threads = options.threads;
    layer.batch = options.batch;
    layer.depth = options.depth;
    std::vector<WeightChoice> choices{options.weights};
    if (!options.formatGiven) {  // as published, and in the smallest format
        choices.push_back(options.weights);
        choices[0].quant = "fp8";
        choices[1].quant = "int4";
    }
    Json report = Json::object();
    for (const WeightChoice& choice : choices) {
        layer.bf16 = choice.quant == "bf16";
        // FP8 is how Step3 is published: nothing to convert.
        layer.formats = choice.quant == "fp8" ? model::WeightFormats() : choice.formats();
        report[choice.quant] = benchRealLayers(layer);
    }
    return report;
}

std::string layersText(const Json& report) {
    std::string text;
    for (const auto& [format, layers] : report.items()) text += format + ": " + layerBenchText(layers);
    return text;
}

Json bench(const BenchOptions& options) {
    ModelBenchOptions run;
    run.model = modelFolder(options.model);
    const model::ModelConfig config = model::loadModelConfig(run.model);
    const bool summary = !options.prompt && !options.decode && !options.drafts;
    run.weights = options.weights.options();
    run.kvMemoryBytes = options.kv.memoryBytes();
    run.kvFormat = options.kv.kvFormat();
    run.prefixCache = !options.kv.noPrefixCache;
    run.threads = options.threads;
    // A model whose context is shorter is measured over half of it.
    run.prompt = summary ? std::min(kPrompt, config.text.maxPositions / 2) : options.prompt.value_or(0);
    run.decode = summary ? std::min(kDecode, config.text.maxPositions / 4) : options.decode.value_or(0);
    run.batch = options.batch;
    run.depth = options.depth;
    // The picture first: opening the model is then measured as a user sees it, and the memory of both counts.
    Json report = Json::object();
    if (options.image || (summary && config.vision)) report = benchImage(run);
    if (options.drafts) {
        DraftOptions draft = options.draft.options();
        draft.always = options.draftAlways;
        report.update(benchDrafts(run, draft));
    }
    report.update(benchModel(run));
    return report;
}

}  // namespace

void addBenchCommand(CLI::App& app, int& exitCode) {
    CLI::App* command = app.add_subcommand("bench", "Measure speed and memory of a model on this machine");
    const auto options = std::make_shared<BenchOptions>();
    command->add_option("--model", options->model, "Model folder (default: the model that ships)")->type_name("DIR");
    addWeightOptions(*command, options->weights);
    addKvOptions(*command, options->kv);
    const CLI::Option* draft = addDraftOptions(*command, options->draft);
    command->add_flag("--draft-always", options->draftAlways, "Guess --draft-tokens ahead, faster or not");
    command->add_option("--threads", options->threads, "Threads (default: all CPUs this process may use)")
        ->check(wholeNumber(0, 4096))
        ->type_name("N");
    command->add_option("--pp", options->prompt, "Read a prompt of N random tokens (default: 0)")
        ->check(wholeNumber(0, 1 << 20))
        ->type_name("N");
    command->add_option("--tg", options->decode, "Decode N steps (default: 0)")
        ->check(wholeNumber(0, 1 << 20))
        ->type_name("N");
    command->add_option("--batch", options->batch, "Sequences that decode together (default: 1)")
        ->check(wholeNumber(1, 4096))
        ->type_name("N");
    command->add_option("--depth", options->depth, "Tokens of context of each when decoding starts (default: 0)")
        ->check(wholeNumber(0, 1 << 20))
        ->type_name("N");
    command->add_flag("--image", options->image, "Ask about a picture too: time to the first token");
    command
        ->add_option("--layer", options->layer,
                     "real: instead of a model, Step3's layers at their full size, in fp8 and int4 or in the format of "
                     "--quant, and what they imply for all 61")
        ->check(oneOf({"real"}))
        ->type_name("SIZE");
    command->add_flag("--json", options->json, "Print one JSON object");
    command->footer(
        "Without --pp and --tg a summary is measured: a prompt of 512 tokens, 128 decoded tokens and,\n"
        "if the model reads pictures, a question about one. With --draft the same prompts are answered\n"
        "with and without guesses, answers of at most --tg tokens (128): both speeds, and how many guesses\n"
        "were right.");
    command->callback([options, draft, quant = command->get_option("--quant"), &exitCode] {
        options->formatGiven = quant->count() > 0;
        options->drafts = draft->count() > 0 || options->draftAlways;
        exitCode = runGuarded(kName, [&] {
            const bool layers = !options->layer.empty();
            const Json report = layers ? benchLayers(*options) : bench(*options);
            writeOutput(options->json ? report.dump() + "\n" : (layers ? layersText(report) : modelBenchText(report)));
            return kSuccess;
        });
    });
}

}  // namespace step3::cli
