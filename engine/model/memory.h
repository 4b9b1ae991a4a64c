#pragma once

#include <cstdint>

namespace step3::model {

/// Bytes this process may still take without swapping: what the system reports as available, limited by the control
/// group; 1 GiB if neither can be read.
std::uint64_t availableMemory();
/// Bytes this process could take if nothing else ran: what is built in, limited by the control group; 1 GiB if neither
/// can be read.
std::uint64_t totalMemory();
/// Bytes of this process that are in memory, mapped files included; 0 if that cannot be read.
std::uint64_t residentMemory();

}  // namespace step3::model
