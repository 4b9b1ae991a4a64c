#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string_view>

#include "engine/error.h"

// What every fuzzer shares: the input as text, and what counts as a defect beside a crash.

namespace step3::fuzz {

inline std::string_view textOf(const std::uint8_t* data, std::size_t size) {
    return {reinterpret_cast<const char*>(data), size};
}

/// Ends the program with a message if `condition` does not hold.
inline void require(bool condition, const char* what) {
    if (condition) return;
    std::fprintf(stderr, "property does not hold: %s\n", what);
    std::abort();
}

/// Runs `action`; a refusal by Error is fine if its message is one line. Anything else that is thrown is a defect.
template <typename Action>
bool accepts(Action action) {
    try {
        action();
        return true;
    } catch (const Error& error) {
        const std::string_view message = error.what();
        require(!message.empty() && message.find('\n') == std::string_view::npos, "an error is one line of text");
        return false;
    }
}

}  // namespace step3::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);
