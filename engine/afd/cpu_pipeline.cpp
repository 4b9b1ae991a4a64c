#include <cstdlib>
#include <string>
#include <utility>

#include "engine/afd/direct_link.h"
#include "engine/afd/two_role_pipeline.h"
#include "engine/attention/cpu_attention.h"
#include "engine/error.h"
#include "engine/ffn/cpu_ffn.h"
#include "kernels/cpu/kernel_table.h"

namespace step3::afd {
namespace {

std::string availableIsas() {
    std::string names;
    for (const kernels::Isa isa : kernels::kAllIsas) {
        if (kernels::isaAvailable(isa)) names += (names.empty() ? "" : ", ") + std::string(kernels::isaName(isa));
    }
    return names;
}

/// The kernels themselves ignore a STEP3_ISA they cannot honour; a user who set it should be told.
kernels::Isa chooseIsa(const CpuPipelineOptions& options) {
    const char* wanted = std::getenv("STEP3_ISA");
    if (!options.isa && wanted != nullptr) {
        const auto isa = kernels::parseIsa(wanted);
        if (!isa || !kernels::isaAvailable(*isa)) {
            throw Error(ErrorCode::kUnsupported,
                        "STEP3_ISA: expected one of " + availableIsas() + " on this machine, found " + wanted);
        }
    }
    const kernels::Isa isa = options.isa.value_or(kernels::activeIsa());
    if (!kernels::isaAvailable(isa)) {
        throw Error(ErrorCode::kUnsupported, std::string("kernels: expected one of ") + availableIsas() +
                                                 " on this machine, found " + kernels::isaName(isa));
    }
    return isa;
}

}  // namespace

std::unique_ptr<Pipeline> Pipeline::createCpu(std::shared_ptr<const model::Checkpoint> checkpoint,
                                              kernels::ThreadPool& pool, const CpuPipelineOptions& options) {
    const kernels::KernelTable& kernels = kernels::kernelTable(chooseIsa(options));
    const model::TextConfig config = checkpoint->config().text;
    auto attention = std::make_unique<attention::CpuAttention>(checkpoint, pool, kernels, options.kv);
    auto ffn = std::make_unique<ffn::CpuFfn>(checkpoint, pool, kernels);
    auto link = std::make_unique<DirectLink>(std::move(ffn), config.hiddenSize);
    return std::make_unique<TwoRolePipeline>(config, std::move(attention), std::move(link), options.microBatches);
}

std::unique_ptr<Pipeline> Pipeline::createCpu(std::shared_ptr<const model::Checkpoint> checkpoint,
                                              kernels::ThreadPool& pool) {
    return createCpu(std::move(checkpoint), pool, CpuPipelineOptions{});
}

}  // namespace step3::afd
