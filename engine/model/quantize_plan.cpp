#include "engine/model/quantize_plan.h"

#include <algorithm>
#include <array>
#include <cstdio>

#include "engine/json.h"

namespace step3::model {
namespace {

using kernels::DType;

/// One tensor of a file.
struct Entry {
    std::string name;
    std::string dtype;
    std::size_t alignment;
    std::vector<std::int64_t> shape;
    std::uint64_t bytes;
    std::uint64_t* at;  // filled in
};

std::string storedName(DType dtype) {
    switch (dtype) {
        case DType::kF32: return "F32";
        case DType::kF16: return "F16";
        case DType::kE4M3: return "F8_E4M3";
        default: return "BF16";
    }
}

std::uint64_t product(const std::vector<std::int64_t>& shape) {
    std::uint64_t count = 1;
    for (const std::int64_t size : shape) count *= static_cast<std::uint64_t>(size);
    return count;
}

std::vector<std::int64_t> withLast(std::vector<std::int64_t> shape, std::int64_t last) {
    shape.back() = last;
    return shape;
}

PlannedTensor planTensor(const TensorSpec& spec, const Tensor& tensor, const GroupQuantization& groups) {
    PlannedTensor planned;
    planned.spec = &spec;
    planned.format = formatOf(spec, groups.formats);
    const std::uint64_t rows = product(spec.shape) / static_cast<std::uint64_t>(spec.shape.back());
    const std::int64_t k = spec.shape.back();
    if (planned.format == WeightFormat::kStored) {
        planned.dataBytes = tensor.byteSize;
        planned.scaleBytes = tensor.scaleBytes;
        if (tensor.scaleInv != nullptr) planned.scaleName = spec.name + "_scale_inv";
        return planned;
    }
    const DType dtype = planned.format == WeightFormat::kInt4 ? DType::kInt4Group : DType::kInt8Group;
    planned.dataBytes = rows * static_cast<std::uint64_t>(kernels::rowBytes(dtype, k));
    planned.scaleBytes = rows * static_cast<std::uint64_t>((k + groups.groupSize - 1) / groups.groupSize) * 2;
    planned.scaleName = spec.name + "_scale";
    return planned;
}

void addEntries(const Checkpoint& checkpoint, const GroupQuantization& groups, PlannedTensor& planned,
                std::vector<Entry>& entries) {
    const TensorSpec& spec = *planned.spec;
    const std::int64_t k = spec.shape.back();
    if (planned.format != WeightFormat::kStored) {
        const bool int4 = planned.format == WeightFormat::kInt4;
        entries.push_back(
            {spec.name, "U8", 1, withLast(spec.shape, int4 ? (k + 1) / 2 : k), planned.dataBytes, &planned.dataAt});
        entries.push_back({planned.scaleName, "BF16", 2,
                           withLast(spec.shape, (k + groups.groupSize - 1) / groups.groupSize), planned.scaleBytes,
                           &planned.scalesAt});
        return;
    }
    const Tensor& tensor = checkpoint.get(spec.name);
    entries.push_back({spec.name, storedName(tensor.dtype), kernels::bytesPerElement(tensor.dtype), spec.shape,
                       planned.dataBytes, &planned.dataAt});
    if (planned.scaleName.empty()) return;
    const ModelConfig& config = checkpoint.config();
    std::vector<std::int64_t> blocks = withLast(spec.shape, (k + config.fp8BlockK - 1) / config.fp8BlockK);
    std::int64_t& rows = blocks[blocks.size() - 2];
    rows = (rows + config.fp8BlockN - 1) / config.fp8BlockN;
    entries.push_back({planned.scaleName, "F32", 4, blocks, planned.scaleBytes, &planned.scalesAt});
}

/// Offsets and header. Data without gaps, as the format asks, and wide elements first, so that all are aligned.
void layOut(const Checkpoint& checkpoint, const GroupQuantization& groups, PlannedShard& shard) {
    constexpr std::uint64_t kDataAlignment = 64;
    std::vector<Entry> entries;
    for (PlannedTensor& tensor : shard.tensors) addEntries(checkpoint, groups, tensor, entries);
    std::stable_sort(entries.begin(), entries.end(),
                     [](const Entry& a, const Entry& b) { return a.alignment > b.alignment; });
    Json header = Json::object();
    header["__metadata__"] = {{"format", "pt"}};
    std::uint64_t offset = 0;
    for (const Entry& entry : entries) {
        header[entry.name] = {
            {"dtype", entry.dtype}, {"shape", entry.shape}, {"data_offsets", {offset, offset + entry.bytes}}};
        *entry.at = offset;
        offset += entry.bytes;
    }
    std::string text = header.dump();
    text.resize((text.size() + 8 + kDataAlignment - 1) / kDataAlignment * kDataAlignment - 8, ' ');
    for (int i = 0; i < 8; ++i) shard.header += static_cast<char>(text.size() >> (8 * i) & 0xFFU);
    shard.header += text;
    for (const Entry& entry : entries) *entry.at += shard.header.size();
    shard.bytes = shard.header.size() + offset;
}

}  // namespace

std::vector<PlannedShard> planShards(const Checkpoint& checkpoint, const GroupQuantization& groups,
                                     std::uint64_t shardBytes) {
    std::vector<PlannedShard> shards;
    std::uint64_t filled = 0;
    for (const TensorSpec& spec : checkpoint.registry()) {
        const Tensor* tensor = checkpoint.find(spec.name);
        if (tensor == nullptr) continue;  // optional
        const PlannedTensor planned = planTensor(spec, *tensor, groups);
        const std::uint64_t bytes = planned.dataBytes + planned.scaleBytes;
        if (shards.empty() || (filled > 0 && filled + bytes > shardBytes)) {
            shards.emplace_back();
            filled = 0;
        }
        shards.back().tensors.push_back(planned);
        filled += bytes;
    }
    for (std::size_t i = 0; i < shards.size(); ++i) {
        std::array<char, 64> name{};
        std::snprintf(name.data(), name.size(), "model-%05zu-of-%05zu.safetensors", i + 1, shards.size());
        shards[i].file = name.data();
        layOut(checkpoint, groups, shards[i]);
    }
    return shards;
}

}  // namespace step3::model
