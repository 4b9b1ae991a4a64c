#pragma once

#include <array>
#include <string_view>

namespace step3::text {

/// The markup tokens of the model (spec step3-model section 7.1). A tokenizer file may lack some, or list some of them
/// as ordinary tokens.
inline constexpr std::array<std::string_view, 15> kMarkupNames{
    "<im_start>",
    "<im_patch>",
    "<im_end>",
    "<patch_start>",
    "<patch_end>",
    "<patch_newline>",
    "<think>",
    "</think>",
    "<|BOT|>",
    "<|EOT|>",
    "<｜tool_calls_begin｜>",
    "<｜tool_calls_end｜>",
    "<｜tool_call_begin｜>",
    "<｜tool_call_end｜>",
    "<｜tool_sep｜>",
};

}  // namespace step3::text
