#pragma once

#include <cstdint>
#include <string>

namespace step3::cli {

/// What this process may use of this machine.
struct Machine {
    std::string cpu;                                // model name, or the architecture where the system tells none
    int cores = 0;                                  // affinity mask and control group
    std::string isa;                                // of the kernels in use
    std::uint64_t memoryTotal = 0, memoryFree = 0;  // bytes
};

Machine thisMachine();

}  // namespace step3::cli
