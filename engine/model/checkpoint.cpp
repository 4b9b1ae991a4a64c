#include "engine/model/checkpoint.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <map>
#include <set>
#include <unordered_map>

#include "engine/error.h"
#include "engine/json.h"
#include "engine/model/config_json.h"
#include "engine/model/finite.h"
#include "engine/model/mapped_file.h"
#include "engine/model/safetensors.h"

namespace step3::model {
namespace {

namespace fs = std::filesystem;
using kernels::DType;

constexpr std::uint64_t kScanLimit = 256ULL
                                     << 20;  // FP8 codes are looked through only in checkpoints smaller than this
constexpr std::string_view kScaleSuffix = "_scale_inv";
constexpr std::string_view kGroupSuffix = "_scale";

std::string dtypeName(DType dtype) {
    switch (dtype) {
        case DType::kF32: return "F32";
        case DType::kF16: return "F16";
        case DType::kBF16: return "BF16";
        case DType::kE4M3: return "F8_E4M3";
        case DType::kI32: return "I32";
        case DType::kI64: return "I64";
        case DType::kU8: return "U8";
        case DType::kInt8Group:
        case DType::kInt4Group: return "U8";  // codes
        case DType::kCompactBF16: return "BF16";
    }
    return "?";
}

std::string shapeText(const std::vector<std::int64_t>& shape) {
    std::string text = "[";
    for (std::size_t i = 0; i < shape.size(); ++i) text += (i ? ", " : "") + std::to_string(shape[i]);
    return text + "]";
}

/// Flat name of a tensor stored under the nested names of the original classes (spec section 3, last paragraph).
std::string flatName(const std::string& name) {
    static constexpr std::pair<std::string_view, std::string_view> kPrefixes[] = {
        {"model.language_model.", "model."}, {"model.vision_model.", "vision_model."}, {"model.vit_", "vit_"},
        {"language_model.model.", "model."}, {"language_model.lm_head.", "lm_head."},  {"model.lm_head.", "lm_head."},
    };
    for (const auto& [nested, flat] : kPrefixes)
        if (name.starts_with(nested)) return std::string(flat) + name.substr(nested.size());
    return name;
}

struct Stored {
    SafetensorsEntry entry;
    std::size_t shard = 0;
};

class MappedCheckpoint final : public Checkpoint {
public:
    MappedCheckpoint(const fs::path& folder, const OpenProgressFn& progress, const std::stop_token& stop)
        : folder_(folder), config_(loadModelConfig(folder)), registry_(tensorRegistry(config_)) {
        const std::vector<std::string> files = listShards();
        for (const std::string& file : files) {
            checkStop(stop);
            readShard(file);
        }
        checkIndex();
        bindTensors(progress, stop);
    }

    MappedCheckpoint(const fs::path& folder, const std::string& file, ModelConfig config,
                     std::vector<TensorSpec> registry)
        : folder_(folder), config_(std::move(config)), registry_(std::move(registry)) {
        readShard(file);
        refuseOthers(file);
        bindTensors({}, {});
    }

    [[nodiscard]] const ModelConfig& config() const override { return config_; }
    [[nodiscard]] const fs::path& folder() const override { return folder_; }
    [[nodiscard]] const std::vector<TensorSpec>& registry() const override { return registry_; }
    [[nodiscard]] std::vector<std::string> files() const override { return shardNames_; }
    [[nodiscard]] const Tensor* find(std::string_view name) const override {
        const auto it = tensors_.find(std::string(name));
        return it == tensors_.end() ? nullptr : &it->second;
    }
    void releasePages(const Tensor& tensor, bool fromCache) const override {
        release(tensor.data, tensor.byteSize, fromCache);
        if (tensor.groupScales != nullptr)
            release(reinterpret_cast<const std::byte*>(tensor.groupScales), tensor.scaleBytes, fromCache);
    }
    [[nodiscard]] std::optional<FileRange> fileRange(std::string_view name) const override {
        const auto it = stored_.find(std::string(name));
        if (it == stored_.end()) return std::nullopt;
        const SafetensorsEntry& entry = it->second.entry;
        return FileRange{folder_ / shardNames_[it->second.shard], entry.begin, entry.end - entry.begin};
    }
    [[nodiscard]] std::string place(std::string_view name) const override {
        const auto it = stored_.find(std::string(name));
        return it == stored_.end() ? Checkpoint::place(name) : placeOf(it->second);
    }

private:
    void release(const std::byte* data, std::uint64_t bytes, bool fromCache) const {
        for (const MappedFile& shard : shards_) {
            if (data >= shard.data() && data < shard.data() + shard.size())
                shard.release(static_cast<std::uint64_t>(data - shard.data()), bytes, fromCache);
        }
    }

