#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace step3::cli {

/// True if every address of the name is one that only this machine reaches. A name without an address counts as such:
/// listening on it fails with the better message.
bool onlyThisMachine(const std::string& host);

/// API keys, one a line; empty lines and lines that begin with # are left out. Warns in the name of `name` if others
/// can read the file. Throws Error naming the file.
std::vector<std::string> readKeyFile(const std::filesystem::path& file, const std::string& name);

/// API keys of an environment variable, apart by spaces or commas; none if it is not set.
std::vector<std::string> keysOf(const char* variable);

}  // namespace step3::cli
