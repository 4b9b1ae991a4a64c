#pragma once

#include <CLI/CLI.hpp>

namespace step3::cli {

/// Adds `step3 serve`: the OpenAI-compatible server over one model. Its exit status is stored in `exitCode`.
void addServeCommand(CLI::App& app, int& exitCode);

}  // namespace step3::cli
