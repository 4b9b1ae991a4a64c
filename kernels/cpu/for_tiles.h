#pragma once

// Rows in tiles whose height the compiler knows; included only by cpu/isa_kernels.cpp.

#include "kernels/cpu/simd.h"

namespace step3::kernels::STEP3_ISA_NAMESPACE {
namespace {

/// Height of the next of nearly equal tiles of at most kMost rows if `m` are left.
template <int kMost>
inline constexpr auto equalHeight = [](Index m) {
    const Index tiles = (m + kMost - 1) / kMost;
    return (m + tiles - 1) / tiles;
};

/// Calls body.template operator()<M>(first row) over tiles of `height(rows left)`, at most kMost, rows.
template <int kMost, typename Height, typename Body>
inline void forTiles(Index m, Height height, Body body) {
    for (Index t = 0; t < m;) {
        const Index rows = height(m - t);
        const auto run = [&]<int M>(auto&& self) -> void {
            if constexpr (M > 0) {
                if (rows == M) return body.template operator()<M>(t);
                self.template operator()<M - 1>(self);
            }
        };
        run.template operator()<kMost>(run);
        t += rows;
    }
}

}  // namespace
}  // namespace step3::kernels::STEP3_ISA_NAMESPACE
