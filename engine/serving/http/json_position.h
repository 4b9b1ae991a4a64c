#pragma once

#include <cstddef>
#include <optional>
#include <string_view>

namespace step3::serving::http {

/// Where Python's `json` module, whose positions vLLM reports, finds the first error of a text: the character, from 0,
/// that begins what should not be there. Nothing if it would take the text. Linear in its length.
std::optional<std::size_t> jsonErrorPosition(std::string_view text);

}  // namespace step3::serving::http
