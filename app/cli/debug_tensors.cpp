#include "app/cli/debug_tensors.h"

#include <algorithm>
#include <bit>
#include <ostream>

#include "engine/error.h"
#include "engine/json.h"

namespace step3::cli {

static_assert(std::endian::native == std::endian::little, "safetensors stores little-endian numbers");

void TensorFile::add(const std::string& name, const char* dtype, std::vector<std::int64_t> shape,
                     std::span<const std::byte> bytes) {
    const auto* data = reinterpret_cast<const char*>(bytes.data());
    const auto found =
        std::find_if(entries_.begin(), entries_.end(), [&](const Entry& entry) { return entry.name == name; });
    if (found == entries_.end()) {
        entries_.push_back({name, dtype, std::move(shape), std::vector<char>(data, data + bytes.size())});
        return;
    }
    const bool sameRows = found->dtype == dtype && found->shape.size() == shape.size() &&
                          std::equal(shape.begin() + 1, shape.end(), found->shape.begin() + 1);
    if (!sameRows) throw Error(ErrorCode::kInternal, "tensor " + name + " came twice with different shapes");
    found->shape[0] += shape[0];
    found->bytes.insert(found->bytes.end(), data, data + bytes.size());
}

void TensorFile::addFloats(const std::string& name, std::vector<std::int64_t> shape, std::span<const float> values) {
    add(name, "F32", std::move(shape), std::as_bytes(values));
}

void TensorFile::addInts(const std::string& name, std::vector<std::int64_t> shape,
                         std::span<const std::int32_t> values) {
    add(name, "I32", std::move(shape), std::as_bytes(values));
}

void TensorFile::write(std::ostream& out) const {
    Json header = Json::object();
    std::uint64_t offset = 0;
    for (const Entry& entry : entries_) {
        const std::uint64_t end = offset + entry.bytes.size();
        header[entry.name] = {{"dtype", entry.dtype}, {"shape", entry.shape}, {"data_offsets", {offset, end}}};
        offset = end;
    }
    std::string text = header.dump();
    text.resize((text.size() + 7) / 8 * 8, ' ');  // the data begins at a multiple of 8
    const std::uint64_t length = text.size();
    out.write(reinterpret_cast<const char*>(&length), sizeof length);
    out << text;
    for (const Entry& entry : entries_) out.write(entry.bytes.data(), static_cast<std::streamsize>(entry.bytes.size()));
}

}  // namespace step3::cli
