#pragma once

#include <nlohmann/json.hpp>

namespace step3 {

/// JSON with the members of an object in the order they were written: chat templates render tool schemas in that order.
using Json = nlohmann::ordered_json;

}  // namespace step3
