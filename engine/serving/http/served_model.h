#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "engine/engine.h"
#include "engine/serving/http/image_fetch.h"

namespace step3::serving::http {

/// What pictures in a request may be.
struct PictureLimits {
    std::size_t maxPictures = 64;
    std::uint64_t maxPixels = 178'956'970ULL;  // of all pictures of a request together
    FetchOptions fetch;
};

/// The open model under the name that clients use, and the facts that requests are checked against. Immutable.
struct ServedModel {
    /// `name` empty: the model's own.
    ServedModel(Engine& engine, const std::string& name, const PictureLimits& pictures);

    Engine& engine;
    std::string name;
    std::int64_t created = 0;     // Unix time
    std::int64_t maxContext = 0;  // tokens
    std::int64_t vocabSize = 0;
    bool vision = false;
    sampling::SamplingParams defaults;
    std::shared_ptr<const text::Tokenizer> tokenizer;  // may be null
    PictureLimits pictures;
};

/// Throws ApiError 404 unless `model` names this model or is empty.
void requireModel(const std::string& model, const ServedModel& served);

}  // namespace step3::serving::http
