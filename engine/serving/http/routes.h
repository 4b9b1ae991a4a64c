#pragma once

#include <string>
#include <string_view>

namespace step3::serving::http {

enum class Route { kHealth, kModels, kModel, kChatCompletions, kUnknown };

/// What a request asks for (spec openai-api section 2).
struct RouteMatch {
    Route route = Route::kUnknown;
    std::string_view name;     // the route as it is logged, e.g. "/v1/models/{id}"
    std::string_view allowed;  // methods for the Allow header
    bool methodAllowed = false;
    bool guarded = false;  // needs an API key if there are any
    std::string modelId;   // kModel, percent-decoded
};

/// `target` is the request target; its query is ignored.
RouteMatch matchRoute(std::string_view method, std::string_view target);

}  // namespace step3::serving::http
