#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/attention/kv_format.h"
#include "kernels/cpu/dtype.h"
#include "kernels/cpu/isa.h"

namespace step3::kernels {

/// Four rows of a weight matrix (or of two: gate and up), any distance apart. Rows may repeat where fewer are left.
struct RowGroup {
    const void* row[4];     // k stored numbers each
    const float* scale[4];  // block scales of each row, ceil(k / blockK); null unless E4M3
};

inline constexpr std::int64_t kAttendMostRows = 48;
inline constexpr std::int64_t kAttendMostKeys = 64;
inline constexpr std::int64_t kAttendMostDim = 1024;

/// A block of query rows against a range of keys of the shared K and V heads (spec step3-model section 2.1).
struct AttendRangeParams {
    KvFormat format;
    const float* q;                 // [rows, D] after RoPE
    const std::byte* const* pages;  // of the range, pageTokens tokens each
    std::int64_t kOffset;           // bytes from a page's start to its keys, rows of D numbers, after RoPE
    std::int64_t vOffset;           // and to its values
    std::int64_t pageTokens;        // at most kAttendMostKeys
    std::int64_t keys;              // of the range
    const std::int32_t* visible;    // [rows] the first keys of the range that each row may see, 0 .. keys
    std::int64_t rows;              // at most kAttendMostRows
    std::int64_t headDim;           // D, at most kAttendMostDim
    float scale;                    // of the scores
    float* maxima;                  // [rows] maximum of the scores; -infinity if the row sees no key
    float* sums;                    // [rows] sum of exp(score - maximum)
    float* out;                     // [rows, D] sum of exp(score - maximum) * v
};

/// Prepared activation rows times up to four weight panels (kernels/gemm/panels.h).
struct PanelProductParams {
    DType dtype;              // of the panels
    const void* panel[4];     // panels of a matrix, any distance apart
    const float* scale[4];    // block scales of each panel's rows, ceil(k / blockK); null unless E4M3
    std::int64_t panels;      // 1 .. 4
    const void* const* rows;  // [m] BF16: float32 [k]; other formats: written by prepareRow
    std::int64_t m;
    std::int64_t k;
    std::int64_t blockK;
    float* out[4];           // the first of 16 columns of each panel in row 0 of the result
    std::int64_t outStride;  // from row to row
};

/// The inner loops, one version per instruction set. Every element of a result is computed in an order that depends
/// only on the reduction length, never on how many rows are computed together, so batching and chunking do not change
/// results.
struct KernelTable {
    Isa isa;

    /// out[t * outStride + j] = dot(x[t], row j) for t < m, j < 4, in float32.
    void (*dotRows)(DType dtype, const float* const* x, std::int64_t m, const RowGroup& rows, std::int64_t k,
                    std::int64_t blockK, float* out, std::int64_t outStride);
    /// out = rows * panels^T.
    void (*panelProduct)(const PanelProductParams& params);
    /// x[k] in the form that panelProduct reads with panels of `dtype` (not BF16), preparedBytes(dtype, k) bytes
    /// aligned to 16.
    void (*prepareRow)(DType dtype, const float* x, std::int64_t k, void* out);
    /// Codes of a group of weights x[count] with their scale (returned, BF16 bits) for Int8Group and Int4Group; count
    /// is a multiple of 32.
    std::uint16_t (*quantiseInt8)(const float* x, std::int64_t count, std::uint8_t* codes);
    std::uint16_t (*quantiseInt4)(const float* x, std::int64_t count, std::uint8_t* codes);
    /// One row of a group format widened to float32; `scales` one BF16 a group of `group` values.
    void (*widenGroups)(DType dtype, const void* row, const std::uint16_t* scales, std::int64_t k, std::int64_t group,
                        float* out);
    /// One stored row widened to float32, block scales applied.
    void (*widenRow)(DType dtype, const void* row, const float* scale, std::int64_t k, std::int64_t blockK, float* out);
    /// out_i = w_i * x_i / sqrt(mean(x^2) + eps); out may be x.
    void (*rmsNorm)(const float* x, const float* w, std::int64_t n, float eps, float* out);
    /// Rotates the halves of x[2 * half] in place.
    void (*rope)(float* x, const float* cosines, const float* sines, std::int64_t half);
    /// out_i = silu(gate_i) * up_i; out may be gate or up.
    void (*siluMul)(const float* gate, const float* up, std::int64_t n, float* out);
    /// y_i += a * x_i
    void (*addScaled)(float* y, const float* x, float a, std::int64_t n);
    /// y_i = y_i * a + x_i * b
    void (*scaleAdd)(float* y, float a, const float* x, float b, std::int64_t n);
    /// False if some x_i is infinite or NaN.
    bool (*allFinite)(const float* x, std::int64_t n);
    /// out_i = exp((x_i - shift) * factor), 0 where the exponent is below -87.3; out may be x. No x_i is NaN.
    void (*expScaled)(const float* x, std::int64_t n, float shift, float factor, float* out);
    void (*attendRange)(const AttendRangeParams& params);
};

const KernelTable& kernelTable(Isa isa);
const KernelTable& activeKernels();

}  // namespace step3::kernels
