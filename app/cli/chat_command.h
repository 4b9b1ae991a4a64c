#pragma once

#include <CLI/CLI.hpp>

namespace step3::cli {

/// Adds `step3 chat`: one question, or a conversation on a terminal. Its exit status is stored in `exitCode`.
void addChatCommand(CLI::App& app, int& exitCode);

}  // namespace step3::cli
