#include "engine/serving/http/routes.h"

#include <array>
#include <cstdint>

namespace step3::serving::http {

namespace {

struct Entry {
    std::string_view path;
    Route route;
    std::string_view methods;
};
constexpr std::array kEntries{
    Entry{"/health", Route::kHealth, "GET, HEAD"},
    Entry{"/v1/models", Route::kModels, "GET, HEAD"},
    Entry{"/v1/chat/completions", Route::kChatCompletions, "POST"},
};
constexpr std::string_view kModelPrefix = "/v1/models/";

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

}  // namespace

RouteMatch matchRoute(std::string_view method, std::string_view target) {
    const std::string_view path = target.substr(0, target.find('?'));
    RouteMatch match;
    // As vLLM: the API is guarded as a whole, also routes of it that do not exist.
    match.guarded = path == "/v1" || path.substr(0, 4) == "/v1/";
    for (const Entry& entry : kEntries) {
        if (path != entry.path) continue;
        match.route = entry.route;
        match.name = entry.path;
        match.allowed = entry.methods;
    }
    if (match.route == Route::kUnknown && path.size() > kModelPrefix.size() &&
        path.substr(0, kModelPrefix.size()) == kModelPrefix) {
        match.route = Route::kModel;
        match.name = "/v1/models/{id}";
        match.allowed = "GET, HEAD";
        match.modelId = percentDecoded(path.substr(kModelPrefix.size()));
    }
    match.methodAllowed = lists(match.allowed, method);
    return match;
}

}  // namespace step3::serving::http
