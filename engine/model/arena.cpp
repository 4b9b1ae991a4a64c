#include "engine/model/arena.h"

#include <cerrno>
#include <cstring>
#include <string>

#include <sys/mman.h>

#include "engine/error.h"
#include "kernels/cpu/numa.h"

namespace step3::model {

namespace {
constexpr std::uint64_t kHugePage = 2ULL << 20U;
}

Arena::Arena(std::uint64_t bytes) : size_(bytes), mappedBytes_((bytes / kHugePage + 2) * kHugePage) {
    mapping_ =
        ::mmap(nullptr, mappedBytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (mapping_ == MAP_FAILED) {
        throw Error(ErrorCode::kResourceExhausted,
                    "weights: expected " + std::to_string(bytes) + " bytes of memory, found: " + std::strerror(errno));
    }
    const auto address = reinterpret_cast<std::uintptr_t>(mapping_);
    data_ = static_cast<std::byte*>(mapping_) + ((kHugePage - address % kHugePage) % kHugePage);
    kernels::spreadOverNodes(data_, mappedBytes_ - kHugePage);
#if defined(MADV_HUGEPAGE)
    ::madvise(data_, mappedBytes_ - kHugePage, MADV_HUGEPAGE);  // a wish: without huge pages everything works, slower
#endif
}

Arena::~Arena() {
    ::munmap(mapping_, mappedBytes_);
}

}  // namespace step3::model
