#include "app/cli/machine.h"

#include <fstream>

#include <sys/utsname.h>

#include "engine/model/memory.h"
#include "kernels/cpu/isa.h"
#include "kernels/cpu/thread_pool.h"

namespace step3::cli {

namespace {

std::string cpuName() {
    std::ifstream stream("/proc/cpuinfo");
    for (std::string line; std::getline(stream, line);) {
        const auto colon = line.find(": ");
        if (line.starts_with("model name") && colon != std::string::npos) return line.substr(colon + 2);
    }
    utsname system{};
    return ::uname(&system) == 0 ? system.machine : "unknown";
}

}  // namespace

Machine thisMachine() {
    return {cpuName(), kernels::usableCpus(), kernels::isaName(kernels::activeIsa()), model::totalMemory(),
            model::availableMemory()};
}

}  // namespace step3::cli
