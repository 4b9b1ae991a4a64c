#pragma once

#include <span>
#include <string>
#include <string_view>

namespace step3::serving::http {

enum class Route {
    kHealth,
    kReady,
    kPing,
    kVersion,
    kLoad,
    kOpenApi,
    kMetrics,
    kStats,
    kModels,
    kModel,
    kChatCompletions,
    kCompletions,
    kResponses,
    kResponse,
    kCancelResponse,
    kTokenize,
    kDetokenize,
    kUnknown
};

struct RouteEntry {
    std::string_view path;  // "{id}" stands for the rest of the path
    Route route;
    std::string_view methods;  // as in the Allow header
    bool takesJson = false;    // its body is a JSON document
};
/// All routes (spec openai-api section 2).
std::span<const RouteEntry> routeEntries();

/// What a request asks for.
struct RouteMatch {
    Route route = Route::kUnknown;
    std::string_view name;     // the route as it is logged, e.g. "/v1/models/{id}"
    std::string_view allowed;  // methods for the Allow header
    bool methodAllowed = false;
    bool takesJson = false;
    bool guarded = false;  // needs an API key if there are any
    std::string id;        // percent-decoded, of paths with one
};

/// `target` is the request target; its query is ignored.
RouteMatch matchRoute(std::string_view method, std::string_view target);

}  // namespace step3::serving::http
