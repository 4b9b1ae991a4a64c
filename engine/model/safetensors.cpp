#include "engine/model/safetensors.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <optional>

#include "engine/error.h"
#include "engine/json.h"

namespace step3::model {
namespace {

constexpr std::uint64_t kMaxHeader = 100ULL << 20;  // the format's own limit

[[noreturn]] void fail(const std::string& what) {
    throw Error(ErrorCode::kInvalidData, what);
}

std::optional<kernels::DType> dtypeOf(const std::string& name) {
    using kernels::DType;
    if (name == "F32") return DType::kF32;
    if (name == "F16") return DType::kF16;
    if (name == "BF16") return DType::kBF16;
    if (name == "F8_E4M3") return DType::kE4M3;
    if (name == "I32") return DType::kI32;
    if (name == "I64") return DType::kI64;
    if (name == "U8") return DType::kU8;
    return std::nullopt;
}

std::uint64_t unsignedOf(const Json& value, const std::string& where, const char* what) {
    if (!value.is_number_unsigned()) fail(where + ": expected " + what + ", found " + value.dump());
    return value.get<std::uint64_t>();
}

}  // namespace

std::vector<SafetensorsEntry> parseSafetensorsHeader(std::string_view head, std::uint64_t fileSize,
                                                     const std::string& file, std::vector<std::string>* unknown) {
    if (fileSize < 8 || head.size() < 8)
        fail(file + ": expected at least 8 bytes of safetensors header, found " + std::to_string(fileSize));
    std::uint64_t length = 0;
    for (int i = 7; i >= 0; --i) length = length << 8 | static_cast<unsigned char>(head[static_cast<std::size_t>(i)]);
    if (length > kMaxHeader)
        fail(file + ": expected a header of at most " + std::to_string(kMaxHeader) + " bytes, found a length of " +
             std::to_string(length));
    if (length > fileSize - 8)
        fail(file + ": expected a header of " + std::to_string(length) + " bytes, found only " +
             std::to_string(fileSize - 8) + " bytes in the file");
    if (length > head.size() - 8)
        fail(file + ": expected the whole header, found " + std::to_string(head.size() - 8) + " bytes of it");

    const Json header = parseJson(head.substr(8, length), file + ": header");
    if (!header.is_object()) fail(file + ": expected a JSON object as safetensors header, found " + header.type_name());

    const std::uint64_t dataBytes = fileSize - 8 - length;
    std::vector<SafetensorsEntry> entries;
    for (const auto& [name, value] : header.items()) {
        if (name == "__metadata__") continue;
        const std::string where = file + ": tensor " + name;
        if (!value.is_object() || !value.contains("dtype") || !value.contains("shape") ||
            !value.contains("data_offsets"))
            fail(where + ": expected dtype, shape and data_offsets, found " + value.dump().substr(0, 60));
        const Json& shape = value["shape"];
        const Json& offsets = value["data_offsets"];
        if (!value["dtype"].is_string()) fail(where + ": expected a dtype name, found " + value["dtype"].dump());
        if (!shape.is_array() || shape.size() > 8)
            fail(where + ": expected a shape of at most 8 numbers, found " + shape.dump().substr(0, 60));
        if (!offsets.is_array() || offsets.size() != 2)
            fail(where + ": expected two data_offsets, found " + offsets.dump().substr(0, 60));

        SafetensorsEntry entry;
        entry.name = name;
        const std::uint64_t begin = unsignedOf(offsets[0], where, "an unsigned data offset");
        const std::uint64_t end = unsignedOf(offsets[1], where, "an unsigned data offset");
        if (begin > end) fail(where + ": expected data_offsets in order, found " + offsets.dump());
        if (end > dataBytes)
            fail(where + ": expected data inside the file's " + std::to_string(dataBytes) +
                 " data bytes, found data_offsets " + offsets.dump() + " (truncated file?)");
        entry.begin = 8 + length + begin;
        entry.end = 8 + length + end;
        const auto dtype = dtypeOf(value["dtype"].get<std::string>());
        if (!dtype) {
            if (unknown != nullptr) unknown->push_back(name);
            continue;
        }
        entry.dtype = *dtype;
        std::uint64_t bytes = kernels::bytesPerElement(*dtype);
        for (const Json& extent : shape) {
            const std::uint64_t n = unsignedOf(extent, where, "an unsigned extent");
            if (n > (1ULL << 40) || (n != 0 && bytes > (1ULL << 50) / n))
                fail(where + ": expected a tensor below 2^50 bytes, found shape " + shape.dump());
            bytes *= n;
            entry.shape.push_back(static_cast<std::int64_t>(n));
        }
        if (bytes != end - begin)
            fail(where + ": expected " + std::to_string(bytes) + " bytes for its dtype and shape, found " +
                 std::to_string(end - begin));
        entries.push_back(std::move(entry));
    }
    std::vector<const SafetensorsEntry*> order;
    for (const auto& entry : entries)
        if (entry.begin != entry.end) order.push_back(&entry);
    std::sort(order.begin(), order.end(), [](const auto* a, const auto* b) { return a->begin < b->begin; });
    for (std::size_t i = 1; i < order.size(); ++i)
        if (order[i]->begin < order[i - 1]->end)
            fail(file + ": tensor " + order[i]->name + ": expected data of its own, found an overlap with tensor " +
                 order[i - 1]->name);
    return entries;
}

}  // namespace step3::model
