#pragma once

#include <string>
#include <string_view>

#include "engine/serving/http/answer.h"
#include "engine/serving/http/routes.h"
#include "engine/serving/http/server_context.h"

namespace step3::serving::http {

/// Reads the body of a route that takes one. `clientId` is the id that the client gave the request in its header, or
/// empty. Decodes pictures and encodes text: not for the network's thread. Throws ApiError.
Prepared prepare(Route route, std::string_view body, const ServedModel& served, const std::string& clientId);

struct PlainAnswer {
    int status = 200;
    std::string contentType;  // empty: no body
    std::string body;
};
/// The answer of a route that takes no body. Throws ApiError.
PlainAnswer plainAnswer(const RouteMatch& match, const ServerContext& context);

/// Throws ApiError 503 if requests cannot be taken now.
void requireReady(const ServerContext& context);

}  // namespace step3::serving::http
