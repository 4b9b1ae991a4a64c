#include "engine/serving/http/routes.h"

#include <algorithm>
#include <array>
#include <cstdint>

namespace step3::serving::http {

namespace {

constexpr std::array kEntries{
    RouteEntry{"/health", Route::kHealth, "GET, HEAD"},
    RouteEntry{"/ready", Route::kReady, "GET, HEAD"},
    RouteEntry{"/ping", Route::kPing, "GET, HEAD, POST"},
    RouteEntry{"/version", Route::kVersion, "GET, HEAD"},
    RouteEntry{"/load", Route::kLoad, "GET, HEAD"},
    RouteEntry{"/openapi.json", Route::kOpenApi, "GET, HEAD"},
    RouteEntry{"/metrics", Route::kMetrics, "GET, HEAD"},
    RouteEntry{"/v1/step3/stats", Route::kStats, "GET, HEAD"},
    RouteEntry{"/v1/models", Route::kModels, "GET, HEAD"},
    RouteEntry{"/v1/models/{id}", Route::kModel, "GET, HEAD"},
    RouteEntry{"/v1/chat/completions", Route::kChatCompletions, "POST", true},
    RouteEntry{"/v1/completions", Route::kCompletions, "POST", true},
    RouteEntry{"/v1/responses", Route::kResponses, "POST", true},
    RouteEntry{"/v1/responses/{id}", Route::kResponse, "GET, HEAD"},
    RouteEntry{"/v1/responses/{id}/cancel", Route::kCancelResponse, "POST"},
    RouteEntry{"/tokenize", Route::kTokenize, "POST", true},
    RouteEntry{"/detokenize", Route::kDetokenize, "POST", true},
};
constexpr std::string_view kIdMark = "{id}";

/// As vLLM: everything below these names is guarded as a whole, also routes that do not exist.
bool isGuarded(std::string_view path) {
    constexpr std::array<std::string_view, 4> kGuarded{"/v1", "/v2", "/inference", "/cohere"};
    return std::any_of(kGuarded.begin(), kGuarded.end(), [&](std::string_view prefix) {
        return path.substr(0, prefix.size()) == prefix && (path.size() == prefix.size() || path[prefix.size()] == '/');
    });
}

bool lists(std::string_view methods, std::string_view method) {
    while (!methods.empty()) {
        const std::size_t comma = methods.find(", ");
        if (methods.substr(0, comma) == method) return true;
        methods = comma == std::string_view::npos ? std::string_view() : methods.substr(comma + 2);
    }
    return false;
}

int hexDigit(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

/// Bytes that are no valid %XX stay as they are.
std::string percentDecoded(std::string_view text) {
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const bool escape = text[i] == '%' && i + 2 < text.size();
        const int high = escape ? hexDigit(text[i + 1]) : -1;
        const int low = escape ? hexDigit(text[i + 2]) : -1;
        if (high < 0 || low < 0) {
            out += text[i];
            continue;
        }
        out += static_cast<char>(high * 16 + low);
        i += 2;
    }
    return out;
}

/// The part of `path` that {id} of `pattern` stands for; empty if the path does not match. A model's name may hold
/// slashes.
std::string_view idIn(std::string_view path, std::string_view pattern) {
    const std::size_t at = pattern.find(kIdMark);
    if (at == std::string_view::npos) return {};
    const std::string_view before = pattern.substr(0, at);
    const std::string_view after = pattern.substr(at + kIdMark.size());
    if (path.size() <= before.size() + after.size() || path.substr(0, before.size()) != before) return {};
    if (path.substr(path.size() - after.size()) != after) return {};
    return path.substr(before.size(), path.size() - before.size() - after.size());
}

}  // namespace

std::span<const RouteEntry> routeEntries() {
    return kEntries;
}

RouteMatch matchRoute(std::string_view method, std::string_view target) {
    const std::string_view path = target.substr(0, target.find('?'));
    RouteMatch match;
    match.guarded = isGuarded(path);
    for (const RouteEntry& entry : kEntries) {
        const std::string_view id = idIn(path, entry.path);
        if (path != entry.path && id.empty()) continue;
        match.route = entry.route;
        match.name = entry.path;
        match.allowed = entry.methods;
        match.takesJson = entry.takesJson;
        match.methodAllowed = lists(entry.methods, method);
        match.id = percentDecoded(id);
        // Of two routes that match, the one that takes the method is meant.
        if (match.methodAllowed) break;
    }
    return match;
}

}  // namespace step3::serving::http
