#pragma once

#include <string>
#include <vector>

#include <CLI/CLI.hpp>

namespace step3::cli {

/// Adds `step3 debug STAGE --model DIR [--in FILE] [--out FILE]` (spec debug-cli). Its exit status is stored in
/// `exitCode`.
void addDebugCommand(CLI::App& app, int& exitCode);

/// The command itself, `arguments` without "debug". Returns the exit status: 0, or 1 with one line on standard error,
/// nothing on standard output and no output file.
int runDebug(std::vector<std::string> arguments);

}  // namespace step3::cli
