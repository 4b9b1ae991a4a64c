#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "engine/json.h"
#include "engine/model/checkpoint.h"
#include "kernels/cpu/dtype.h"

namespace step3::test {

/// A folder of its own below the temporary folder, removed at the end.
class Folder {
public:
    Folder();
    ~Folder();
    Folder(const Folder&) = delete;
    Folder& operator=(const Folder&) = delete;
    [[nodiscard]] const std::filesystem::path& path() const { return path_; }
    [[nodiscard]] std::filesystem::path operator/(const std::string& name) const { return path_ / name; }
    void write(const std::string& name, const std::string& bytes) const;
    /// `message` with this folder's path as "DIR".
    [[nodiscard]] std::string without(std::string message) const;

private:
    std::filesystem::path path_;
};

/// A tensor to be written; `bytes` may be of a size that does not fit, and `offsets` may replace the true ones.
struct RawTensor {
    std::string name;
    std::string dtype;  // as safetensors writes it
    std::vector<std::int64_t> shape;
    std::string bytes;
    std::vector<std::int64_t> offsets{};
};

/// Overwrites bytes of a tensor in its file.
void damage(const model::Checkpoint& checkpoint, const std::string& tensor, std::uint64_t at, const std::string& bytes);

/// A safetensors file of these tensors, one after another.
std::string safetensorsBytes(const std::vector<RawTensor>& tensors);
/// A file with this header text.
std::string safetensorsBytes(const std::string& header, std::size_t dataBytes);

/// A text model of two layers (dense, experts) and some kilobytes, and the means to damage it.
struct TinyCheckpoint {
    Json config;
    std::vector<RawTensor> tensors;  // all that the configuration needs, in its order

    /// `fp8`: the large matrices in blocks of 4 by 4.
    explicit TinyCheckpoint(bool fp8 = false);
    /// As `step3 quantize` writes it: experts int4, the rest int8, groups of 32.
    static TinyCheckpoint inGroups();
    [[nodiscard]] RawTensor& tensor(const std::string& name);
    void remove(const std::string& name);
    /// config.json and model.safetensors
    void write(const Folder& folder) const;
    /// config.json, two shards a.safetensors and b.safetensors, and their index, which `change` may damage.
    template <typename Change>
    void writeShards(const Folder& folder, Change change) const {
        Json index = writeParts(folder);
        change(index);
        folder.write("model.safetensors.index.json", index.dump());
    }

private:
    [[nodiscard]] Json writeParts(const Folder& folder) const;
};

}  // namespace step3::test
