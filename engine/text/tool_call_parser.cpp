#include "engine/text/tool_call_parser.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cmath>

#include "engine/text/python_json.h"

namespace step3::text {
namespace {

/// JSON schema type of a parameter, empty if the tools say nothing about it.
std::string parameterType(const Json& tools, const std::string& tool, const std::string& parameter) {
    if (!tools.is_array()) return {};
    for (const Json& item : tools) {
        if (!item.is_object()) continue;
        const Json& function = item.contains("function") ? item["function"] : item;
        if (!function.is_object() || function.value("name", Json()) != tool) continue;
        const Json* at = &function;
        for (const char* key : {"parameters", "properties"}) {
            if (!at->is_object() || !at->contains(key)) return {};
            at = &(*at)[key];
        }
        if (!at->is_object() || !at->contains(parameter)) return {};
        const Json& schema = (*at)[parameter];
        if (!schema.is_object() || !schema.contains("type") || !schema["type"].is_string()) return {};
        return schema["type"].get<std::string>();
    }
    return {};
}

/// The value by its schema type; a value that does not fit stays a string.
Json cast(const std::string& value, const std::string& type) {
    std::string lower = value;
    std::transform(lower.begin(), lower.end(), lower.begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    const std::string_view digits =
        value.starts_with('+') ? std::string_view(value).substr(1) : std::string_view(value);
    const char* end = digits.data() + digits.size();
    if (type == "integer") {
        std::int64_t number = 0;
        const auto result = std::from_chars(digits.data(), end, number);
        if (result.ec == std::errc() && result.ptr == end) return number;
    } else if (type == "number") {
        double number = 0;
        const auto result = std::from_chars(digits.data(), end, number);
        if (result.ec == std::errc() && result.ptr == end && std::isfinite(number)) {
            const bool whole = digits.find_first_of(".eE") == std::string_view::npos && std::abs(number) < 1e15;
            return whole ? Json(static_cast<std::int64_t>(number)) : Json(number);
        }
    } else if (type == "boolean") {
        if (lower == "true") return true;
        if (lower == "false") return false;
    } else if (type == "null") {
        if (lower == "null" || lower == "none") return nullptr;
    }
    return value;
}

/// Reads `open` NAME `">` at `at`; NAME is [^"]+. Moves `at` behind it.
std::optional<std::string> openTag(std::string_view text, std::string_view open, std::size_t& at) {
    for (std::size_t from = at; (from = text.find(open, from)) != std::string_view::npos; ++from) {
        const std::size_t begin = from + open.size();
        const std::size_t quote = text.find('"', begin);
        if (quote == std::string_view::npos) return std::nullopt;
        if (quote == begin || quote + 1 >= text.size() || text[quote + 1] != '>') continue;
        at = quote + 2;
        return std::string(text.substr(begin, quote - begin));
    }
    return std::nullopt;
}

}  // namespace

std::string_view trimmed(std::string_view text) {
    constexpr std::string_view kSpace = " \t\n\r\f\v";
    const auto first = text.find_first_not_of(kSpace);
    if (first == std::string_view::npos) return {};
    return text.substr(first, text.find_last_not_of(kSpace) - first + 1);
}

std::optional<std::string> invokeName(std::string_view text) {
    std::size_t at = 0;
    return openTag(text, kInvokeOpen, at);
}

std::optional<ToolCall> parseInvoke(std::string_view text, const Json& tools) {
    std::size_t at = 0;
    const auto name = openTag(text, kInvokeOpen, at);
    if (!name) return std::nullopt;
    const std::size_t close = text.rfind(kInvokeClose);
    if (close == std::string_view::npos || close < at) return std::nullopt;
    const std::string_view body = text.substr(at, close - at);
    Json arguments = Json::object();
    for (std::size_t from = 0; auto key = openTag(body, kParameterOpen, from);) {
        const std::size_t end = body.find(kParameterClose, from);
        if (end == std::string_view::npos) break;
        arguments[*key] = cast(std::string(trimmed(body.substr(from, end - from))), parameterType(tools, *name, *key));
        from = end + kParameterClose.size();
    }
    return ToolCall{*name, pythonJson(arguments)};
}

ToolParse parseToolCalls(std::string_view text, const Json& tools) {
    const ToolParse whole{std::string(text), {}};
    const std::size_t begin = text.find(kCallsBegin);
    if (begin == std::string_view::npos) return whole;
    const std::size_t inside = begin + kCallsBegin.size();
    const std::size_t end = text.find(kCallsEnd, inside);
    if (end == std::string_view::npos) return whole;
    ToolParse parse;
    std::string_view block = text.substr(inside, end - inside);
    for (std::size_t at = block.find(kCallBegin); at != std::string_view::npos;) {
        at += kCallBegin.size();
        const std::size_t next = block.find(kCallBegin, at);
        const std::string_view part = block.substr(at, next == std::string_view::npos ? next : next - at);
        const std::size_t stop = part.find(kCallEnd);
        const std::size_t separator = part.find(kCallSeparator);
        if (stop != std::string_view::npos && separator != std::string_view::npos && separator < stop &&
            trimmed(part.substr(0, separator)) == "function") {
            const std::size_t from = separator + kCallSeparator.size();
            if (auto call = parseInvoke(part.substr(from, stop - from), tools)) parse.calls.push_back(std::move(*call));
        }
        at = next;
    }
    if (parse.calls.empty()) return whole;
    const std::string rest = std::string(text.substr(0, begin)) + std::string(text.substr(end + kCallsEnd.size()));
    if (const std::string_view content = trimmed(rest); !content.empty()) parse.content = std::string(content);
    return parse;
}

}  // namespace step3::text
