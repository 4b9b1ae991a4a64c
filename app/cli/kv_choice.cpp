#include "app/cli/kv_choice.h"

#include <charconv>
#include <cmath>
#include <utility>
#include <vector>

#include "app/cli/command.h"

namespace step3::cli {

namespace {

constexpr double kMostBytes = 0x1p50;

}  // namespace

std::optional<std::uint64_t> parseMemorySize(std::string_view text) {
    double value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc()) return std::nullopt;
    std::string_view unit = text.substr(static_cast<std::size_t>(end - text.data()));
    double scale = 0x1p30;
    if (!unit.empty()) {
        const std::size_t power = std::string_view("KMGT").find(unit.front());
        const std::string_view rest = unit.substr(1);
        if (power == std::string_view::npos || !(rest.empty() || rest == "B" || rest == "iB")) return std::nullopt;
        scale = std::pow(1024.0, static_cast<double>(power + 1));
    }
    const double bytes = value * scale;
    if (!(bytes >= 1) || bytes > kMostBytes) return std::nullopt;
    return static_cast<std::uint64_t>(bytes);
}

std::uint64_t KvChoice::memoryBytes() const {
    return memory.empty() ? 0 : parseMemorySize(memory).value();
}

kernels::KvFormat KvChoice::kvFormat() const {
    return kernels::parseKvFormat(format).value();
}

const CLI::Validator kMemorySize(
    [](std::string& text) {
        if (parseMemorySize(text)) return std::string();
        return "expected a size such as 512M or 8G, found \"" + text + "\"";
    },
    "");

void addKvOptions(CLI::App& command, KvChoice& choice, const std::string& group) {
    command
        .add_option("--kv-memory", choice.memory,
                    "Memory for keys and values, such as 512M or 8G (default: a quarter of what is free)")
        ->type_name("SIZE")
        ->check(kMemorySize)
        ->group(group);
    std::vector<std::string> formats;
    for (const kernels::KvFormat format : kernels::kAllKvFormats) formats.emplace_back(kernels::kvFormatName(format));
    command
        .add_option("--kv-format", choice.format,
                    "Keys and values in memory: f32, bf16, fp8, int8 or int4 (default: bf16)")
        ->type_name("FORMAT")
        ->check(oneOf(std::move(formats)))
        ->group(group);
    command
        .add_flag("--no-prefix-cache", choice.noPrefixCache,
                  "Read every prompt from its start, even if one before began alike")
        ->group(group);
}

}  // namespace step3::cli