    [[nodiscard]] std::string placeOf(const Stored& item) const {
        return (folder_ / shardNames_[item.shard]).string() + ": tensor " + item.entry.name;
    }

    static void checkStop(const std::stop_token& stop) {
        if (stop.stop_requested()) throw Error(ErrorCode::kCancelled, "opening the model was cancelled");
    }

    /// Shard file names, from the index or the single file there is.
    std::vector<std::string> listShards() {
        const fs::path index = folder_ / "model.safetensors.index.json";
        std::error_code ignored;
        if (fs::exists(index, ignored)) {
            const MappedFile file(index);
            const Json object = parseConfigObject(file.text(), index.string());
            const auto map = object.find("weight_map");
            if (map == object.end() || !map->is_object() || map->empty())
                throw Error(ErrorCode::kInvalidData,
                            index.string() + ": field weight_map: expected tensor names with shard names, found " +
                                (map == object.end() ? "nothing" : std::string(map->type_name())));
            std::set<std::string> names;
            for (const auto& [tensor, shard] : map->items()) {
                const std::string name = shard.is_string() ? shard.get<std::string>() : "";
                if (name.empty() || name.find('/') != std::string::npos || name.find('\\') != std::string::npos ||
                    name == "..")
                    throw Error(ErrorCode::kInvalidData, index.string() + ": tensor " + tensor +
                                                             ": expected the name of a shard in this folder, found " +
                                                             shard.dump());
                if (!fs::exists(folder_ / name, ignored))
                    throw Error(ErrorCode::kNotFound, index.string() + ": tensor " + tensor + ": expected shard " +
                                                          name + " in this folder, found none");
                names.insert(name);
                indexed_.emplace_back(tensor, name);
            }
            indexFile_ = index;
            return {names.begin(), names.end()};
        }
        std::vector<std::string> found;
        for (const auto& item : fs::directory_iterator(folder_, ignored))
            if (item.path().extension() == ".safetensors") found.push_back(item.path().filename().string());
        if (std::find(found.begin(), found.end(), "model.safetensors") != found.end()) return {"model.safetensors"};
        if (found.size() == 1) return found;
        throw Error(
            ErrorCode::kNotFound,
            folder_.string() + ": expected model.safetensors or model.safetensors.index.json, found " +
                (found.empty() ? "neither" : std::to_string(found.size()) + " safetensors files without an index"));
    }

    void readShard(const std::string& name) {
        const fs::path path = folder_ / name;
        MappedFile file(path);
        for (SafetensorsEntry& entry : parseSafetensorsHeader(file.text(), file.size(), path.string(), &unknown_)) {
            const std::string flat = flatName(entry.name);
            const auto [it, inserted] = stored_.try_emplace(flat, Stored{entry, shards_.size()});
            if (!inserted)
                throw Error(ErrorCode::kInvalidData,
                            path.string() + ": tensor " + entry.name +
                                ": expected one tensor of this name, found a second in " +
                                (it->second.shard < shardNames_.size() ? shardNames_[it->second.shard] : name));
        }
        shardNames_.push_back(name);
        shards_.push_back(std::move(file));
    }

    /// All that is stored must be a tensor of the registry or the scales of one.
    void refuseOthers(const std::string& file) const {
        std::set<std::string> wanted;
        for (const TensorSpec& spec : registry_) {
            wanted.insert(spec.name);
            if (spec.quantisable) wanted.insert(spec.name + std::string(kScaleSuffix));
        }
        for (const auto& [name, item] : stored_) {
            if (wanted.count(name) > 0) continue;
            throw Error(ErrorCode::kInvalidData, (folder_ / file).string() + ": tensor " + item.entry.name +
                                                     ": expected only the " + std::to_string(registry_.size()) +
                                                     " tensors of the module, found another");
        }
    }

