#include "engine/vision/vision_encoder.h"

#include <algorithm>
#include <span>
#include <string>
#include <utility>

#include "engine/error.h"
#include "engine/vision/position_table.h"
#include "kernels/gemm/linear.h"
#include "kernels/vision/attention.h"
#include "kernels/vision/conv2d.h"
#include "kernels/vision/elementwise.h"

namespace step3::vision {
namespace {

using kernels::WeightView;

// Shape letters: B pictures of one size, T tokens of one (class rows included), C encoder width, I MLP width.
constexpr std::int64_t kClassRows = 4;  // the class row is repeated, spec step3-model section 5.1
// Pictures of one size go through the weights together up to this many tokens: beyond it the weights are no longer what
// costs, and the MLP's activations would take gigabytes.
constexpr std::int64_t kMaxBatchTokens = 4096;
// Rows of one piece of the MLP: bounds its [rows, I] activations.
constexpr std::int64_t kMlpRows = 1024;

struct Linear {
    WeightView weight;
    std::vector<float> bias;  // empty: none

    [[nodiscard]] const float* biasData() const { return bias.empty() ? nullptr : bias.data(); }
};

struct Norm {
    std::vector<float> weight, bias;
};

struct Layer {
    Linear qkv, out, fc1, fc2;
    Norm norm1, norm2;
};

// A convolution tensor [O, C, k, k] seen as the matrix [O, C * k * k].
struct Convolution {
    Linear linear;
    std::int64_t channels = 0;
    std::int64_t kernel = 0;
};

// One of the two picture sizes.
struct View {
    std::int64_t side = 0;         // pixels
    std::int64_t grid = 0;         // patches a side
    std::int64_t rows = 0;         // result rows a picture
    std::vector<float> positions;  // [grid * grid, C]

    [[nodiscard]] std::int64_t tokens() const { return kClassRows + grid * grid; }
};

std::int64_t convolvedSide(std::int64_t side, std::int64_t kernel, std::int64_t stride, std::int64_t pad) {
    const std::int64_t room = side + 2 * pad - kernel;
    return room < 0 ? 0 : room / stride + 1;
}

std::vector<float> zeros(std::int64_t count) {
    return std::vector<float>(static_cast<std::size_t>(count));
}

}  // namespace

struct VisionEncoder::Impl {
    Impl(std::shared_ptr<const model::Checkpoint> checkpointIn, kernels::ThreadPool& poolIn)
        : checkpoint(std::move(checkpointIn)), pool(poolIn) {
        const model::ModelConfig& config = checkpoint->config();
        if (!config.vision || !config.preprocessor) {
            throw Error(
                ErrorCode::kUnsupported,
                checkpoint->folder().string() + ": expected a model with a vision encoder, found a text-only model");
        }
        vision = *config.vision;
        if (vision.numHeads < 1 || vision.hiddenSize % vision.numHeads != 0) {
            throw Error(ErrorCode::kInvalidData,
                        checkpoint->folder().string() +
                            ": expected vision_config.num_attention_heads to divide hidden_size " +
                            std::to_string(vision.hiddenSize) + ", found " + std::to_string(vision.numHeads));
        }
        const std::string prefix = "vision_model.embeddings.";
        patchEmbedding = convolution(prefix + "patch_embedding");
        downsampler1 = convolution("vit_downsampler");
        downsampler2 = convolution("vit_downsampler2");
        projector = {checkpoint->matrix("vit_large_projector.weight"), {}};
        if (checkpoint->find("vit_large_projector.bias") != nullptr) {
            projector.bias = checkpoint->floats("vit_large_projector.bias");
        }
        for (std::int64_t i = 0; i < vision.numLayers; ++i) {
            const std::string layer = "vision_model.transformer.layers." + std::to_string(i) + ".";
            layers.push_back({linear(layer + "self_attn.qkv_proj"), linear(layer + "self_attn.out_proj"),
                              linear(layer + "mlp.fc1"), linear(layer + "mlp.fc2"), norm(layer + "layer_norm1"),
                              norm(layer + "layer_norm2")});
        }

        const std::int64_t width = vision.hiddenSize;
        classRow = checkpoint->floats(prefix + "class_embedding");
        const std::vector<float> table = checkpoint->floats(prefix + "position_embedding.weight");
        for (std::size_t i = 0; i < classRow.size(); ++i) classRow[i] += table[i];
        const std::vector<float> positions(table.begin() + width, table.end());
        const model::PreprocessorConfig& sizes = *config.preprocessor;
        global = view(sizes.imageSize, positions, sizes.numImageFeatureSize, "image_size", "num_image_feature_size");
        if (vision.enablePatch && sizes.enablePatch) {
            patch = view(sizes.patchSize, positions, sizes.numPatchFeatureSize, "patch_size", "num_patch_feature_size");
        }
    }

    [[nodiscard]] Linear linear(const std::string& name) const {
        Linear result{checkpoint->matrix(name + ".weight"), {}};
        if (checkpoint->find(name + ".bias") != nullptr) result.bias = checkpoint->floats(name + ".bias");
        return result;
    }

