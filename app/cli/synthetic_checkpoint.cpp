#include "app/cli/synthetic_checkpoint.h"

#include <algorithm>
#include <random>
#include <unordered_map>
#include <utility>

namespace step3::cli {
namespace {

using kernels::DType;

class SyntheticCheckpoint final : public model::Checkpoint {
public:
    SyntheticCheckpoint(const model::TextConfig& text, bool fp8) {
        config_.architecture = "Step3TextForCausalLM";
        config_.text = text;
        config_.blockFp8 = fp8;
        registry_ = model::tensorRegistry(config_);
        std::uint64_t largest = 0;  // values of the largest matrix, scales of the most
        for (const model::TensorSpec& spec : registry_) largest = std::max(largest, matrixValues(spec));
        fill(largest, fp8);
        ones_.assign(static_cast<std::size_t>(std::max(text.hiddenSize, text.shareQDim)), 0x3F80);  // 1.0 in BF16
        for (const model::TensorSpec& spec : registry_) tensors_.emplace(spec.name, tensorOf(spec, fp8));
    }

    [[nodiscard]] const model::ModelConfig& config() const override { return config_; }
    [[nodiscard]] const std::filesystem::path& folder() const override { return folder_; }
    [[nodiscard]] const std::vector<model::TensorSpec>& registry() const override { return registry_; }
    [[nodiscard]] const model::Tensor* find(std::string_view name) const override {
        const auto it = tensors_.find(std::string(name));
        return it == tensors_.end() ? nullptr : &it->second;
    }
    [[nodiscard]] kernels::WeightView matrix(std::string_view name, std::int64_t /*expert*/) const override {
        return Checkpoint::matrix(name, 0);
    }
    void releasePages(const model::Tensor& /*tensor*/, bool /*fromCache*/) const override {}

private:
    static std::uint64_t matrixValues(const model::TensorSpec& spec) {
        if (spec.shape.size() < 2) return 0;
        return static_cast<std::uint64_t>(spec.shape[spec.shape.size() - 2] * spec.shape.back());
    }

    /// BF16 values of magnitude 1/64 to 1/32, or any E4M3 codes but NaN and subnormal ones with a scale to match; all
    /// signs.
    void fill(std::uint64_t values, bool fp8) {
        std::mt19937_64 random(1);
        words_.resize(static_cast<std::size_t>(values));
        for (std::uint16_t& word : words_) {
            const std::uint64_t bits = random();
            word = static_cast<std::uint16_t>((bits & 0x8000U) | 0x3C80U | (bits & 0x7FU));
        }
        if (!fp8) return;
        codes_.resize(static_cast<std::size_t>(values));
        for (std::uint8_t& code : codes_) {
            code = static_cast<std::uint8_t>(random());
            if ((code & 0x7FU) == 0x7FU) code ^= 1U;
            // Hardly any weight of a real block is subnormal beside its largest; some processors compute with
            // subnormals in a hundred cycles.
            if ((code & 0x78U) == 0) code |= 0x40U;
        }
        scales_.assign(static_cast<std::size_t>(values / 128 + 1), 1e-4F);  // more than there are blocks
    }

    [[nodiscard]] model::Tensor tensorOf(const model::TensorSpec& spec, bool fp8) const {
        model::Tensor tensor;
        tensor.shape = spec.shape;
        const bool quantised = fp8 && spec.quantisable;
        tensor.dtype = quantised ? DType::kE4M3 : DType::kBF16;
        tensor.byteSize = kernels::bytesPerElement(tensor.dtype);
        for (const std::int64_t size : spec.shape) tensor.byteSize *= static_cast<std::uint64_t>(size);
        if (spec.shape.size() < 2)
            tensor.data = reinterpret_cast<const std::byte*>(ones_.data());
        else
            tensor.data = quantised ? reinterpret_cast<const std::byte*>(codes_.data())
                                    : reinterpret_cast<const std::byte*>(words_.data());
        if (quantised) {
            tensor.scaleInv = scales_.data();
            const auto blocks = [](std::int64_t size) { return static_cast<std::uint64_t>((size + 127) / 128); };
            const std::size_t rank = spec.shape.size();
            tensor.scaleBytes = 4 * blocks(spec.shape[rank - 2]) * blocks(spec.shape[rank - 1]);
            if (rank == 3) tensor.scaleBytes *= static_cast<std::uint64_t>(spec.shape[0]);
        }
        return tensor;
    }

    model::ModelConfig config_;
    std::filesystem::path folder_ = "(synthetic)";
    std::vector<model::TensorSpec> registry_;
    std::vector<std::uint16_t> words_;
    std::vector<std::uint8_t> codes_;
    std::vector<float> scales_;
    std::vector<std::uint16_t> ones_;
    std::unordered_map<std::string, model::Tensor> tensors_;
};

}  // namespace

std::shared_ptr<const model::Checkpoint> syntheticCheckpoint(const model::TextConfig& text, bool fp8) {
    return std::make_shared<SyntheticCheckpoint>(text, fp8);
}

model::TextConfig step3TextConfig(std::int64_t layers, std::int64_t firstMoe, std::int64_t vocabShare) {
    model::TextConfig text;
    text.hiddenSize = 7168;
    text.numLayers = layers;
    text.numHeads = 64;
    text.headDim = 256;
    text.shareQDim = 2048;
    text.intermediateSize = 18432;
    text.numExperts = 48;
    text.topK = 3;
    text.moeIntermediateSize = 5120;
    text.shareExpertDim = 5120;
    text.vocabSize = 128815 / vocabShare;
    text.maxPositions = 65536;
    for (std::int64_t layer = 0; layer < layers; ++layer) text.isMoeLayer.push_back(layer >= firstMoe);
    return text;
}

}  // namespace step3::cli
