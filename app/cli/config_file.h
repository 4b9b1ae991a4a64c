#pragma once

#include <filesystem>

#include <CLI/CLI.hpp>

namespace step3::cli {

/// Sets the options of `command` that the command line left out from a file of lines `name = value` (TOML): the names
/// are those of the options without the dashes, lists are written ["a", "b"], switches true or false. Throws Error
/// naming the file and the line's name.
void applyConfigFile(CLI::App& command, const std::filesystem::path& file);

}  // namespace step3::cli
