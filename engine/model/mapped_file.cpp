#include "engine/model/mapped_file.h"

#include <cerrno>
#include <cstring>
#include <utility>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/error.h"

namespace step3::model {

MappedFile::MappedFile(const std::filesystem::path& file) : path_(file) {
    const int descriptor = ::open(file.c_str(), O_RDONLY | O_CLOEXEC);
    if (descriptor < 0)
        throw Error(errno == ENOENT ? ErrorCode::kNotFound : ErrorCode::kIo,
                    file.string() + ": expected a readable file, found: " + std::strerror(errno));
    struct stat status {};
    const bool regular = ::fstat(descriptor, &status) == 0 && S_ISREG(status.st_mode);
    if (!regular) {
        ::close(descriptor);
        throw Error(ErrorCode::kIo, file.string() + ": expected a regular file, found something else");
    }
    size_ = static_cast<std::uint64_t>(status.st_size);
    if (size_ > 0) {
        void* mapped = ::mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, descriptor, 0);
        const int error = errno;
        ::close(descriptor);
        if (mapped == MAP_FAILED)
            throw Error(ErrorCode::kIo, file.string() + ": expected to map " + std::to_string(size_) +
                                            " bytes, found: " + std::strerror(error));
        data_ = static_cast<const std::byte*>(mapped);
    } else {
        ::close(descriptor);
    }
}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)), path_(std::move(other.path_)) {}

void MappedFile::release(std::uint64_t begin, std::uint64_t bytes, bool fromCache) const {
    const auto page = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
    const std::uint64_t first = (begin + page - 1) / page * page;
    const std::uint64_t last = (begin + bytes) / page * page;
    if (first >= last) return;
    // Both are wishes: if the system does not follow them, memory is given back when it runs short.
    ::madvise(const_cast<std::byte*>(data_) + first, last - first, MADV_DONTNEED);
    if (!fromCache) return;
    const int descriptor = ::open(path_.c_str(), O_RDONLY | O_CLOEXEC);
    if (descriptor < 0) return;
    ::posix_fadvise(descriptor, static_cast<off_t>(first), static_cast<off_t>(last - first), POSIX_FADV_DONTNEED);
    ::close(descriptor);
}

MappedFile::~MappedFile() {
    if (data_ != nullptr) ::munmap(const_cast<std::byte*>(data_), size_);
}

}  // namespace step3::model
