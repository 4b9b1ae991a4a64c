#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "engine/image/preprocess.h"
#include "engine/model/checkpoint.h"
#include "kernels/cpu/thread_pool.h"

namespace step3::vision {

/// Picture to rows of the text model's hidden size (spec step3-model section 5): encoder, downsamplers, projector.
class VisionEncoder {
public:
    VisionEncoder(std::shared_ptr<const model::Checkpoint> checkpoint, kernels::ThreadPool& pool);
    ~VisionEncoder();
    VisionEncoder(const VisionEncoder&) = delete;
    VisionEncoder& operator=(const VisionEncoder&) = delete;

    /// [rows, H] float32: crops first (row-major tokens), then the global view.
    [[nodiscard]] std::vector<float> encode(const image::PixelValues& pixels) const;

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace step3::vision
