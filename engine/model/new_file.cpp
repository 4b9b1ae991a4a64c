#include "engine/model/new_file.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include <fcntl.h>
#include <unistd.h>

#include "engine/error.h"

namespace step3::model {

NewFile::NewFile(std::filesystem::path file) : file_(std::move(file)), unfinished_(file_) {
    unfinished_ += kUnfinishedSuffix;
    descriptor_ = ::open(unfinished_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (descriptor_ < 0) fail("cannot be created");
}

NewFile::~NewFile() {
    if (descriptor_ < 0) return;
    ::close(descriptor_);
    ::unlink(unfinished_.c_str());
}

void NewFile::fail(const char* what) const {
    throw Error(ErrorCode::kIo, file_.string() + ": " + what + ": " + std::strerror(errno));
}

void NewFile::write(std::uint64_t offset, const void* data, std::uint64_t bytes) {
    const auto* from = static_cast<const char*>(data);
    while (bytes > 0) {
        constexpr std::uint64_t kMost = 1ULL << 30;
        const ::ssize_t written = ::pwrite(descriptor_, from, std::min(bytes, kMost), static_cast<::off_t>(offset));
        if (written < 0 && errno == EINTR) continue;
        if (written <= 0) fail("cannot be written");
        from += written;
        offset += static_cast<std::uint64_t>(written);
        bytes -= static_cast<std::uint64_t>(written);
    }
}

void NewFile::finish() {
    if (::fsync(descriptor_) != 0) fail("cannot be brought to the disk");
    if (::rename(unfinished_.c_str(), file_.c_str()) != 0) fail("cannot be renamed to");
    const int written = std::exchange(descriptor_, -1);
    if (::close(written) != 0) fail("cannot be closed");
    // The new name is on the disk when the folder is.
    const int folder = ::open(file_.parent_path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0) return;
    ::fsync(folder);
    ::close(folder);
}

void writeNewFile(const std::filesystem::path& file, std::string_view text) {
    NewFile out(file);
    out.write(0, text.data(), text.size());
    out.finish();
}

}  // namespace step3::model
