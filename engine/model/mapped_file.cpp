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

MappedFile::MappedFile(const std::filesystem::path& file) {
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
    : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}

MappedFile::~MappedFile() {
    if (data_ != nullptr) ::munmap(const_cast<std::byte*>(data_), size_);
}

}  // namespace step3::model
