#pragma once

#include <cstddef>
#include <cstdint>

namespace step3::model {

/// One block of zeroed memory, aligned to 2 MiB and on huge pages where the system gives them: weights are read as long
/// streams, which huge pages make about a third faster (spec performance section 2). On machines of several memory
/// nodes pages are spread over those in use. Pages take memory when written.
class Arena {
public:
    /// Throws Error kResourceExhausted.
    explicit Arena(std::uint64_t bytes);
    ~Arena();
    Arena(const Arena&) = delete;
    Arena& operator=(const Arena&) = delete;

    [[nodiscard]] std::byte* data() const { return data_; }
    [[nodiscard]] std::uint64_t size() const { return size_; }

private:
    std::byte* data_ = nullptr;
    std::uint64_t size_ = 0;
    void* mapping_ = nullptr;
    std::uint64_t mappedBytes_ = 0;
};

}  // namespace step3::model
