#include "app/cli/kernel_report.h"

#include "kernels/cpu/kernel_table.h"
#include "kernels/vision/vision_table.h"

namespace step3::cli {

namespace {

using kernels::Isa;
using kernels::KernelTable;
using kernels::VisionTable;

struct KernelRow {
    std::string name;
    std::vector<Isa> own;  // sets with code of their own, weakest first
    Isa runs;              // whose code runs here
};

/// A set that was not compiled in is answered with the scalar table.
bool compiledIn(Isa isa) {
    return kernels::kernelTable(isa).isa == isa;
}

std::vector<Isa> compiledIsas() {
    std::vector<Isa> list;
    for (const Isa isa : kernels::kAllIsas) {
        if (compiledIn(isa)) list.push_back(isa);
    }
    return list;
}

/// A table may hold another set's function where that is no worse; equal pointers tell.
template <typename Table, typename Function>
KernelRow row(const std::string& name, const Table& (*table)(Isa), Function Table::*kernel) {
    KernelRow result{name, {}, Isa::kScalar};
    for (const Isa isa : compiledIsas()) {
        bool first = true;
        for (const Isa weaker : result.own) first = first && table(weaker).*kernel != table(isa).*kernel;
        if (first) result.own.push_back(isa);
    }
    for (const Isa isa : result.own) {
        if (table(isa).*kernel == table(kernels::activeIsa()).*kernel) result.runs = isa;
    }
    return result;
}

std::vector<KernelRow> kernelRows() {
    constexpr auto cpu = &kernels::kernelTable;
    const VisionTable& (*const vision)(Isa) = &kernels::visionTable;
    return {
        row("gemm/dot_rows", cpu, &KernelTable::dotRows),
        row("gemm/panel_product", cpu, &KernelTable::panelProduct),
        row("gemm/prepare_row", cpu, &KernelTable::prepareRow),
        row("gemm/quantise_int8", cpu, &KernelTable::quantiseInt8),
        row("gemm/quantise_int4", cpu, &KernelTable::quantiseInt4),
        row("gemm/widen_groups", cpu, &KernelTable::widenGroups),
        row("gemm/widen_row", cpu, &KernelTable::widenRow),
        row("norm/rms_norm", cpu, &KernelTable::rmsNorm),
        row("rope/rope", cpu, &KernelTable::rope),
        row("attention/attend_range", cpu, &KernelTable::attendRange),
        row("moe/silu_mul", cpu, &KernelTable::siluMul),
        row("moe/add_scaled", cpu, &KernelTable::addScaled),
        row("moe/scale_add", cpu, &KernelTable::scaleAdd),
        row("moe/all_finite", cpu, &KernelTable::allFinite),
        row("sampling/exp_scaled", cpu, &KernelTable::expScaled),
        row("vision/attend", vision, &VisionTable::attend),
        row("vision/add_layer_norm", vision, &VisionTable::addLayerNorm),
        row("vision/quick_gelu", vision, &VisionTable::quickGelu),
        row("vision/resample_tile_u8", vision, &VisionTable::resampleTileU8),
        row("vision/resample_tile_f32", vision, &VisionTable::resampleTileF32),
        row("vision/resample_row_u8", vision, &VisionTable::resampleRowU8),
        row("vision/resample_row_f32", vision, &VisionTable::resampleRowF32),
    };
}

std::string joined(const std::vector<Isa>& list) {
    std::string text;
    for (const Isa isa : list) {
        if (!text.empty()) text += ' ';
        text += kernels::isaName(isa);
    }
    return text;
}

Json names(const std::vector<Isa>& list) {
    Json array = Json::array();
    for (const Isa isa : list) array.push_back(kernels::isaName(isa));
    return array;
}

std::vector<Isa> availableIsas() {
    std::vector<Isa> list;
    for (const Isa isa : compiledIsas()) {
        if (kernels::isaAvailable(isa)) list.push_back(isa);
    }
    return list;
}

std::string padded(std::string text, std::size_t width) {
    text.resize(std::max(width, text.size()), ' ');
    return text;
}

}  // namespace

Json kernelReportJson() {
    Json rows = Json::array();
    for (const KernelRow& kernel : kernelRows()) {
        rows.push_back(
            {{"kernel", kernel.name}, {"versions", names(kernel.own)}, {"active", kernels::isaName(kernel.runs)}});
    }
    return {{"compiled", names(compiledIsas())},
            {"available", names(availableIsas())},
            {"active", kernels::isaName(kernels::activeIsa())},
            {"kernels", rows}};
}

std::string kernelReportText() {
    constexpr std::size_t kNames = 28;
    constexpr std::size_t kVersions = 36;
    std::string text = "Instruction sets\n";
    text += "  compiled in  " + joined(compiledIsas()) + "\n";
    text += "  available    " + joined(availableIsas()) + "\n";
    text +=
        "  active       " + std::string(kernels::isaName(kernels::activeIsa())) + " (STEP3_ISA chooses another)\n\n";
    text += padded("Kernels", kNames) + padded("versions", kVersions) + "active\n";
    for (const KernelRow& kernel : kernelRows()) {
        text += padded("  " + kernel.name, kNames) + padded(joined(kernel.own), kVersions);
        text += kernels::isaName(kernel.runs);
        text += '\n';
    }
    return text;
}

}  // namespace step3::cli