    [[nodiscard]] Norm norm(const std::string& name) const {
        return {checkpoint->floats(name + ".weight"), checkpoint->floats(name + ".bias")};
    }

    [[nodiscard]] Convolution convolution(const std::string& name) const {
        const model::Tensor& tensor = checkpoint->get(name + ".weight");
        if (tensor.shape.size() != 4 || tensor.shape[2] != tensor.shape[3] || tensor.scaleInv != nullptr) {
            throw Error(ErrorCode::kInvalidData,
                        checkpoint->folder().string() + ": tensor " + name +
                            ".weight: expected an unquantised square convolution [O, C, k, k]");
        }
        Convolution result;
        result.channels = tensor.shape[1];
        result.kernel = tensor.shape[2];
        result.linear.weight = checkpoint->matrix(name + ".weight");
        if (checkpoint->find(name + ".bias") != nullptr) result.linear.bias = checkpoint->floats(name + ".bias");
        return result;
    }

    // Sizes of one view; its row count must be what the prompt reserves (section 5.4).
    [[nodiscard]] View view(std::int64_t side, const std::vector<float>& positions, std::int64_t reserved,
                            const char* sizeField, const char* countField) const {
        View result;
        result.side = side;
        result.grid = side / patchEmbedding.kernel;
        const std::int64_t first = convolvedSide(result.grid, downsampler1.kernel, vision.projectorStride, 0);
        const std::int64_t second = first < 1 ? 0 : convolvedSide(first, downsampler2.kernel, 2, 1);
        result.rows = second * second;
        if (result.rows < 1 || result.rows != reserved) {
            throw Error(ErrorCode::kInvalidData, checkpoint->folder().string() +
                                                     ": preprocessor_config.json: " + countField + ": expected " +
                                                     std::to_string(result.rows) + " for " + sizeField + " " +
                                                     std::to_string(side) + ", found " + std::to_string(reserved));
        }
        const std::int64_t tableGrid = vision.imageSize / vision.patchSize;
        result.positions = resamplePositions(positions, tableGrid, result.grid, vision.hiddenSize);
        return result;
    }

    [[nodiscard]] std::vector<float> embed(const View& v, std::span<const std::vector<float>> pictures) const;
    void runLayer(const Layer& layer, std::int64_t batch, std::int64_t tokens, std::vector<float>& x) const;
    void project(const View& v, std::int64_t batch, const std::vector<float>& x, float* rows) const;
    void encodeBatch(const View& v, std::span<const std::vector<float>> pictures, float* rows) const;

