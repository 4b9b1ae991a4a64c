#include "engine/model/checkpoint.h"
#include "engine/model/prediction_module.h"

namespace step3::model {
namespace {

using Shape = std::vector<std::int64_t>;

class Builder {
public:
    explicit Builder(std::vector<TensorSpec>& specs) : specs_(specs) {}
    void add(const std::string& name, const char* axes, Shape shape, TensorRole role, bool quantisable = false,
             bool optional = false) {
        specs_.push_back({prefix + name, axes, std::move(shape), role, layer, quantisable, optional});
    }
    std::string prefix;
    std::optional<std::int64_t> layer;

private:
    std::vector<TensorSpec>& specs_;
};

void addMlp(Builder& b, const std::string& name, std::int64_t hidden, std::int64_t inner) {
    b.add(name + ".gate_proj.weight", "[F, H]", {inner, hidden}, TensorRole::kFfn, true);
    b.add(name + ".up_proj.weight", "[F, H]", {inner, hidden}, TensorRole::kFfn, true);
    b.add(name + ".down_proj.weight", "[H, F]", {hidden, inner}, TensorRole::kFfn, true);
}

void addTextLayer(Builder& b, const TextConfig& text, std::int64_t layer) {
    const std::int64_t hidden = text.hiddenSize;
    const std::int64_t query = text.numHeads * text.headDim;
    b.prefix = "model.layers." + std::to_string(layer) + ".";
    b.layer = layer;
    constexpr auto kAttention = TensorRole::kAttention;
    b.add("input_layernorm.weight", "[H]", {hidden}, kAttention);
    b.add("post_attention_layernorm.weight", "[H]", {hidden}, kAttention);
    b.add("self_attn.q_proj.weight", "[Q, H]", {text.shareQDim, hidden}, kAttention, true);
    b.add("self_attn.k_proj.weight", "[D, H]", {text.headDim, hidden}, kAttention, true);
    b.add("self_attn.v_proj.weight", "[D, H]", {text.headDim, hidden}, kAttention, true);
    b.add("self_attn.inter_norm.weight", "[Q]", {text.shareQDim}, kAttention);
    b.add("self_attn.wq.weight", "[N*D, Q]", {query, text.shareQDim}, kAttention, true);
    b.add("self_attn.o_proj.weight", "[H, N*D]", {hidden, query}, kAttention, true);
    if (!text.isMoeLayer[static_cast<std::size_t>(layer)]) {
        addMlp(b, "mlp", hidden, text.intermediateSize);
        return;
    }
    const std::int64_t experts = text.numExperts;
    const std::int64_t inner = text.moeIntermediateSize;
    b.add("moe.gate.weight", "[E, H]", {experts, hidden}, kAttention);  // the router sits on the attention side
    b.add("moe.gate_proj.weight", "[E, F, H]", {experts, inner, hidden}, TensorRole::kFfn, true);
    b.add("moe.up_proj.weight", "[E, F, H]", {experts, inner, hidden}, TensorRole::kFfn, true);
    b.add("moe.down_proj.weight", "[E, H, F]", {experts, hidden, inner}, TensorRole::kFfn, true);
    addMlp(b, "share_expert", hidden, text.shareExpertDim);
}

void addVision(Builder& b, const VisionConfig& v, std::int64_t hidden) {
    constexpr auto kVision = TensorRole::kVision;
    const std::int64_t c = v.hiddenSize;
    const std::int64_t grid = v.imageSize / v.patchSize;
    b.layer.reset();
    b.prefix = "vision_model.embeddings.";
    b.add("class_embedding", "[1, C]", {1, c}, kVision);
    b.add("patch_embedding.weight", "[C, 3, P, P]", {c, v.numChannels, v.patchSize, v.patchSize}, kVision);
    b.add("patch_embedding.bias", "[C]", {c}, kVision);
    b.add("position_embedding.weight", "[1+G*G, C]", {1 + grid * grid, c}, kVision);
    for (std::int64_t i = 0; i < v.numLayers; ++i) {
        b.layer = i;
        b.prefix = "vision_model.transformer.layers." + std::to_string(i) + ".";
        b.add("self_attn.qkv_proj.weight", "[3*C, C]", {3 * c, c}, kVision);
        b.add("self_attn.qkv_proj.bias", "[3*C]", {3 * c}, kVision);
        b.add("self_attn.out_proj.weight", "[C, C]", {c, c}, kVision);
        b.add("self_attn.out_proj.bias", "[C]", {c}, kVision);
        for (const char* norm : {"layer_norm1", "layer_norm2"}) {
            b.add(std::string(norm) + ".weight", "[C]", {c}, kVision);
            b.add(std::string(norm) + ".bias", "[C]", {c}, kVision);
        }
        b.add("mlp.fc1.weight", "[I, C]", {v.intermediateSize, c}, kVision);
        b.add("mlp.fc1.bias", "[I]", {v.intermediateSize}, kVision);
        b.add("mlp.fc2.weight", "[C, I]", {c, v.intermediateSize}, kVision);
        b.add("mlp.fc2.bias", "[C]", {c}, kVision);
    }
    b.layer.reset();
    b.prefix.clear();
    const std::int64_t o = v.outputHiddenSize;
    b.add("vit_downsampler.weight", "[O, C, 2, 2]", {o, c, 2, 2}, kVision);
    b.add("vit_downsampler.bias", "[O]", {o}, kVision);
    b.add("vit_downsampler2.weight", "[2*O, O, 3, 3]", {2 * o, o, 3, 3}, kVision);
    b.add("vit_downsampler2.bias", "[2*O]", {2 * o}, kVision);
    b.add("vit_large_projector.weight", "[H, 2*O]", {hidden, 2 * o}, kVision);
    b.add("vit_large_projector.bias", "[H]", {hidden}, kVision, false, true);
}

}  // namespace

bool isRoutedExpert(const TensorSpec& spec) {
    return spec.role == TensorRole::kFfn && spec.shape.size() == 3;
}

WeightFormat formatOf(const TensorSpec& spec, const WeightFormats& formats) {
    if (spec.name == "lm_head.weight") return formats.head;
    if (!spec.quantisable) return WeightFormat::kStored;
    return isRoutedExpert(spec) ? formats.experts : formats.attention;
}

std::vector<TensorSpec> tensorRegistry(const ModelConfig& config) {
    std::vector<TensorSpec> specs;
    Builder b(specs);
    const TextConfig& text = config.text;
    b.add("model.embed_tokens.weight", "[V, H]", {text.vocabSize, text.hiddenSize}, TensorRole::kEmbedding);
    for (std::int64_t layer = 0; layer < text.numLayers; ++layer) addTextLayer(b, text, layer);
    b.layer.reset();
    b.prefix.clear();
    b.add("model.norm.weight", "[H]", {text.hiddenSize}, TensorRole::kAttention);
    b.add("lm_head.weight", "[V, H]", {text.vocabSize, text.hiddenSize}, TensorRole::kEmbedding);
    if (config.vision) addVision(b, *config.vision, text.hiddenSize);
    return specs;
}

std::vector<TensorSpec> predictionRegistry(const ModelConfig& config) {
    TextConfig text = config.text;
    const std::int64_t layer = text.numLayers;
    const std::int64_t hidden = text.hiddenSize;
    text.isMoeLayer.push_back(false);
    std::vector<TensorSpec> specs;
    Builder b(specs);
    addTextLayer(b, text, layer);
    b.add("enorm.weight", "[H]", {hidden}, TensorRole::kAttention);
    b.add("hnorm.weight", "[H]", {hidden}, TensorRole::kAttention);
    b.add("eh_proj.weight", "[H, 2*H]", {hidden, 2 * hidden}, TensorRole::kAttention, true);
    b.add("shared_head.norm.weight", "[H]", {hidden}, TensorRole::kAttention);
    return specs;
}

}  // namespace step3::model
