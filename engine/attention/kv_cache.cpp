#include "engine/attention/kv_cache.h"

#include <algorithm>
#include <new>
#include <string>

#include "engine/error.h"

namespace step3::attention {

std::uint64_t kvBytesPerToken(std::int64_t layers, std::int64_t headDim, KvFormat format) {
    switch (format) {
        case KvFormat::kFloat32: break;
    }
    return static_cast<std::uint64_t>(layers * 2 * headDim) * sizeof(float);
}

KvCache::KvCache(std::int64_t layers, std::int64_t headDim, KvFormat format)
    : layers_(layers),
      headDim_(headDim),
      format_(format),
      keyPages_(static_cast<std::size_t>(layers)),
      valuePages_(static_cast<std::size_t>(layers)) {}

std::uint64_t KvCache::bytes() const {
    return pages_.size() * kKvPageTokens * kvBytesPerToken(layers_, headDim_, format_);
}

void KvCache::reserve(std::int64_t tokens) {
    const std::int64_t half = kKvPageTokens * headDim_;
    const auto needed = static_cast<std::size_t>((length_ + tokens + kKvPageTokens - 1) / kKvPageTokens);
    try {
        while (pages_.size() < needed) {
            for (auto* lists : {&keyPages_, &valuePages_}) {
                for (auto& list : *lists) list.reserve(pages_.size() + 1);
            }
            pages_.push_back(std::make_unique_for_overwrite<float[]>(static_cast<std::size_t>(layers_ * 2 * half)));
            const float* page = pages_.back().get();
            for (std::int64_t l = 0; l < layers_; ++l) {
                keyPages_[static_cast<std::size_t>(l)].push_back(page + l * 2 * half);
                valuePages_[static_cast<std::size_t>(l)].push_back(page + (l * 2 + 1) * half);
            }
        }
    } catch (const std::bad_alloc&) {
        throw Error(ErrorCode::kResourceExhausted,
                    "KV cache: no memory for " + std::to_string(length_ + tokens) + " tokens of one sequence");
    }
}

void KvCache::truncate(std::int64_t length) {
    length_ = length;
    const auto needed = static_cast<std::size_t>((length_ + kKvPageTokens - 1) / kKvPageTokens);
    if (pages_.size() <= needed) return;
    pages_.resize(needed);
    for (auto* lists : {&keyPages_, &valuePages_}) {
        for (auto& list : *lists) list.resize(needed);
    }
}

void KvCache::write(std::int64_t layer, std::int64_t position, const float* k, const float* v) {
    float* page = pages_[static_cast<std::size_t>(position / kKvPageTokens)].get() +
                  (layer * 2 * kKvPageTokens + position % kKvPageTokens) * headDim_;
    std::copy_n(k, headDim_, page);
    std::copy_n(v, headDim_, page + kKvPageTokens * headDim_);
}

std::span<const float* const> KvCache::keyPages(std::int64_t layer) const {
    return keyPages_[static_cast<std::size_t>(layer)];
}
std::span<const float* const> KvCache::valuePages(std::int64_t layer) const {
    return valuePages_[static_cast<std::size_t>(layer)];
}

}  // namespace step3::attention
