#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "engine/text/output_parser.h"

namespace step3::text {

inline constexpr std::string_view kThinkEnd = "</think>";
inline constexpr std::string_view kCallsBegin = "<｜tool_calls_begin｜>";
inline constexpr std::string_view kCallsEnd = "<｜tool_calls_end｜>";
inline constexpr std::string_view kCallBegin = "<｜tool_call_begin｜>";
inline constexpr std::string_view kCallEnd = "<｜tool_call_end｜>";
inline constexpr std::string_view kCallSeparator = "<｜tool_sep｜>";
inline constexpr std::string_view kInvokeOpen = "<steptml:invoke name=\"";
inline constexpr std::string_view kInvokeClose = "</steptml:invoke>";
inline constexpr std::string_view kParameterOpen = "<steptml:parameter name=\"";
inline constexpr std::string_view kParameterClose = "</steptml:parameter>";

/// The text without white space at both ends (as Python's str.strip).
std::string_view trimmed(std::string_view text);

/// Name of the first `<steptml:invoke name="...">` in the text, once it is complete.
std::optional<std::string> invokeName(std::string_view text);

/// One `<steptml:invoke>` element with its parameters, values cast by the tool's schema; nothing if there is none.
std::optional<ToolCall> parseInvoke(std::string_view text, const Json& tools);

}  // namespace step3::text
