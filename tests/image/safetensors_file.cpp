#include "tests/image/safetensors_file.h"

#include <cstring>
#include <fstream>
#include <stdexcept>

namespace step3::test {
namespace {

template <typename T>
void widen(const char* data, std::size_t bytes, std::vector<double>& out) {
    for (std::size_t at = 0; at < bytes; at += sizeof(T)) {
        T value;
        std::memcpy(&value, data + at, sizeof value);
        out.push_back(static_cast<double>(value));
    }
}

}  // namespace

std::map<std::string, GoldenTensor> readSafetensors(const std::filesystem::path& file) {
    std::ifstream stream(file, std::ios::binary);
    const std::string all((std::istreambuf_iterator<char>(stream)), std::istreambuf_iterator<char>());
    std::uint64_t headerBytes = 0;
    if (all.size() < sizeof headerBytes) throw std::runtime_error("cannot read " + file.string());
    std::memcpy(&headerBytes, all.data(), sizeof headerBytes);
    const Json header = Json::parse(all.substr(8, headerBytes));
    std::map<std::string, GoldenTensor> tensors;
    for (const auto& [name, entry] : header.items()) {
        if (name == "__metadata__") continue;
        GoldenTensor tensor{entry.at("shape").get<std::vector<std::int64_t>>(), {}};
        const auto begin = entry.at("data_offsets").at(0).get<std::size_t>();
        const auto end = entry.at("data_offsets").at(1).get<std::size_t>();
        const char* data = all.data() + 8 + headerBytes + begin;
        const auto dtype = entry.at("dtype").get<std::string>();
        if (dtype == "F32") {
            widen<float>(data, end - begin, tensor.values);
        } else if (dtype == "F64") {
            widen<double>(data, end - begin, tensor.values);
        } else if (dtype == "I32") {
            widen<std::int32_t>(data, end - begin, tensor.values);
        } else if (dtype == "I64") {
            widen<std::int64_t>(data, end - begin, tensor.values);
        } else {
            throw std::runtime_error(file.string() + ": unexpected dtype " + dtype);
        }
        tensors.emplace(name, std::move(tensor));
    }
    return tensors;
}

Json readJson(const std::filesystem::path& file) {
    std::ifstream stream(file);
    return Json::parse(stream);
}

std::filesystem::path golden() {
    return std::filesystem::path(STEP3_TEST_DATA) / "golden";
}

std::filesystem::path goldenPicture(const std::string& name) {
    const bool jpeg = name.ends_with(".jpg");
    return golden() / "images" / (jpeg ? "decoded/" + name + ".png" : name);
}

}  // namespace step3::test
