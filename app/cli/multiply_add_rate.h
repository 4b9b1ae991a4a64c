#pragma once

#include "kernels/cpu/thread_pool.h"

namespace step3::cli {

/// GFLOP/s (a multiply-add counts two) that all threads of the pool together reach on float32 registers with the
/// instruction set in use, best of three. What work bound by arithmetic is measured against.
double multiplyAddRate(kernels::ThreadPool& pool);

}  // namespace step3::cli
