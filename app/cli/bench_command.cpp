#include "app/cli/bench_command.h"

#include <iostream>
#include <memory>
#include <string>

#include "app/cli/command.h"
#include "app/cli/layer_bench.h"
#include "app/cli/model_bench.h"
#include "app/cli/open_model.h"

namespace step3::cli {
namespace {

struct BenchOptions {
    std::string model, quant = "bf16", load = "auto", layer;
    int threads = 0;
    std::int64_t prompt = 512, decode = 32, batch = 1, depth = 0;
    bool json = false;
};

Json bench(const BenchOptions& options) {
    const model::WeightFormats formats = model::WeightFormats::all(*model::parseWeightFormat(options.quant));
    if (!options.layer.empty()) {
        if (!options.model.empty()) throw UsageError("--layer needs no --model: its weights are arbitrary");
        LayerBenchOptions layer;
        layer.bf16 = options.quant == "bf16";
        if (options.quant != "fp8") layer.formats = formats;  // FP8 is how Step3 is published: nothing to convert
        layer.threads = options.threads;
        layer.batch = options.batch;
        layer.depth = options.depth;
        return benchRealLayers(layer);
    }
    ModelBenchOptions run;
    run.model = modelFolder(options.model);
    run.weights = {*model::parseLoadMode(options.load), formats};
    run.threads = options.threads;
    run.prompt = options.prompt;
    run.decode = options.decode;
    run.batch = options.batch;
    run.depth = options.depth;
    return benchModel(run);
}

}  // namespace

void addBenchCommand(CLI::App& app, int& exitCode) {
    CLI::App* command = app.add_subcommand("bench", "Measure speed and memory of a model on this machine");
    const auto options = std::make_shared<BenchOptions>();
    command->add_option("--model", options->model, "Model folder (default: the model that ships)")->type_name("DIR");
    command
        ->add_option("--quant", options->quant,
                     "Weights in memory: bf16 (as stored), fp8, int8 or int4 (default: bf16)")
        ->check(CLI::IsMember({"bf16", "fp8", "int8", "int4"}))
        ->type_name("FORMAT");
    command->add_option("--load", options->load, "Weights: auto, read into memory or mmap (default: auto)")
        ->check(CLI::IsMember({"auto", "read", "mmap"}))
        ->type_name("MODE");
    command->add_option("--threads", options->threads, "Threads (default: all CPUs this process may use)")
        ->check(wholeNumber(0, 4096))
        ->type_name("N");
    command->add_option("--pp", options->prompt, "Tokens of the prompt, 0: none (default: 512)")
        ->check(wholeNumber(0, 1 << 20))
        ->type_name("N");
    command->add_option("--tg", options->decode, "Steps to decode, 0: none (default: 32)")
        ->check(wholeNumber(0, 1 << 20))
        ->type_name("N");
    command->add_option("--batch", options->batch, "Sequences that decode together (default: 1)")
        ->check(wholeNumber(1, 4096))
        ->type_name("N");
    command->add_option("--depth", options->depth, "Tokens of context of each when decoding starts (default: 0)")
        ->check(wholeNumber(0, 1 << 20))
        ->type_name("N");
    command
        ->add_option("--layer", options->layer,
                     "real: instead of a model, Step3's layers at their full size and what they imply for all 61")
        ->check(CLI::IsMember({"real"}))
        ->type_name("SIZE");
    command->add_flag("--json", options->json, "Print one JSON object");
    command->callback([options, &exitCode] {
        exitCode = runGuarded("step3 bench", [&] {
            const Json report = bench(*options);
            if (options->json)
                std::cout << report.dump() << '\n';
            else
                std::cout << (options->layer.empty() ? modelBenchText(report) : layerBenchText(report));
            return kSuccess;
        });
    });
}

}  // namespace step3::cli
