#pragma once

#include <CLI/CLI.hpp>

namespace step3::cli {

/// Adds `step3 eval`: how near a quantised model comes to the one it is made from. Its exit status is stored in
/// `exitCode`.
void addEvalCommand(CLI::App& app, int& exitCode);

}  // namespace step3::cli
