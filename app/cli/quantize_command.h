#pragma once

#include <CLI/CLI.hpp>

namespace step3::cli {

/// Adds `step3 quantize`: a copy of a checkpoint with smaller weights (engine/model/quantize.h). Its exit status is
/// stored in `exitCode`.
void addQuantizeCommand(CLI::App& app, int& exitCode);

}  // namespace step3::cli
