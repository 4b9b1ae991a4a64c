#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <CLI/CLI.hpp>

#include "kernels/attention/kv_format.h"

namespace step3::cli {

/// --kv-memory, --kv-format and --no-prefix-cache of every command that opens a model.
struct KvChoice {
    std::string memory;
    std::string format = "bf16";
    bool noPrefixCache = false;

    /// 0: none was chosen.
    [[nodiscard]] std::uint64_t memoryBytes() const;
    [[nodiscard]] kernels::KvFormat kvFormat() const;
};

/// Bytes of "512M", "1.5G", "8GiB", or of a number alone, which counts GiB; powers of 1024. Absent: no such size.
std::optional<std::uint64_t> parseMemorySize(std::string_view text);

/// Refuses what parseMemorySize does not understand.
extern const CLI::Validator kMemorySize;

/// `choice` must outlive the parsing; `group` is the heading in the help.
void addKvOptions(CLI::App& command, KvChoice& choice, const std::string& group = "Options");

}  // namespace step3::cli
