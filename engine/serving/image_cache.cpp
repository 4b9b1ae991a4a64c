#include "engine/serving/image_cache.h"

#include <algorithm>

namespace step3::serving {

ImageRows ImageCache::find(const std::shared_ptr<const image::Image>& image) {
    const auto found = std::find_if(entries_.begin(), entries_.end(), [&](const Entry& entry) {
        return entry.image == image || (entry.image->width == image->width && entry.image->height == image->height &&
                                        entry.image->rgb == image->rgb);
    });
    if (found == entries_.end()) return nullptr;
    entries_.splice(entries_.begin(), entries_, found);
    return found->rows;
}

void ImageCache::insert(std::shared_ptr<const image::Image> image, ImageRows rows) {
    const std::uint64_t bytes = image->rgb.size() + rows->size() * sizeof(float);
    if (bytes > maxBytes_) return;
    entries_.push_front({std::move(image), std::move(rows), bytes});
    bytes_ += bytes;
    while (bytes_ > maxBytes_) {
        bytes_ -= entries_.back().bytes;
        entries_.pop_back();
    }
}

}  // namespace step3::serving
