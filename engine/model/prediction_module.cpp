#include "engine/model/prediction_module.h"

#include <string>
#include <utility>

#include "engine/model/weights.h"
#include "kernels/cpu/kernel_table.h"

namespace step3::model {
namespace {

class PredictionView final : public Checkpoint {
public:
    using Checkpoint::matrix;

    PredictionView(std::shared_ptr<const Checkpoint> base, std::shared_ptr<const Checkpoint> module)
        : base_(std::move(base)),
          module_(std::move(module)),
          config_(base_->config()),
          prefix_("model.layers." + std::to_string(config_.text.numLayers) + ".") {
        config_.text.numLayers = 1;
        config_.text.isMoeLayer = {false};
        config_.vision.reset();
    }

    [[nodiscard]] const ModelConfig& config() const override { return config_; }
    [[nodiscard]] const std::filesystem::path& folder() const override { return module_->folder(); }
    [[nodiscard]] const std::vector<TensorSpec>& registry() const override { return module_->registry(); }
    [[nodiscard]] const Tensor* find(std::string_view name) const override {
        return isShared(name) ? base_->find(name) : module_->find(stored(name));
    }
    [[nodiscard]] kernels::WeightView matrix(std::string_view name, std::int64_t expert) const override {
        return isShared(name) ? base_->matrix(name, expert) : module_->matrix(stored(name), expert);
    }
    void releasePages(const Tensor& tensor, bool fromCache) const override { module_->releasePages(tensor, fromCache); }

private:
    static bool isShared(std::string_view name) {
        return name == "model.embed_tokens.weight" || name == "lm_head.weight";
    }
    [[nodiscard]] std::string stored(std::string_view name) const {
        constexpr std::string_view kLayer = "model.layers.0.";
        if (name == "model.norm.weight") return prefix_ + "shared_head.norm.weight";
        if (name.starts_with(kLayer)) name.remove_prefix(kLayer.size());
        return prefix_ + std::string(name);
    }

    std::shared_ptr<const Checkpoint> base_;
    std::shared_ptr<const Checkpoint> module_;
    ModelConfig config_;
    std::string prefix_;  // of the module's names in its file
};

}  // namespace

std::shared_ptr<const Checkpoint> openPredictionModule(std::shared_ptr<const Checkpoint> base,
                                                       const WeightFormats& formats, kernels::ThreadPool& pool) {
    std::error_code ignored;
    if (!std::filesystem::exists(base->folder() / kPredictionFile, ignored)) return nullptr;
    ModelConfig config = base->config();
    config.groups.reset();  // a quantised copy of a checkpoint keeps the module as it was
    auto mapped = Checkpoint::openFile(base->folder(), kPredictionFile, config, predictionRegistry(config));
    auto module = readWeights(std::move(mapped), formats, pool, kernels::activeKernels());
    return std::make_shared<PredictionView>(std::move(base), std::move(module));
}

}  // namespace step3::model
