#include "tests/model/tiny_checkpoint.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <fstream>
#include <stdexcept>

#include <unistd.h>

#include "engine/model/checkpoint.h"
#include "engine/model/config_json.h"

namespace step3::test {
namespace {

std::string littleEndian(std::uint64_t value) {
    std::string bytes;
    for (int i = 0; i < 8; ++i) bytes += static_cast<char>(value >> (8 * i) & 0xFFU);
    return bytes;
}

std::string floatBytes(float value, std::size_t count) {
    std::string bytes(count * sizeof value, '\0');
    for (std::size_t i = 0; i < count; ++i) std::memcpy(bytes.data() + i * sizeof value, &value, sizeof value);
    return bytes;
}

}  // namespace

Folder::Folder() {
    static std::atomic<int> number{0};
    path_ = std::filesystem::temp_directory_path() /
            ("step3-test-" + std::to_string(::getpid()) + "-" + std::to_string(number++));
    std::filesystem::remove_all(path_);
    std::filesystem::create_directories(path_);
}

Folder::~Folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
}

void Folder::write(const std::string& name, const std::string& bytes) const {
    std::ofstream(path_ / name, std::ios::binary) << bytes;
}

std::string Folder::without(std::string message) const {
    const std::string own = path_.string();
    for (std::size_t at; (at = message.find(own)) != std::string::npos;) message.replace(at, own.size(), "DIR");
    return message;
}

void damage(const model::Checkpoint& checkpoint, const std::string& tensor, std::uint64_t at,
            const std::string& bytes) {
    const auto range = checkpoint.fileRange(tensor);
    if (!range) throw std::runtime_error("no tensor " + tensor + " in a file");
    std::fstream file(range->file, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(static_cast<std::streamoff>(range->begin + at));
    file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    if (!file.flush()) throw std::runtime_error("cannot write " + range->file.string());
}

std::string safetensorsBytes(const std::vector<RawTensor>& tensors) {
    Json header = Json::object();
    std::string data;
    for (const RawTensor& tensor : tensors) {
        const auto begin = static_cast<std::int64_t>(data.size());
        data += tensor.bytes;
        const std::vector<std::int64_t> offsets{begin, static_cast<std::int64_t>(data.size())};
        header[tensor.name] = {{"dtype", tensor.dtype},
                               {"shape", tensor.shape},
                               {"data_offsets", tensor.offsets.empty() ? offsets : tensor.offsets}};
    }
    const std::string text = header.dump();
    return littleEndian(text.size()) + text + data;
}

std::string safetensorsBytes(const std::string& header, std::size_t dataBytes) {
    return littleEndian(header.size()) + header + std::string(dataBytes, '\0');
}

TinyCheckpoint::TinyCheckpoint(bool fp8) {
    config = {{"architectures", {"Step3TextForCausalLM"}},
              {"hidden_size", 6},
              {"num_hidden_layers", 2},
              {"num_attention_heads", 2},
              {"head_dim", 4},
              {"share_q_dim", 5},
              {"intermediate_size", 7},
              {"moe_num_experts", 3},
              {"moe_top_k", 2},
              {"moe_intermediate_size", 3},
              {"share_expert_dim", 3},
              {"vocab_size", 11},
              {"max_seq_len", 64},
              {"eos_token_id", 1}};
    if (fp8) config["quantization_config"] = {{"quant_method", "fp8"}, {"weight_block_size", {4, 4}}};
    for (const model::TensorSpec& spec : model::tensorRegistry(model::parseModelConfig(config, "config.json"))) {
        std::size_t count = 1;
        for (const std::int64_t extent : spec.shape) count *= static_cast<std::size_t>(extent);
        if (!fp8 || !spec.quantisable) {
            tensors.push_back({spec.name, "F32", spec.shape, floatBytes(0.25F, count)});
            continue;
        }
        tensors.push_back({spec.name, "F8_E4M3", spec.shape, std::string(count, '\x38')});  // 1.0
        std::vector<std::int64_t> blocks = spec.shape;
        for (std::size_t axis = blocks.size() - 2; axis < blocks.size(); ++axis) blocks[axis] = (blocks[axis] + 3) / 4;
        count = 1;
        for (const std::int64_t extent : blocks) count *= static_cast<std::size_t>(extent);
        tensors.push_back({spec.name + "_scale_inv", "F32", blocks, floatBytes(0.5F, count)});
    }
}

TinyCheckpoint TinyCheckpoint::inGroups() {
    TinyCheckpoint tiny;
    tiny.config["quantization_config"] = {
        {"quant_method", "step3_groups"},
        {"group_size", 32},
        {"formats", {{"experts", "int4"}, {"attention", "int8"}, {"lm_head", "int8"}}}};
    const model::ModelConfig config = model::parseModelConfig(tiny.config, "config.json");
    for (const model::TensorSpec& spec : model::tensorRegistry(config)) {
        const auto format = model::formatOf(spec, config.groups->formats);
        if (format == model::WeightFormat::kStored) continue;
        std::vector<std::int64_t> shape = spec.shape;
        if (format == model::WeightFormat::kInt4) shape.back() = (shape.back() + 1) / 2;
        std::size_t count = 1;
        for (const std::int64_t extent : shape) count *= static_cast<std::size_t>(extent);
        tiny.tensor(spec.name) = {spec.name, "U8", shape, std::string(count, '\x99')};
        shape.back() = (spec.shape.back() + 31) / 32;
        count = 1;
        for (const std::int64_t extent : shape) count *= static_cast<std::size_t>(extent);
        std::string scales;
        for (std::size_t i = 0; i < count; ++i) scales += std::string("\x80\x3E", 2);  // 0.25
        tiny.tensors.push_back({spec.name + "_scale", "BF16", shape, scales});
    }
    return tiny;
}

RawTensor& TinyCheckpoint::tensor(const std::string& name) {
    const auto it = std::find_if(tensors.begin(), tensors.end(), [&](const auto& t) { return t.name == name; });
    if (it == tensors.end()) throw std::runtime_error("no tensor " + name);
    return *it;
}

void TinyCheckpoint::remove(const std::string& name) {
    tensors.erase(tensors.begin() + (&tensor(name) - tensors.data()));
}

void TinyCheckpoint::write(const Folder& folder) const {
    folder.write("config.json", config.dump());
    folder.write("model.safetensors", safetensorsBytes(tensors));
}

Json TinyCheckpoint::writeParts(const Folder& folder) const {
    folder.write("config.json", config.dump());
    const auto half = tensors.begin() + static_cast<std::ptrdiff_t>(tensors.size() / 2);
    folder.write("a.safetensors", safetensorsBytes(std::vector(tensors.begin(), half)));
    folder.write("b.safetensors", safetensorsBytes(std::vector(half, tensors.end())));
    Json map = Json::object();
    for (auto it = tensors.begin(); it != tensors.end(); ++it)
        map[it->name] = it < half ? "a.safetensors" : "b.safetensors";
    return {{"metadata", Json::object()}, {"weight_map", map}};
}

}  // namespace step3::test
