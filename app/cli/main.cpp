#include <algorithm>
#include <filesystem>
#include <iostream>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include "app/cli/bench_command.h"
#include "app/cli/chat_command.h"
#include "app/cli/command.h"
#include "app/cli/debug_command.h"
#include "app/cli/eval_command.h"
#include "app/cli/help_formatter.h"
#include "app/cli/inspect_command.h"
#include "app/cli/quantize_command.h"
#include "app/cli/serve_command.h"

namespace {

using namespace step3::cli;

std::string commandNames(const CLI::App& app) {
    std::string names;
    for (const CLI::App* command : app.get_subcommands({})) {
        names += (names.empty() ? "" : ", ") + command->get_name();
    }
    return names;
}

/// The library's own words where they are clear, else the same in the words of this program.
std::string parseMessage(const CLI::App& command, const CLI::ParseError& error) {
    const std::string text = error.what();
    if (const auto rest = command.remaining();
        dynamic_cast<const CLI::ExtrasError*>(&error) != nullptr && !rest.empty()) {
        return (rest.front().starts_with('-') ? "unknown option " : "unexpected argument ") + rest.front();
    }
    if (dynamic_cast<const CLI::ArgumentMismatch*>(&error) != nullptr) {
        const std::string option = text.substr(0, text.find(':'));
        return option + (text.find("At Most") == std::string::npos ? " needs a value" : " takes one value");
    }
    return text;
}

int reportParseError(const CLI::App& app, const CLI::ParseError& error) {
    const auto chosen = app.get_subcommands();
    if (!chosen.empty()) {
        printUsageError("step3 " + chosen.front()->get_name(), parseMessage(*chosen.front(), error));
    } else if (const auto rest = app.remaining(); !rest.empty()) {
        const std::string what = rest.front().starts_with('-') ? "unknown option " : "unknown command ";
        printUsageError("step3", what + rest.front() + "; the commands are " + commandNames(app));
    } else {
        std::cerr << app.help();
    }
    return kUsage;
}

/// The arguments, last first as the parser wants them. A program named step3-bench is `step3 bench` (spec performance
/// section 5).
std::vector<std::string> argumentsOf(int argc, char** argv) {
    std::vector<std::string> arguments(argv + std::min(argc, 1), argv + argc);
    if (argc > 0 && std::filesystem::path(argv[0]).stem() == "step3-bench") {
        arguments.insert(arguments.begin(), "bench");
    }
    std::reverse(arguments.begin(), arguments.end());
    return arguments;
}

}  // namespace

int main(int argc, char** argv) {
    CLI::App app("Answers questions about pictures and text with Step3 vision-language models, on this machine.",
                 "step3");
    app.formatter(std::make_shared<HelpFormatter>());
    app.set_help_flag("-h,--help", "Print this help");
    app.set_version_flag("--version", "step3 " STEP3_VERSION, "Print the version");
    app.require_subcommand(1);
    int exitCode = kSuccess;
    addChatCommand(app, exitCode);
    addInspectCommand(app, exitCode);
    addServeCommand(app, exitCode);
    addQuantizeCommand(app, exitCode);
    addEvalCommand(app, exitCode);
    addBenchCommand(app, exitCode);
    addDebugCommand(app, exitCode);
    // After the commands, which would take it over.
    app.footer("step3 COMMAND --help tells more about each. Exit status: 0, 1 if it failed, 2 for a wrong call.");
    try {
        app.parse(argumentsOf(argc, argv));
    } catch (const CLI::ParseError& error) {
        return error.get_exit_code() == 0 ? app.exit(error) : reportParseError(app, error);
    }
    return exitCode;
}