    std::shared_ptr<const model::Checkpoint> checkpoint;
    kernels::ThreadPool& pool;
    model::VisionConfig vision;
    Convolution patchEmbedding, downsampler1, downsampler2;
    Linear projector;
    std::vector<Layer> layers;
    std::vector<float> classRow;  // [C], class embedding with its position added
    View global, patch;
};

// Pixels [3, side, side] each -> X [B, T, C]: class rows, then patches with their positions.
std::vector<float> VisionEncoder::Impl::embed(const View& v, std::span<const std::vector<float>> pictures) const {
    const std::int64_t width = vision.hiddenSize;
    std::vector<float> x = zeros(static_cast<std::int64_t>(pictures.size()) * v.tokens() * width);
    float* out = x.data();
    for (const std::vector<float>& pixels : pictures) {
        for (std::int64_t i = 0; i < kClassRows; ++i) out = std::copy(classRow.begin(), classRow.end(), out);
        kernels::conv2d(pool, {.input = pixels.data(),
                               .channels = patchEmbedding.channels,
                               .height = v.side,
                               .width = v.side,
                               .channelStride = v.side * v.side,
                               .rowStride = v.side,
                               .columnStride = 1,
                               .kernel = patchEmbedding.kernel,
                               .stride = patchEmbedding.kernel,
                               .weight = patchEmbedding.linear.weight,
                               .bias = patchEmbedding.linear.biasData(),
                               .output = out});
        for (const float position : v.positions) *out++ += position;
    }
    return x;
}

// Residual post-norm, section 5.2: the norm is on the branch's output.
void VisionEncoder::Impl::runLayer(const Layer& layer, std::int64_t batch, std::int64_t tokens,
                                   std::vector<float>& x) const {
    const std::int64_t width = vision.hiddenSize;
    const std::int64_t rows = batch * tokens;
    std::vector<float> branch = zeros(rows * width);
    const auto addNormalised = [&](const Norm& norm) {
        kernels::addLayerNorm(pool, {.x = x.data(),
                                     .branch = branch.data(),
                                     .rows = rows,
                                     .width = width,
                                     .weight = norm.weight.data(),
                                     .bias = norm.bias.data(),
                                     .eps = vision.layerNormEps});
    };
    {
        std::vector<float> qkv = zeros(rows * 3 * width);
        std::vector<float> attended = zeros(rows * width);
        kernels::linear(pool, x.data(), rows, layer.qkv.weight, layer.qkv.biasData(), qkv.data());
        kernels::visionAttention(pool, {.qkv = qkv.data(),
                                        .out = attended.data(),
                                        .batch = batch,
                                        .tokens = tokens,
                                        .heads = vision.numHeads,
                                        .dim = width / vision.numHeads});
        kernels::linear(pool, attended.data(), rows, layer.out.weight, layer.out.biasData(), branch.data());
    }
    addNormalised(layer.norm1);

    std::vector<float> inner = zeros(std::min(rows, kMlpRows) * layer.fc1.weight.n);
    for (std::int64_t first = 0; first < rows; first += kMlpRows) {
        const std::int64_t count = std::min(kMlpRows, rows - first);
        kernels::linear(pool, x.data() + first * width, count, layer.fc1.weight, layer.fc1.biasData(), inner.data());
        kernels::quickGelu(pool, inner.data(), count * layer.fc1.weight.n);
        kernels::linear(pool, inner.data(), count, layer.fc2.weight, layer.fc2.biasData(),
                        branch.data() + first * width);
    }
    addNormalised(layer.norm2);
}

// X [B, T, C] without its class rows -> rows [B, v.rows, H], section 5.3.
void VisionEncoder::Impl::project(const View& v, std::int64_t batch, const std::vector<float>& x, float* rows) const {
    const auto convolve = [&](const Convolution& weights, const float* input, std::int64_t batchStride,
                              std::int64_t side, std::int64_t stride, std::int64_t pad, std::int64_t& outSide) {
        kernels::Conv2dParams params{.input = input,
                                     .batch = batch,
                                     .channels = weights.channels,
                                     .height = side,
                                     .width = side,
                                     .batchStride = batchStride,
                                     .channelStride = 1,
                                     .rowStride = side * weights.channels,
                                     .columnStride = weights.channels,
                                     .kernel = weights.kernel,
                                     .stride = stride,
                                     .pad = pad,
                                     .weight = weights.linear.weight,
                                     .bias = weights.linear.biasData()};
        outSide = params.outHeight();
        std::vector<float> out = zeros(batch * outSide * outSide * weights.linear.weight.n);
        params.output = out.data();
        kernels::conv2d(pool, params);
        return out;
    };
    const std::int64_t width = vision.hiddenSize;
    std::int64_t side = v.grid;
    const std::vector<float> first = convolve(downsampler1, x.data() + kClassRows * width, v.tokens() * width, side,
                                              vision.projectorStride, 0, side);
    const std::vector<float> second =
        convolve(downsampler2, first.data(), side * side * downsampler1.linear.weight.n, side, 2, 1, side);
    kernels::linear(pool, second.data(), batch * v.rows, projector.weight, projector.biasData(), rows);
}

void VisionEncoder::Impl::encodeBatch(const View& v, std::span<const std::vector<float>> pictures, float* rows) const {
    const auto most = static_cast<std::size_t>(std::max<std::int64_t>(1, kMaxBatchTokens / v.tokens()));
    while (!pictures.empty()) {
        const auto batch = pictures.first(std::min(most, pictures.size()));
        const auto count = static_cast<std::int64_t>(batch.size());
        std::vector<float> x = embed(v, batch);
        for (const Layer& layer : layers) runLayer(layer, count, v.tokens(), x);
        project(v, count, x, rows);
        rows += count * v.rows * projector.weight.n;
        pictures = pictures.subspan(batch.size());
    }
}

VisionEncoder::VisionEncoder(std::shared_ptr<const model::Checkpoint> checkpoint, kernels::ThreadPool& pool)
    : impl_(std::make_unique<Impl>(std::move(checkpoint), pool)) {}

VisionEncoder::~VisionEncoder() = default;

std::vector<float> VisionEncoder::encode(const image::PixelValues& pixels) const {
    const auto check = [](const char* what, std::size_t found, const View& v) {
        const std::int64_t expected = 3 * v.side * v.side;
        if (static_cast<std::int64_t>(found) == expected && expected > 0) return;
        throw Error(ErrorCode::kInvalidArgument, std::string("vision encoder: ") + what + ": expected " +
                                                     std::to_string(expected) + " pixel values, found " +
                                                     std::to_string(found));
    };
    check("global view", pixels.global.size(), impl_->global);
    for (const std::vector<float>& crop : pixels.patches) check("crop", crop.size(), impl_->patch);

    const std::int64_t hidden = impl_->projector.weight.n;
    const std::int64_t cropRows = static_cast<std::int64_t>(pixels.patches.size()) * impl_->patch.rows;
    std::vector<float> rows = zeros((cropRows + impl_->global.rows) * hidden);
    impl_->encodeBatch(impl_->patch, pixels.patches, rows.data());
    impl_->encodeBatch(impl_->global, {&pixels.global, 1}, rows.data() + cropRows * hidden);
    return rows;
}

}  // namespace step3::vision
