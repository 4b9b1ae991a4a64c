#pragma once

#include <cstdint>
#include <filesystem>
#include <string_view>

namespace step3::model {

/// What an unfinished file is called: its name with this at the end.
inline constexpr std::string_view kUnfinishedSuffix = ".unfinished";

/// A file that is written under another name and gets its own when it is whole and on the disk; removed if it does not
/// come that far. Throws Error kIo naming the file.
class NewFile {
public:
    explicit NewFile(std::filesystem::path file);
    ~NewFile();
    NewFile(const NewFile&) = delete;
    NewFile& operator=(const NewFile&) = delete;

    /// Writes `bytes` at `offset` from the file's first byte.
    void write(std::uint64_t offset, const void* data, std::uint64_t bytes);
    /// Brings it to the disk and gives it its name.
    void finish();

private:
    [[noreturn]] void fail(const char* what) const;

    std::filesystem::path file_, unfinished_;
    int descriptor_ = -1;
};

/// The whole of a small file at once.
void writeNewFile(const std::filesystem::path& file, std::string_view text);

}  // namespace step3::model
