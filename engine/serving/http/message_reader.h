#pragma once

#include <vector>

#include "engine/engine.h"
#include "engine/serving/http/json_fields.h"

namespace step3::serving::http {

/// What pictures in a request may be.
struct PictureLimits {
    bool vision = false;
    std::string model;  // named if it has no vision part
    std::size_t maxPictures = 64;
    std::uint64_t maxPixels = 178'956'970ULL;  // of all pictures of a request together
};

/// The `messages` of a chat request (spec openai-api section 4); pictures are decoded. Throws ApiError.
std::vector<Message> readMessages(const Fields& body, const PictureLimits& limits);

}  // namespace step3::serving::http
