#pragma once

#include <CLI/CLI.hpp>

namespace step3::cli {

/// Adds `step3 bench`: speed and memory of a model on this machine, or of Step3's layers at their real size. Its exit
/// status is stored in `exitCode`.
void addBenchCommand(CLI::App& app, int& exitCode);

}  // namespace step3::cli
