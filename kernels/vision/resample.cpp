#include "kernels/vision/resample.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace step3::kernels {
namespace {

template <typename Real>
Real triangle(Real t) {
    return t < 1 ? 1 - t : 0;
}

// Keys' cubic with a = -0.5.
template <typename Real>
Real cubic(Real t) {
    constexpr Real a = Real(-0.5);
    if (t < 1) return ((a + 2) * t - (a + 3)) * t * t + 1;
    if (t < 2) return (((t - 5) * t + 8) * t - 4) * a;
    return 0;
}

template <typename To, typename Convert>
Taps<To> convertTaps(const Taps<double>& taps, Convert convert) {
    Taps<To> result{taps.in, taps.out, taps.stride, taps.first, taps.count, {}};
    result.weight.resize(taps.weight.size());
    std::transform(taps.weight.begin(), taps.weight.end(), result.weight.begin(), convert);
    return result;
}

// Pointers to the rows of a tile; missing rows repeat the last one.
template <typename Byte>
std::array<Byte*, kResampleTileRows> tileRows(Byte* first, std::int64_t stride, std::int64_t rows) {
    std::array<Byte*, kResampleTileRows> row{};
    for (std::int64_t r = 0; r < kResampleTileRows; ++r)
        row[static_cast<std::size_t>(r)] = first + std::min(r, rows - 1) * stride;
    return row;
}

/// Weights computed in the number type the reference computes them in: Pillow uses double, the float resize float.
template <typename Real>
Taps<Real> computeTaps(std::int64_t in, std::int64_t out, ResampleFilter filter) {
    const Real scale = static_cast<Real>(in) / static_cast<Real>(out);
    const Real filterScale = std::max(scale, Real(1));
    const Real support = (filter == ResampleFilter::kTriangle ? Real(1) : Real(2)) * filterScale;
    const Real inverse = 1 / filterScale;  // multiplied, as Pillow does, so that rounding agrees

    Taps<Real> taps;
    taps.in = in;
    taps.out = out;
    taps.stride = static_cast<std::int64_t>(std::ceil(support)) * 2 + 1;
    taps.first.resize(static_cast<std::size_t>(out));
    taps.count.resize(static_cast<std::size_t>(out));
    taps.weight.assign(static_cast<std::size_t>(out * taps.stride), Real(0));
    for (std::int64_t i = 0; i < out; ++i) {
        const Real center = scale * (static_cast<Real>(i) + Real(0.5));
        const auto low = std::max<std::int64_t>(static_cast<std::int64_t>(center - support + Real(0.5)), 0);
        const auto high = std::min(static_cast<std::int64_t>(center + support + Real(0.5)), in);
        Real* weight = taps.weight.data() + i * taps.stride;
        Real total = 0;
        for (std::int64_t j = 0; j < high - low; ++j) {
            const Real t = std::abs((static_cast<Real>(j + low) - center + Real(0.5)) * inverse);
            weight[j] = filter == ResampleFilter::kTriangle ? triangle(t) : cubic(t);
            total += weight[j];
        }
        if (total != 0) {
            for (std::int64_t j = 0; j < high - low; ++j) weight[j] /= total;
        }
        taps.first[static_cast<std::size_t>(i)] = static_cast<std::int32_t>(low);
        taps.count[static_cast<std::size_t>(i)] = static_cast<std::int32_t>(high - low);
    }
    return taps;
}

}  // namespace

Taps<double> makeTaps(std::int64_t in, std::int64_t out, ResampleFilter filter) {
    return computeTaps<double>(in, out, filter);
}

Taps<float> makeFloatTaps(std::int64_t in, std::int64_t out, ResampleFilter filter) {
    return computeTaps<float>(in, out, filter);
}

Taps<std::int32_t> fixedPointTaps(const Taps<double>& taps) {
    return convertTaps<std::int32_t>(taps, [](double w) {
        return static_cast<std::int32_t>((w < 0 ? -0.5 : 0.5) + w * static_cast<double>(1 << 22));
    });
}

void resampleAcrossU8(const std::uint8_t* in, std::int64_t inStride, std::int64_t width, std::int64_t height,
                      const Taps<std::int32_t>& taps, std::uint8_t* out, const VisionTable& table) {
    std::vector<std::uint8_t> tileIn(static_cast<std::size_t>(width * 3 * kResampleTileRows));
    std::vector<std::uint8_t> tileOut(static_cast<std::size_t>(taps.out * 3 * kResampleTileRows));
    const std::int64_t outStride = taps.out * 3;
    for (std::int64_t y = 0; y < height; y += kResampleTileRows) {
        const std::int64_t rows = std::min(kResampleTileRows, height - y);
        table.rowsToTile(tileRows(in + y * inStride, inStride, rows).data(), width * 3, tileIn.data());
        table.resampleTileU8(tileIn.data(), taps.view(), tileOut.data());
        table.tileToRows(tileOut.data(), outStride, tileRows(out + y * outStride, outStride, rows).data());
    }
}

