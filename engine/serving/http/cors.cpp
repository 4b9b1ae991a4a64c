#include "engine/serving/http/cors.h"

#include <algorithm>

#include "engine/error.h"

namespace step3::serving::http {

Cors::Cors(std::vector<std::string> origins) : origins_(std::move(origins)) {
    for (const std::string& origin : origins_) {
        if (origin == "*") {
            any_ = true;
            continue;
        }
        const std::size_t scheme = origin.find("://");
        const bool plain =
            std::all_of(origin.begin(), origin.end(), [](unsigned char c) { return c > ' ' && c < 0x7F; });
        if (!plain || scheme == std::string::npos || scheme == 0 || scheme + 3 == origin.size() ||
            origin.find('/', scheme + 3) != std::string::npos) {
            throw Error(ErrorCode::kInvalidArgument,
                        "allowed origin: expected \"*\" or scheme://host[:port], found \"" + origin + "\"");
        }
    }
}

std::string Cors::allowed(std::string_view origin) const {
    if (origin.empty()) return {};
    if (any_) return "*";
    const auto found = std::find(origins_.begin(), origins_.end(), origin);
    return found == origins_.end() ? std::string() : *found;
}

}  // namespace step3::serving::http
