#pragma once

#include <CLI/CLI.hpp>

namespace step3::cli {

/// Adds `step3 inspect`: what a checkpoint is and needs, before anything is loaded. Its exit status is stored in
/// `exitCode`.
void addInspectCommand(CLI::App& app, int& exitCode);

}  // namespace step3::cli