void resampleDownU8(const std::uint8_t* in, std::int64_t rowBytes, const Taps<std::int32_t>& taps, std::uint8_t* out,
                    const VisionTable& table) {
    for (std::int64_t y = 0; y < taps.out; ++y) {
        const auto i = static_cast<std::size_t>(y);
        table.resampleRowU8(in + taps.first[i] * rowBytes, rowBytes, taps.weight.data() + y * taps.stride,
                            taps.count[i], rowBytes, out + y * rowBytes);
    }
}

void resampleU8(const std::uint8_t* in, std::int64_t width, std::int64_t height, const Taps<std::int32_t>& across,
                const Taps<std::int32_t>& down, std::uint8_t* out, const VisionTable& table) {
    const std::int64_t rowBytes = across.out * 3;
    const std::int64_t capacity = *std::max_element(down.count.begin(), down.count.end()) + kResampleTileRows;
    std::vector<std::uint8_t> window(static_cast<std::size_t>(capacity * rowBytes));
    std::int64_t base = 0;  // input row that lies first in the window
    std::int64_t next = 0;  // first input row that is not resized yet
    for (std::int64_t y = 0; y < down.out; ++y) {
        const auto i = static_cast<std::size_t>(y);
        const std::int64_t first = down.count[i] > 0 ? down.first[i] : base;
        while (next < first + down.count[i]) {
            if (next + kResampleTileRows > base + capacity) {
                std::copy(window.begin() + (first - base) * rowBytes, window.begin() + (next - base) * rowBytes,
                          window.begin());
                base = first;
            }
            const std::int64_t rows = std::min(kResampleTileRows, height - next);
            resampleAcrossU8(in + next * width * 3, width * 3, width, rows, across,
                             window.data() + (next - base) * rowBytes, table);
            next += rows;
        }
        table.resampleRowU8(window.data() + (first - base) * rowBytes, rowBytes, down.weight.data() + y * down.stride,
                            down.count[i], rowBytes, out + y * rowBytes);
    }
}

void resampleAcrossF32(const std::uint8_t* in, std::int64_t inStride, std::int64_t width, std::int64_t height,
                       const LevelTable& levels, const Taps<float>& taps, float* out, const VisionTable& table) {
    std::vector<std::uint8_t> bytes(static_cast<std::size_t>(width * 3 * kResampleTileRows));
    std::vector<float> tileIn(bytes.size());
    std::vector<float> tileOut(static_cast<std::size_t>(taps.out * 3 * kResampleTileRows));
    for (std::int64_t y = 0; y < height; y += kResampleTileRows) {
        const std::int64_t rows = std::min(kResampleTileRows, height - y);
        table.rowsToTile(tileRows(in + y * inStride, inStride, rows).data(), width * 3, bytes.data());
        for (std::size_t x = 0; x < bytes.size(); x += 3 * kResampleTileRows) {
            for (std::size_t c = 0; c < 3; ++c) {
                for (std::size_t r = x + c * kResampleTileRows; r < x + (c + 1) * kResampleTileRows; ++r)
                    tileIn[r] = levels.value[c][bytes[r]];
            }
        }
        table.resampleTileF32(tileIn.data(), taps.view(), tileOut.data());
        for (std::int64_t c = 0; c < 3; ++c) {
            for (std::int64_t r = 0; r < rows; ++r) {
                float* row = out + (c * height + y + r) * taps.out;
                const float* source = tileOut.data() + c * kResampleTileRows + r;
                for (std::int64_t x = 0; x < taps.out; ++x) row[x] = source[x * 3 * kResampleTileRows];
            }
        }
    }
}

void resampleDownF32(const float* in, std::int64_t rowWidth, const Taps<float>& taps, float* out,
                     const VisionTable& table) {
    for (std::int64_t y = 0; y < taps.out; ++y) {
        const auto i = static_cast<std::size_t>(y);
        table.resampleRowF32(in + taps.first[i] * rowWidth, rowWidth, taps.weight.data() + y * taps.stride,
                             taps.count[i], rowWidth, out + y * rowWidth);
    }
}

}  // namespace step3::kernels
