#pragma once

#include <cstdint>
#include <iosfwd>
#include <span>
#include <string>
#include <vector>

namespace step3::cli {

/// Named tensors in memory, written as one safetensors file. Names keep the order in which they came.
class TensorFile {
public:
    /// Copies the values. A name that is there already gets more rows: the first dimension grows.
    void addFloats(const std::string& name, std::vector<std::int64_t> shape, std::span<const float> values);
    void addInts(const std::string& name, std::vector<std::int64_t> shape, std::span<const std::int32_t> values);
    void write(std::ostream& out) const;

private:
    struct Entry {
        std::string name;
        std::string dtype;  // "F32" or "I32"
        std::vector<std::int64_t> shape;
        std::vector<char> bytes;  // little-endian
    };
    void add(const std::string& name, const char* dtype, std::vector<std::int64_t> shape,
             std::span<const std::byte> bytes);

    std::vector<Entry> entries_;
};

}  // namespace step3::cli
