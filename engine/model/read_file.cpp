#include "engine/model/read_file.h"

#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <unistd.h>

#include "engine/error.h"

namespace step3::model {

ReadFile::ReadFile(const std::filesystem::path& file) : descriptor_(::open(file.c_str(), O_RDONLY | O_CLOEXEC)) {
    if (descriptor_ < 0)
        throw Error(errno == ENOENT ? ErrorCode::kNotFound : ErrorCode::kIo,
                    file.string() + ": expected a readable file, found: " + std::strerror(errno));
}

ReadFile::~ReadFile() {
    ::close(descriptor_);
}

void ReadFile::read(std::uint64_t begin, std::span<std::byte> to, const std::string& place) const {
    std::size_t done = 0;
    while (done < to.size()) {
        const auto at = static_cast<off_t>(begin + done);
        const ::ssize_t count = ::pread(descriptor_, to.data() + done, to.size() - done, at);
        if (count < 0 && errno == EINTR) continue;
        if (count <= 0)
            throw Error(ErrorCode::kIo, place + ": expected to read " + std::to_string(to.size()) + " bytes at " +
                                            std::to_string(begin) + ", found " +
                                            (count == 0 ? "the end of the file" : std::strerror(errno)));
        done += static_cast<std::size_t>(count);
    }
}

}  // namespace step3::model
