#include "app/cli/inspect_command.h"

#include <memory>
#include <string>

#include "app/cli/command.h"
#include "app/cli/inspection.h"
#include "app/cli/kernel_report.h"
#include "app/cli/open_model.h"

namespace step3::cli {

namespace {

constexpr const char* kName = "step3 inspect";

struct InspectOptions {
    std::filesystem::path model;
    bool kernels = false;
    bool json = false;
};

int runInspect(const InspectOptions& options) {
    const bool model = !options.kernels || !options.model.empty();
    Json json = Json::object();
    std::string text;
    if (model) {
        const Inspection inspection = inspect(modelFolder(options.model));
        json = inspectionJson(inspection);
        text = inspectionText(inspection);
    }
    if (options.kernels) {
        json["kernels"] = kernelReportJson();
        text += (model ? "\n" : "") + kernelReportText();
    }
    writeOutput(options.json ? json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n" : text);
    return kSuccess;
}

}  // namespace

void addInspectCommand(CLI::App& app, int& exitCode) {
    const auto options = std::make_shared<InspectOptions>();
    CLI::App* command = app.add_subcommand("inspect", "Tell what a model is and needs, and what this machine has");
    command->add_option("--model", options->model, "Model folder (default: the model that ships)")->type_name("DIR");
    command->add_flag("--kernels", options->kernels,
                      "The instruction sets and kernels of this program instead (with --model: too)");
    command->add_flag("--json", options->json, "Print one JSON object, sizes in bytes");
    command->footer("Reads headers only, so it is quick for models of any size.");
    command->callback([options, &exitCode] { exitCode = runGuarded(kName, [&] { return runInspect(*options); }); });
}

}  // namespace step3::cli