    /// Every tensor the index names must lie in the shard it names.
    void checkIndex() const {
        for (const auto& [tensor, shard] : indexed_) {
            const auto it = stored_.find(flatName(tensor));
            if (it != stored_.end() && shardNames_[it->second.shard] == shard) continue;
            if (std::find(unknown_.begin(), unknown_.end(), tensor) != unknown_.end()) continue;
            throw Error(ErrorCode::kInvalidData,
                        indexFile_.string() + ": tensor " + tensor + ": expected it in shard " + shard + ", found it " +
                            (it == stored_.end() ? "nowhere" : "in " + shardNames_[it->second.shard]));
        }
    }

    void bindTensors(const OpenProgressFn& progress, const std::stop_token& stop) {
        std::uint64_t total = 0;
        for (const auto& [name, item] : stored_) total += item.entry.end - item.entry.begin;
        std::uint64_t done = 0;
        for (const TensorSpec& spec : registry_) {
            checkStop(stop);
            const auto it = stored_.find(spec.name);
            if (it == stored_.end()) {
                if (std::find(unknown_.begin(), unknown_.end(), spec.name) != unknown_.end())
                    throw Error(ErrorCode::kUnsupported,
                                folder_.string() + ": tensor " + spec.name +
                                    ": expected F32, F16, BF16 or F8_E4M3, found another dtype");
                if (!spec.optional)
                    throw Error(ErrorCode::kNotFound, folder_.string() + ": tensor " + spec.name + ": expected shape " +
                                                          shapeText(spec.shape) + ", found no such tensor");
                continue;
            }
            tensors_.emplace(spec.name, bind(spec, it->second, total));
            done += it->second.entry.end - it->second.entry.begin;
            if (progress) progress({done, total});
        }
    }

    Tensor bind(const TensorSpec& spec, const Stored& item, std::uint64_t totalBytes) {
        const SafetensorsEntry& entry = item.entry;
        const std::string where = placeOf(item);
        if (config_.groups) {
            const WeightFormat format = formatOf(spec, config_.groups->formats);
            if (format != WeightFormat::kStored) return bindGroups(spec, item, format, totalBytes);
        }
        const bool isFloat = entry.dtype == DType::kF32 || entry.dtype == DType::kF16 || entry.dtype == DType::kBF16;
        const bool isFp8 = entry.dtype == DType::kE4M3;
        if (!isFloat && !(isFp8 && spec.quantisable))
            throw Error(ErrorCode::kInvalidData, where + ": expected dtype F32, F16 or BF16" +
                                                     (spec.quantisable ? " or F8_E4M3" : "") + ", found " +
                                                     dtypeName(entry.dtype));
        if (entry.shape != spec.shape)
            throw Error(ErrorCode::kInvalidData, where + ": expected shape " + shapeText(spec.shape) + " " + spec.axes +
                                                     ", found " + shapeText(entry.shape));
        Tensor tensor;
        tensor.dtype = entry.dtype;
        tensor.shape = entry.shape;
        tensor.byteSize = entry.end - entry.begin;
        tensor.data =
            aligned(shards_[item.shard].data() + entry.begin, tensor.byteSize, kernels::bytesPerElement(entry.dtype));
        const auto scale = stored_.find(spec.name + std::string(kScaleSuffix));
        if (isFp8) {
            if (scale == stored_.end())
                throw Error(ErrorCode::kNotFound, where + ": expected scales in " + spec.name +
                                                      std::string(kScaleSuffix) + ", found no such tensor");
            tensor.scaleInv = bindScales(spec, scale->second);
            tensor.scaleBytes = scale->second.entry.end - scale->second.entry.begin;
            if (totalBytes < kScanLimit) checkCodes({tensor.data, tensor.byteSize}, where);
        } else if (scale != stored_.end()) {
            throw Error(ErrorCode::kInvalidData,
                        where + ": expected dtype F8_E4M3 beside its scales, found " + dtypeName(entry.dtype));
        }
        return tensor;
    }

