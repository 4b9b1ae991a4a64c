#pragma once

#include <atomic>
#include <cstdint>
#include <utility>

namespace step3::serving::http {

/// A share of the memory that request bodies may take together, given back at the end. May end on any thread.
class BodyLease {
public:
    BodyLease() = default;
    BodyLease(std::atomic<std::uint64_t>& total, std::uint64_t bytes) : total_(&total), bytes_(bytes) {
        *total_ += bytes_;
    }
    BodyLease(BodyLease&& other) noexcept
        : total_(std::exchange(other.total_, nullptr)), bytes_(std::exchange(other.bytes_, 0)) {}
    BodyLease& operator=(BodyLease&& other) noexcept {
        std::swap(total_, other.total_);
        std::swap(bytes_, other.bytes_);
        return *this;
    }
    ~BodyLease() {
        if (total_ != nullptr) *total_ -= bytes_;
    }

private:
    std::atomic<std::uint64_t>* total_ = nullptr;
    std::uint64_t bytes_ = 0;
};

}  // namespace step3::serving::http
