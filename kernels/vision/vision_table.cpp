#include "kernels/vision/vision_table.h"

namespace step3::kernels {

extern const VisionTable kVisionTableBaseline;
#if defined(__x86_64__)
extern const VisionTable kVisionTableAvx2;
extern const VisionTable kVisionTableAvx512;
#endif

std::int64_t visionAttentionScratch(std::int64_t dim) {
    const std::int64_t padded = (dim + 15) / 16 * 16;  // the widest vector
    return kAttentionQueryBlock * (dim + padded + kAttentionKeyBlock + 2) + kAttentionKeyBlock * (dim + padded);
}

const VisionTable& visionTable(Isa isa) {
#if defined(__x86_64__)
    if (isa == Isa::kAvx512 || isa == Isa::kAvx512Vnni) return kVisionTableAvx512;
    if (isa == Isa::kAvx2) return kVisionTableAvx2;
#endif
    (void)isa;
    return kVisionTableBaseline;
}

const VisionTable& visionTable() {
    return visionTable(activeIsa());
}

}  // namespace step3::kernels
