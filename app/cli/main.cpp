#include <CLI/CLI.hpp>
#include <iostream>

#include "app/cli/debug_command.h"
#include "engine/error.h"

int main(int argc, char** argv) {
    CLI::App app("Answers questions about pictures and text with Step3 vision-language models.", "step3");
    app.set_version_flag("--version", "step3 " STEP3_VERSION);
    app.require_subcommand(1);
    int exitCode = 0;
    step3::cli::addDebugCommand(app, exitCode);
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        return error.get_exit_code() == 0 ? app.exit(error) : (app.exit(error), 2);
    }
    return exitCode;
}
