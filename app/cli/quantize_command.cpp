#include "app/cli/quantize_command.h"

#include <algorithm>
#include <chrono>
#include <memory>
#include <string>

#include "app/cli/command.h"
#include "app/cli/interrupt.h"
#include "app/cli/number_text.h"
#include "app/cli/open_model.h"
#include "app/cli/progress_line.h"
#include "engine/model/quantize.h"

namespace step3::cli {
namespace {

constexpr const char* kName = "step3 quantize";
constexpr int kInterrupted = 130;  // as shells say of a program that Ctrl-C ended

struct QuantizeCommandOptions {
    std::string model, out, format;
    std::string experts, attention;  // empty: as `format` says
    std::int64_t group = 32;
    int jobs = 0;
    std::uint64_t shardMib = 4096;
};

model::WeightFormats formatsOf(const QuantizeCommandOptions& options) {
    model::WeightFormats formats = *model::parseWeightFormats(options.format);
    if (!options.experts.empty()) formats.experts = *model::parseWeightFormat(options.experts);
    if (!options.attention.empty()) formats.attention = *model::parseWeightFormat(options.attention);
    return formats;
}

/// ", 3 min left" by the pace so far; what earlier runs finished does not count.
class TimeLeft {
public:
    std::string text(const model::QuantizeProgress& progress) const {
        const double written = static_cast<double>(progress.bytesDone - progress.bytesKept);
        const std::chrono::duration<double> spent = std::chrono::steady_clock::now() - start_;
        if (written <= 0 || spent.count() < 1) return {};
        const double left = spent.count() / written * static_cast<double>(progress.bytesTotal - progress.bytesDone);
        if (left < 90) return ", " + std::to_string(static_cast<int>(left) + 1) + " s left";
        if (left < 5400) return ", " + std::to_string(static_cast<int>(left / 60) + 1) + " min left";
        return ", " + numberText(left / 3600, 2) + " h left";
    }

private:
    std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

int quantize(const QuantizeCommandOptions& command) {
    model::QuantizeOptions options;
    options.source = modelFolder(command.model);
    options.target = command.out;
    options.groups = {formatsOf(command), command.group};
    options.shardBytes = command.shardMib << 20U;
    kernels::ThreadPool pool(command.jobs);
    const InterruptGuard interrupt;
    std::stop_source stop;
    model::QuantizeReport report;
    {
        ProgressLine line("Quantising " + folderName(options.source));
        const TimeLeft time;
        const auto show = [&](const model::QuantizeProgress& progress) {
            if (interrupt.raised()) stop.request_stop();
            const double total = std::max(1.0, static_cast<double>(progress.bytesTotal));
            line.show(static_cast<double>(progress.bytesDone) / total, time.text(progress));
        };
        try {
            report = model::quantizeCheckpoint(options, pool, show, stop.get_token());
        } catch (const Error& error) {
            if (error.code() != ErrorCode::kCancelled) throw;
            line.clear();
            printError(kName, "interrupted; the same command goes on from here");
            return kInterrupted;
        }
    }
    std::string text = folderName(options.target) + ": " + bytesText(report.targetBytes) + " of weights (" +
                       folderName(options.source) + " has " + bytesText(report.sourceBytes) + ") in " +
                       std::to_string(report.files) + (report.files == 1 ? " file" : " files");
    if (report.filesKept > 0) text += ", " + std::to_string(report.filesKept) + " of them kept from an earlier run";
    writeOutput(text + "\n");
    return kSuccess;
}

}  // namespace

void addQuantizeCommand(CLI::App& app, int& exitCode) {
    const auto options = std::make_shared<QuantizeCommandOptions>();
    CLI::App* command = app.add_subcommand("quantize", "Write a copy of a model whose weights take 8 or 4 bits");
    command->add_option("--model", options->model, "Model folder (default: the model that ships)")->type_name("DIR");
    command->add_option("--out", options->out, "Folder for the copy: new, empty, or left by an earlier run")
        ->type_name("DIR")
        ->required();
    command->add_option("--format", options->format, "int8, int4, or mixed: experts int4, everything else int8")
        ->type_name("FORMAT")
        ->required()
        ->check(oneOf({"int8", "int4", "mixed"}));
    command->add_option("--experts", options->experts, "Routed experts: int8, int4, or bf16 (as stored) instead")
        ->type_name("FORMAT")
        ->check(oneOf({"int8", "int4", "bf16"}));
    command
        ->add_option("--attention", options->attention,
                     "Attention, dense and shared FFN: int8, int4, or bf16 (as stored) instead")
        ->type_name("FORMAT")
        ->check(oneOf({"int8", "int4", "bf16"}));
    command->add_option("--group", options->group, "Weights that share a scale: 32, 64 or 128 (default: 32)")
        ->type_name("N")
        ->check(oneOf({"32", "64", "128"}));
    command->add_option("--jobs", options->jobs, "Threads (default: all CPUs this process may use)")
        ->type_name("N")
        ->check(wholeNumber(0, 4096));
    command->add_option("--shard", options->shardMib, "Most MiB of a file of weights (default: 4096)")
        ->type_name("MIB")
        ->check(wholeNumber(1, 1 << 20));
    command->footer(
        "Embeddings, norms, the router and the vision part stay as they are; the LM head takes 8 bits.\n"
        "Memory stays small whatever the model's size. Ctrl-C or a crash loses at most the file that was\n"
        "being written: the same command goes on. step3 eval tells what the copy is worth.");
    command->callback([options, &exitCode] { exitCode = runGuarded(kName, [&] { return quantize(*options); }); });
}

}  // namespace step3::cli
