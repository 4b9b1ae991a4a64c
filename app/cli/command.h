#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include <CLI/CLI.hpp>

#include "engine/error.h"

namespace step3::cli {

// Exit statuses of every command but debug, which has its own rules (spec debug-cli).
inline constexpr int kSuccess = 0;
inline constexpr int kFailure = 1;
inline constexpr int kUsage = 2;

/// The command line asks for what cannot be: exit status 2 and a pointer to the help.
class UsageError : public Error {
public:
    explicit UsageError(const std::string& message) : Error(ErrorCode::kInvalidArgument, message) {}
};

/// Runs a command's body; what it throws becomes one line on standard error. `name` as in "step3 serve". Returns the
/// exit status.
int runGuarded(const std::string& name, const std::function<int()>& body);

/// "step3 serve: MESSAGE" on standard error, always one line whatever the message holds.
void printError(const std::string& name, const std::string& message);
void printUsageError(const std::string& name, const std::string& message);
void printWarning(const std::string& name, const std::string& message);

/// Writes to standard output. Throws Error kIo if it takes no more.
void writeOutput(const std::string& text);

/// Checks of option values; the message names the range and what was found.
CLI::Validator wholeNumber(std::int64_t low, std::int64_t high = INT64_MAX);
CLI::Validator numberIn(double low, double high);
CLI::Validator oneOf(std::vector<std::string> words);

}  // namespace step3::cli
