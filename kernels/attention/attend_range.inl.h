#pragma once

// Query rows against a range of K and V with online softmax, page by page; included only by cpu/isa_kernels.cpp.
//
// All query heads share one K and one V head, so (token, head) pairs are the rows of two small matrix products,
// S = Q K^T and out += P V (spec performance section 4.4). For few query rows BF16 and float32 are read as they lie in
// the page. What is stored in fewer bits, rows of no whole blocks, and anything for many query rows is widened once
// into a scratch that stays in the first-level cache: a few keys at a time, then a strip of the values' columns at a
// time. Both ways compute the same.

#include "kernels/attention/attend_tiles.inl.h"
#include "kernels/attention/kv_rows.inl.h"
#include "kernels/cpu/for_tiles.h"
#include "kernels/cpu/kernel_table.h"

namespace step3::kernels::STEP3_ISA_NAMESPACE {
namespace {

inline constexpr Index kKeysAtOnce = 16;
/// With more query rows, widening in every tile costs more than doing it once.
inline constexpr Index kDirectRows = 4 * kAttendRows;
/// Columns of the values that are widened together; whole groups and whole tiles.
inline constexpr Index kStrip = 64;
static_assert(kStrip % kKvGroup == 0 && kStrip % (kSumBlocks * kBlock) == 0);
static_assert(kAttendMostDim % kStrip == 0);

/// What a block of query rows keeps while the pages pass by.
struct alignas(64) AttendState {
    float q[kAttendMostRows * kAttendMostDim];    // [rows, width], scaled, in the order of Numbers
    float out[kAttendMostRows * kAttendMostDim];  // [rows, width], in the same order
    float scores[kAttendMostRows * kAttendMostKeys];
    float wide[kKeysAtOnce * kAttendMostDim];
    float maxima[kAttendMostRows];
    float correction[kAttendMostRows];
    float sums[kAttendMostRows];
    Index width;  // D in whole blocks
};

/// Turns one row of scores into probabilities relative to the row's new maximum. Keys past `visible` become exactly 0.
inline void softmaxRow(float* scores, Index visible, float& maximum, float& correction, float& sum) {
    const Vec old = set1(maximum);
    Vec best = old;
    for (Index i = 0; i < visible; i += kWidth) {
        Vec s = load(scores + i);
        if (visible - i < kWidth) s = firstOr(s, visible - i, old);
        best = max(best, s);
    }
    maximum = reduceMax(best);
    const Vec shift = set1(maximum);
    Vec total = zero();
    for (Index i = 0; i < kAttendMostKeys; i += kWidth) {
        Vec p = zero();
        if (i < visible) {
            p = exp(sub(load(scores + i), shift));
            if (visible - i < kWidth) p = firstOr(p, visible - i, zero());
        }
        store(scores + i, p);
        total = add(total, p);
    }
    alignas(64) float factor[kWidth];
    store(factor, exp(sub(old, shift)));
    correction = factor[0];
    sum = sum * correction + reduceAdd(total);
}

inline Index tilesOfRows(Index rows) {
    return (rows + kAttendRows - 1) / kAttendRows;
}

/// Calls body.template operator()<M>(first row) over the rows in tiles of nearly equal height: a tile of one or two
/// rows has too few sums to keep the processor busy.
template <typename Body>
inline void forRows(Index rows, Body body) {
    forTiles<kAttendRows>(rows, equalHeight<kAttendRows>, body);
}

/// Scores of keys [first, first + count) of a page, which lie at `key`.
template <typename Numbers>
void scoreKeys(AttendState& state, Index rows, const char* key, Index keyBytes, Index first, Index count,
               Prefetch& ahead) {
    forRows(rows, [&]<int M>(Index row) {
        for (Index s = 0; s < count; s += kScoreKeys) {
            const char* at[kScoreKeys];
            for (Index j = 0; j < kScoreKeys; ++j) at[j] = key + (s + j < count ? s + j : count - 1) * keyBytes;
            scoreTile<Numbers, M>(state.q + row * state.width, state.width, at,
                                  state.scores + row * kAttendMostKeys + first + s, kAttendMostKeys, ahead);
        }
    });
}

/// Columns [column, column + width) of the weighted sums; the values of a key lie at v.
template <typename Numbers>
void sumColumns(AttendState& state, Index rows, const std::int32_t* visible, const char* v, Index valueBytes,
                Index column, Index width, Prefetch& ahead) {
    const auto tile = [&]<int C>(Index d) {
        forRows(rows, [&]<int M>(Index row) {
            Index keys = 0;
            for (Index i = row; i < row + M; ++i) keys = visible[i] > keys ? visible[i] : keys;
            sumTile<Numbers, M, C>(state.scores + row * kAttendMostKeys, kAttendMostKeys, v + d * Numbers::kBytes,
                                   valueBytes, keys, state.correction + row, state.out + row * state.width + column + d,
                                   state.width, ahead);
        });
    };
    Index d = 0;
    for (; d + kSumBlocks * kBlock <= width; d += kSumBlocks * kBlock) tile.template operator()<kSumBlocks>(d);
    for (; d < width; d += kBlock) tile.template operator()<1>(d);
}

template <typename Format>
void attendPage(const AttendRangeParams& a, AttendState& state, const char* k, const char* v, const char* nextK,
                Index keys, const std::int32_t* visible, bool direct) {
    const Index rowBytes = Format::rowBytes(a.headDim);
    const Index tiles = tilesOfRows(a.rows);
    Prefetch values(v, keys * rowBytes, tiles * ((keys + kScoreKeys - 1) / kScoreKeys) * (state.width / kBlock));
    for (Index first = 0; first < keys; first += kKeysAtOnce) {
        const Index count = keys - first < kKeysAtOnce ? keys - first : kKeysAtOnce;
        const char* key = k + first * rowBytes;
        if (direct) {
            scoreKeys<typename Format::Numbers>(state, a.rows, key, rowBytes, first, count, values);
            continue;
        }
        for (Index j = 0; j < count; ++j) {
            Format::widen(key + j * rowBytes, a.headDim, 0, a.headDim, state.wide + j * state.width);
        }
        scoreKeys<WideNumbers>(state, a.rows, reinterpret_cast<const char*>(state.wide), 4 * state.width, first, count,
                               values);
    }
    for (Index t = 0; t < a.rows; ++t) {
        float* scores = state.scores + t * kAttendMostKeys;
        if (visible[t] > 0) {
            softmaxRow(scores, visible[t], state.maxima[t], state.correction[t], state.sums[t]);
        } else {  // a row that sees nothing here must not add what the scratch happened to hold
            state.correction[t] = 1.0F;
            for (Index s = 0; s < kAttendMostKeys; ++s) scores[s] = 0.0F;
        }
    }
    Prefetch next(nextK, keys * rowBytes,
                  tiles * keys * ((state.width + kSumBlocks * kBlock - 1) / (kSumBlocks * kBlock)));
    if (direct) {
        sumColumns<typename Format::Numbers>(state, a.rows, visible, v, rowBytes, 0, state.width, next);
    } else {
        for (Index d = 0; d < a.headDim; d += kStrip) {
            const Index stored = a.headDim - d < kStrip ? a.headDim - d : kStrip;
            for (Index s = 0; s < keys; ++s) {
                Format::widen(v + s * rowBytes, a.headDim, d, stored, state.wide + s * kStrip);
            }
            const Index width = state.width - d < kStrip ? state.width - d : kStrip;
            sumColumns<WideNumbers>(state, a.rows, visible, reinterpret_cast<const char*>(state.wide), 4 * kStrip, d,
                                    width, next);
        }
    }
}

template <typename Format>
void attendRangeOf(const AttendRangeParams& a) {
    AttendState state;
    state.width = (a.headDim + kBlock - 1) / kBlock * kBlock;
    for (Index t = 0; t < a.rows; ++t) {
        float* q = state.q + t * state.width;
        for (Index i = 0; i < a.headDim; ++i) q[i] = a.q[t * a.headDim + i] * a.scale;
        for (Index i = a.headDim; i < state.width; ++i) q[i] = 0.0F;
        for (Index i = 0; i < state.width; i += kBlock) Format::arrange(q + i);
        for (Index i = 0; i < state.width; ++i) state.out[t * state.width + i] = 0.0F;
        state.maxima[t] = -__builtin_inff();
        state.sums[t] = 0.0F;
    }
    const bool direct = Format::kDirect && state.width == a.headDim && a.rows <= kDirectRows;
    if (!direct) {
        for (Index i = 0; i < kKeysAtOnce * state.width; ++i) state.wide[i] = 0.0F;
    }
    for (Index first = 0; first < a.keys; first += a.pageTokens) {
        const char* page = reinterpret_cast<const char*>(a.pages[first / a.pageTokens]);
        const bool last = first + a.pageTokens >= a.keys;
        const Index keys = last ? a.keys - first : a.pageTokens;
        std::int32_t visible[kAttendMostRows];
        for (Index t = 0; t < a.rows; ++t) {
            const Index sees = a.visible[t] - first;
            visible[t] = static_cast<std::int32_t>(sees < 0 ? 0 : sees < keys ? sees : keys);
        }
        const char* nextK =
            last ? nullptr : reinterpret_cast<const char*>(a.pages[first / a.pageTokens + 1]) + a.kOffset;
        attendPage<Format>(a, state, page + a.kOffset, page + a.vOffset, nextK, keys, visible, direct);
    }
    for (Index t = 0; t < a.rows; ++t) {
        float* out = state.out + t * state.width;
        for (Index i = 0; i < state.width; i += kBlock) Format::restore(out + i);
        for (Index i = 0; i < a.headDim; ++i) a.out[t * a.headDim + i] = out[i];
        a.maxima[t] = state.maxima[t];
        a.sums[t] = state.sums[t];
    }
}

void attendRange(const AttendRangeParams& a) {
    switch (a.format) {
        case KvFormat::kF32: return attendRangeOf<KvF32>(a);
        case KvFormat::kBf16: return attendRangeOf<KvBf16>(a);
        case KvFormat::kFp8: return attendRangeOf<KvFp8>(a);
        case KvFormat::kInt8: return attendRangeOf<KvInt8>(a);
        case KvFormat::kInt4: return attendRangeOf<KvInt4>(a);
    }
}

}  // namespace
}  // namespace step3::kernels::STEP3_ISA_NAMESPACE
