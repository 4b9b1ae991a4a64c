#include "engine/model/memory.h"

#include <algorithm>
#include <fstream>
#include <limits>
#include <optional>
#include <string>

#include <unistd.h>

namespace step3::model {

namespace {

std::optional<std::uint64_t> readNumber(const char* file) {
    std::ifstream stream(file);
    std::uint64_t value = 0;
    if (!(stream >> value)) return std::nullopt;  // also "max"
    return value;
}

constexpr std::uint64_t kUnknown = 1ULL << 30U;

/// A line of /proc/meminfo, given there in KiB.
std::optional<std::uint64_t> systemMemory(const char* name) {
    std::ifstream stream("/proc/meminfo");
    std::string key;
    while (stream >> key) {
        std::uint64_t kibibytes = 0;
        if (key == name && stream >> kibibytes) return kibibytes << 10U;
        stream.ignore(std::numeric_limits<std::streamsize>::max(), '\n');
    }
    return std::nullopt;
}

/// What the control group (version 2) leaves.
std::optional<std::uint64_t> groupAvailable() {
    const auto limit = readNumber("/sys/fs/cgroup/memory.max");
    const auto used = readNumber("/sys/fs/cgroup/memory.current");
    if (!limit || !used) return std::nullopt;
    return *limit > *used ? *limit - *used : 0;
}

}  // namespace

std::uint64_t availableMemory() {
    const auto system = systemMemory("MemAvailable:");
    const auto group = groupAvailable();
    if (system && group) return std::min(*system, *group);
    return system ? *system : group.value_or(kUnknown);
}

std::uint64_t totalMemory() {
    const auto system = systemMemory("MemTotal:");
    const auto group = readNumber("/sys/fs/cgroup/memory.max");
    if (system && group) return std::min(*system, *group);
    return system ? *system : group.value_or(kUnknown);
}

std::uint64_t residentMemory() {
    std::ifstream statm("/proc/self/statm");
    std::uint64_t size = 0;
    std::uint64_t resident = 0;
    if (!(statm >> size >> resident)) return 0;
    return resident * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
}

}  // namespace step3::model