    /// Codes [..., n, k] or, two a byte, [..., n, ceil(k/2)] with their BF16 scales [..., n, ceil(k/groupSize)].
    Tensor bindGroups(const TensorSpec& spec, const Stored& item, WeightFormat format, std::uint64_t totalBytes) {
        const SafetensorsEntry& entry = item.entry;
        const bool int4 = format == WeightFormat::kInt4;
        const std::string what = int4 ? " (int4, two a byte)" : " (int8)";
        std::vector<std::int64_t> shape = spec.shape;
        if (int4) shape.back() = (shape.back() + 1) / 2;
        expectEntry(item, DType::kU8, shape, what);
        Tensor tensor;
        tensor.dtype = int4 ? DType::kInt4Group : DType::kInt8Group;
        tensor.shape = spec.shape;
        tensor.byteSize = entry.end - entry.begin;
        tensor.data = shards_[item.shard].data() + entry.begin;
        const std::string name = spec.name + std::string(kGroupSuffix);
        const auto scale = stored_.find(name);
        if (scale == stored_.end())
            throw Error(ErrorCode::kNotFound,
                        placeOf(item) + ": expected scales in " + name + ", found no such tensor");
        const std::int64_t group = config_.groups->groupSize;
        shape.back() = (spec.shape.back() + group - 1) / group;
        expectEntry(scale->second, DType::kBF16, shape, " (groups of " + std::to_string(group) + ")");
        const SafetensorsEntry& scales = scale->second.entry;
        tensor.scaleBytes = scales.end - scales.begin;
        tensor.groupScales = reinterpret_cast<const std::uint16_t*>(
            aligned(shards_[scale->second.shard].data() + scales.begin, tensor.scaleBytes, 2));
        if (totalBytes < kScanLimit)
            checkGroupScales({tensor.groupScales, tensor.scaleBytes / 2}, placeOf(scale->second));
        return tensor;
    }

    void expectEntry(const Stored& item, DType dtype, const std::vector<std::int64_t>& shape,
                     const std::string& what) const {
        if (item.entry.dtype != dtype)
            throw Error(ErrorCode::kInvalidData, placeOf(item) + ": expected dtype " + dtypeName(dtype) + what +
                                                     ", found " + dtypeName(item.entry.dtype));
        if (item.entry.shape != shape)
            throw Error(ErrorCode::kInvalidData, placeOf(item) + ": expected shape " + shapeText(shape) + what +
                                                     ", found " + shapeText(item.entry.shape));
    }

    const float* bindScales(const TensorSpec& spec, const Stored& item) {
        const SafetensorsEntry& entry = item.entry;
        const std::string where = placeOf(item);
        std::vector<std::int64_t> shape = spec.shape;
        const std::size_t rank = shape.size();
        shape[rank - 2] = (shape[rank - 2] + config_.fp8BlockN - 1) / config_.fp8BlockN;
        shape[rank - 1] = (shape[rank - 1] + config_.fp8BlockK - 1) / config_.fp8BlockK;
        if (entry.dtype != DType::kF32)
            throw Error(ErrorCode::kInvalidData, where + ": expected dtype F32, found " + dtypeName(entry.dtype));
        if (entry.shape != shape)
            throw Error(ErrorCode::kInvalidData,
                        where + ": expected shape " + shapeText(shape) + ", found " + shapeText(entry.shape));
        const auto* scales = reinterpret_cast<const float*>(
            aligned(shards_[item.shard].data() + entry.begin, entry.end - entry.begin, 4));
        checkBlockScales({scales, (entry.end - entry.begin) / 4}, where);
        return scales;
    }

    /// The data itself if it is aligned for its element, else an aligned copy (safetensors does not promise alignment).
    const std::byte* aligned(const std::byte* data, std::uint64_t bytes, std::size_t alignment) {
        if (reinterpret_cast<std::uintptr_t>(data) % alignment == 0) return data;
        auto& copy = copies_.emplace_back(std::make_unique<std::byte[]>(bytes));
        std::memcpy(copy.get(), data, bytes);
        return copy.get();
    }

