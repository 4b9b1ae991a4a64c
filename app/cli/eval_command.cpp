#include "app/cli/eval_command.h"

#include <memory>
#include <string>

#include "app/cli/command.h"
#include "app/cli/evaluation.h"
#include "app/cli/open_model.h"
#include "app/cli/progress_line.h"
#include "app/cli/weight_choice.h"

namespace step3::cli {
namespace {

constexpr const char* kName = "step3 eval";

struct EvalCommandOptions {
    EvaluationOptions evaluation;
    WeightChoice weights;
    bool json = false;
};

int eval(EvalCommandOptions& options) {
    EvaluationOptions& run = options.evaluation;
    run.model = modelFolder(run.model);
    run.reference = modelFolder(run.reference);
    run.weights = options.weights.options();
    std::vector<Agreement> sets;
    {
        ProgressLine line("Comparing " + folderName(run.model) + " with " + folderName(run.reference));
        sets = evaluate(run, [&](double fraction) { line.show(fraction); });
    }
    writeOutput(options.json ? evaluationJson(sets).dump(-1, ' ', false, Json::error_handler_t::replace) + "\n"
                             : evaluationText(sets));
    return kSuccess;
}

}  // namespace

void addEvalCommand(CLI::App& app, int& exitCode) {
    const auto options = std::make_shared<EvalCommandOptions>();
    CLI::App* command = app.add_subcommand("eval", "Compare a quantised model with the one it is made from");
    EvaluationOptions& run = options->evaluation;
    command->add_option("--model", run.model, "Model folder (default: the model that ships)")->type_name("DIR");
    command->add_option("--reference", run.reference, "What it is compared with (default: the model that ships)")
        ->type_name("DIR");
    command->add_option("--text", run.texts, "UTF-8 text to read; may be given again (default: texts built in)")
        ->type_name("FILE")
        ->expected(1)
        ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
    command->add_option("--image", run.images, "Picture for the reference to describe; may be given again")
        ->type_name("FILE")
        ->expected(1)
        ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
    addWeightOptions(*command, options->weights);
    command->add_flag("--json", options->json, "Print one JSON object");
    command->footer(
        "Both models read the same tokens; KL is how much the model's distribution of the next token differs\n"
        "from the reference's, in nats: below 0.01 hardly anybody notices, above 0.1 answers change.\n"
        "Without a copy on disk: step3 eval --quant int4 compares the model with itself at 4 bits.");
    command->callback([options, &exitCode] { exitCode = runGuarded(kName, [&] { return eval(*options); }); });
}

}  // namespace step3::cli
