#pragma once

#include <cstdint>
#include <list>
#include <memory>
#include <vector>

#include "engine/image/image.h"

namespace step3::serving {

using ImageRows = std::shared_ptr<const std::vector<float>>;  // [rows, H]

/// Embeddings of the pictures seen last: every turn of a conversation sends its pictures again. Pictures are compared
/// by their pixels, so a copy is found too and nothing but the same picture ever is. Not thread-safe.
class ImageCache {
public:
    /// `maxBytes` covers the embeddings and the pixels kept to compare with; 0 keeps nothing.
    explicit ImageCache(std::uint64_t maxBytes) : maxBytes_(maxBytes) {}

    [[nodiscard]] ImageRows find(const std::shared_ptr<const image::Image>& image);
    void insert(std::shared_ptr<const image::Image> image, ImageRows rows);
    [[nodiscard]] std::uint64_t bytes() const { return bytes_; }

private:
    struct Entry {
        std::shared_ptr<const image::Image> image;
        ImageRows rows;
        std::uint64_t bytes;
    };
    std::uint64_t maxBytes_;
    std::uint64_t bytes_ = 0;
    std::list<Entry> entries_;  // used last first
};

}  // namespace step3::serving