    fs::path folder_;
    ModelConfig config_;
    std::vector<TensorSpec> registry_;
    std::vector<MappedFile> shards_;
    std::vector<std::string> shardNames_;
    std::map<std::string, Stored> stored_;  // by flat name
    std::vector<std::string> unknown_;      // tensors of a dtype this program does not know
    std::vector<std::pair<std::string, std::string>> indexed_;
    fs::path indexFile_;
    std::unordered_map<std::string, Tensor> tensors_;
    std::vector<std::unique_ptr<std::byte[]>> copies_;
};

float halfToFloat(std::uint16_t bits) {
    const std::uint32_t sign = (bits & 0x8000U) << 16;
    const std::uint32_t exponent = bits >> 10 & 0x1FU;
    const std::uint32_t mantissa = bits & 0x3FFU;
    if (exponent == 0)
        return std::bit_cast<float>(sign | std::bit_cast<std::uint32_t>(static_cast<float>(mantissa) * 0x1p-24F));
    if (exponent == 31) return std::bit_cast<float>(sign | 0x7F800000U | mantissa << 13);
    return std::bit_cast<float>(sign | (exponent + 112) << 23 | mantissa << 13);
}

}  // namespace

std::shared_ptr<const Checkpoint> Checkpoint::open(const fs::path& folder, const OpenProgressFn& progress,
                                                   std::stop_token stop) {
    return std::make_shared<MappedCheckpoint>(folder, progress, stop);
}

std::uint64_t Checkpoint::memoryBytes() const {
    std::uint64_t bytes = 0;
    for (const TensorSpec& spec : registry()) {
        if (const Tensor* tensor = find(spec.name)) bytes += tensor->byteSize + tensor->scaleBytes;
    }
    return bytes;
}

std::string Checkpoint::place(std::string_view name) const {
    return folder().string() + ": tensor " + std::string(name);
}

std::shared_ptr<const Checkpoint> Checkpoint::openFile(const fs::path& folder, const std::string& file,
                                                       const ModelConfig& config, std::vector<TensorSpec> registry) {
    return std::make_shared<MappedCheckpoint>(folder, file, config, std::move(registry));
}

const Tensor& Checkpoint::get(std::string_view name) const {
    const Tensor* tensor = find(name);
    if (tensor == nullptr)
        throw Error(ErrorCode::kNotFound, folder().string() + ": tensor " + std::string(name) +
                                              ": expected it in the checkpoint, found no such tensor");
    return *tensor;
}

kernels::WeightView Checkpoint::matrix(std::string_view name, std::int64_t expert) const {
    const Tensor& tensor = get(name);
    kernels::WeightView view;
    const std::size_t rank = tensor.shape.size();
    view.dtype = tensor.dtype;
    view.n = tensor.shape[rank - 2];
    view.k = tensor.shape[rank - 1];
    if (rank == 4) {
        view.n = tensor.shape[0];
        view.k = tensor.shape[1] * tensor.shape[2] * tensor.shape[3];
    }
    view.blockN = config().fp8BlockN;
    view.blockK = config().fp8BlockK;
    view.data = tensor.data + expert * view.n * kernels::rowBytes(tensor.dtype, view.k);
    if (tensor.groupScales != nullptr) {
        view.blockN = 1;
        view.blockK = config().groups->groupSize;
        view.scaleStride = (view.k + view.blockK - 1) / view.blockK;
        view.groupScales = tensor.groupScales + expert * view.n * view.scaleStride;
    }
    if (tensor.scaleInv != nullptr) {
        view.scaleStride = (view.k + view.blockK - 1) / view.blockK;
        view.scaleInv = tensor.scaleInv + expert * ((view.n + view.blockN - 1) / view.blockN) * view.scaleStride;
    }
    return view;
}

std::vector<float> Checkpoint::floats(std::string_view name) const {
    const Tensor& tensor = get(name);
    const std::size_t count = tensor.byteSize / kernels::bytesPerElement(tensor.dtype);
    std::vector<float> values(count);
    if (tensor.dtype == DType::kF32) {
        std::memcpy(values.data(), tensor.data, tensor.byteSize);
        return values;
    }
    const auto* bits = reinterpret_cast<const std::uint16_t*>(tensor.data);
    for (std::size_t i = 0; i < count; ++i)
        values[i] = tensor.dtype == DType::kBF16 ? std::bit_cast<float>(static_cast<std::uint32_t>(bits[i]) << 16)
                                                 : halfToFloat(bits[i]);
    return values;
}

}  // namespace step3::model
