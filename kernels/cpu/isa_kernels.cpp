// The one source of the vector kernels. It is compiled once per instruction set, with STEP3_ISA_NAMESPACE and
// STEP3_ISA_ENUM set and the matching compiler flags (kernels/CMakeLists.txt).

#include "kernels/attention/attend_range.inl.h"
#include "kernels/cpu/kernel_table.h"
#include "kernels/cpu/simd.h"
#include "kernels/gemm/dot_rows.inl.h"
#include "kernels/gemm/panel_groups.inl.h"
#include "kernels/gemm/panel_product.inl.h"
#include "kernels/gemm/quantise.inl.h"
#include "kernels/moe/elementwise.inl.h"
#include "kernels/norm/rms_norm.inl.h"
#include "kernels/rope/rope.inl.h"
#include "kernels/sampling/exp_scaled.inl.h"

namespace step3::kernels::STEP3_ISA_NAMESPACE {

extern const KernelTable kTable;
const KernelTable kTable{Isa::STEP3_ISA_ENUM,
                         dotRows,
                         panelProduct,
                         prepareRow,
                         quantiseInt8,
                         quantiseInt4,
                         widenGroups,
                         widenRow,
                         rmsNorm,
                         rope,
                         siluMul,
                         addScaled,
                         scaleAdd,
                         allFinite,
                         expScaled,
                         attendRange};

}  // namespace step3::kernels::STEP3_ISA_NAMESPACE
