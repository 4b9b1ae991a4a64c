#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>

namespace step3::model {

/// A file that is read, not mapped: a disk's error or a file that became shorter is an Error and not a signal. Several
/// threads may read.
class ReadFile {
public:
    /// Throws Error kNotFound or kIo.
    explicit ReadFile(const std::filesystem::path& file);
    ~ReadFile();
    ReadFile(const ReadFile&) = delete;
    ReadFile& operator=(const ReadFile&) = delete;

    /// Fills `to` with the bytes from `begin` on. Throws Error kIo beginning with `place`.
    void read(std::uint64_t begin, std::span<std::byte> to, const std::string& place) const;

private:
    int descriptor_ = -1;
};

}  // namespace step3::model
