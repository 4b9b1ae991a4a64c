#pragma once

#include <cstdint>
#include <vector>

#include "kernels/vision/vision_table.h"

namespace step3::kernels {

/// Antialiased separable resampling, spec step3-model section 5.5.
enum class ResampleFilter { kTriangle, kCubic };  // bilinear; bicubic with a = -0.5

/// Owned weights of a resize from `in` to `out` positions along one axis; weights of one output sum to 1.
template <typename Weight>
struct Taps {
    std::int64_t in = 0;
    std::int64_t out = 0;
    std::int64_t stride = 0;          // weights kept per output
    std::vector<std::int32_t> first;  // [out]
    std::vector<std::int32_t> count;  // [out]
    std::vector<Weight> weight;       // [out, stride]

    [[nodiscard]] TapsView<Weight> view() const { return {out, first.data(), count.data(), weight.data(), stride}; }
};

/// in, out >= 1 and below 2^31.
Taps<double> makeTaps(std::int64_t in, std::int64_t out, ResampleFilter filter);
/// Weights in Pillow's fixed point, int(0.5 + w * 2^22) (section 6.3).
Taps<std::int32_t> fixedPointTaps(const Taps<double>& taps);
/// Computed in float32 from the start, as the float resize of section 6.4 and the position table of 5.1 are.
Taps<float> makeFloatTaps(std::int64_t in, std::int64_t out, ResampleFilter filter);

/// Drops the weights of inputs at `available` and beyond: those inputs are zero.
template <typename Weight>
void clipTaps(Taps<Weight>& taps, std::int64_t available) {
    for (std::size_t i = 0; i < taps.count.size(); ++i) {
        const std::int64_t left = available - taps.first[i];
        if (left < taps.count[i]) taps.count[i] = static_cast<std::int32_t>(left < 0 ? 0 : left);
        if (taps.count[i] == 0) taps.first[i] = 0;
    }
}

/// Horizontal pass over 8-bit RGB rows: in [height, width, 3] with rows `inStride` bytes apart -> out [height,
/// taps.out, 3] dense. Reads columns below taps.in only as far as `taps` says.
void resampleAcrossU8(const std::uint8_t* in, std::int64_t inStride, std::int64_t width, std::int64_t height,
                      const Taps<std::int32_t>& taps, std::uint8_t* out, const VisionTable& table = visionTable());
/// Vertical pass: in rows of `rowBytes` bytes, dense -> out [taps.out, rowBytes].
void resampleDownU8(const std::uint8_t* in, std::int64_t rowBytes, const Taps<std::int32_t>& taps, std::uint8_t* out,
                    const VisionTable& table = visionTable());

/// Both passes, horizontal first, in bands that stay in the cache: in [height, width, 3] dense -> out [down.out,
/// across.out, 3]. `down` asks for no row from `height` on (clipTaps).
void resampleU8(const std::uint8_t* in, std::int64_t width, std::int64_t height, const Taps<std::int32_t>& across,
                const Taps<std::int32_t>& down, std::uint8_t* out, const VisionTable& table = visionTable());

/// Values of the 256 levels of each channel: the picture is converted to float while it is read.
struct LevelTable {
    float value[3][256];
};
/// 8-bit RGB rows -> planar float [3, height, taps.out], converted by `levels`, then resized horizontally.
void resampleAcrossF32(const std::uint8_t* in, std::int64_t inStride, std::int64_t width, std::int64_t height,
                       const LevelTable& levels, const Taps<float>& taps, float* out,
                       const VisionTable& table = visionTable());
/// Rows of `rowWidth` floats -> out [taps.out, rowWidth].
void resampleDownF32(const float* in, std::int64_t rowWidth, const Taps<float>& taps, float* out,
                     const VisionTable& table = visionTable());

}  // namespace step3::kernels
