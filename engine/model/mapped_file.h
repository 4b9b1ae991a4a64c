#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string_view>

namespace step3::model {

/// A file mapped read-only for as long as this object lives. Throws Error kNotFound or kIo naming the file.
class MappedFile {
public:
    explicit MappedFile(const std::filesystem::path& file);
    ~MappedFile();
    MappedFile(MappedFile&& other) noexcept;
    MappedFile(const MappedFile&) = delete;
    MappedFile& operator=(const MappedFile&) = delete;
    MappedFile& operator=(MappedFile&&) = delete;

    [[nodiscard]] const std::byte* data() const { return data_; }
    [[nodiscard]] std::uint64_t size() const { return size_; }
    /// Gives back the whole pages inside [begin, begin + bytes); with `fromCache` also from the system's file cache.
    void release(std::uint64_t begin, std::uint64_t bytes, bool fromCache) const;
    [[nodiscard]] std::string_view text() const {
        return {reinterpret_cast<const char*>(data_), static_cast<std::size_t>(size_)};
    }

private:
    const std::byte* data_ = nullptr;
    std::uint64_t size_ = 0;
    std::filesystem::path path_;
};

}  // namespace step3::model
