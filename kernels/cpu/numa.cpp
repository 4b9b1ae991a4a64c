#include "kernels/cpu/numa.h"

#include <algorithm>
#include <charconv>
#include <fstream>
#include <string>
#include <system_error>

#if defined(__linux__)
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace step3::kernels {
namespace {

constexpr int kMostNumber = 1 << 16;
constexpr int kInterleave = 3;  // MPOL_INTERLEAVE of linux/mempolicy.h, which is no part of the C library

std::string firstLine(const std::filesystem::path& file) {
    std::ifstream in(file);
    std::string line;
    std::getline(in, line);
    return line;
}

}  // namespace

std::vector<int> parseNumberList(std::string_view text) {
    std::vector<int> numbers;
    const char* at = text.data();
    const char* end = at + text.size();
    while (at != end) {
        int first = 0;
        auto [next, error] = std::from_chars(at, end, first);
        int last = first;
        if (error == std::errc() && next != end && *next == '-') {
            const auto range = std::from_chars(next + 1, end, last);
            next = range.ptr;
            error = range.ec;
        }
        const bool more = next != end && *next == ',' && next + 1 != end;
        if (error != std::errc() || first < 0 || last < first || last > kMostNumber || (next != end && !more))
            return {};
        for (int number = first; number <= last; ++number) numbers.push_back(number);
        at = more ? next + 1 : next;
    }
    return numbers;
}

std::vector<int> memoryNodes(const std::filesystem::path& folder, const std::vector<int>& cpus) {
    std::vector<int> nodes = parseNumberList(firstLine(folder / "has_memory"));
    const auto unused = [&](int node) {
        const auto own = parseNumberList(firstLine(folder / ("node" + std::to_string(node)) / "cpulist"));
        if (cpus.empty()) return own.empty();
        return std::none_of(own.begin(), own.end(),
                            [&](int cpu) { return std::find(cpus.begin(), cpus.end(), cpu) != cpus.end(); });
    };
    nodes.erase(std::remove_if(nodes.begin(), nodes.end(), unused), nodes.end());
    return nodes;
}

std::vector<int> allowedCpus() {
    std::vector<int> allowed;
#if defined(__linux__)
    for (int cpus = 1024; cpus <= kMostNumber; cpus *= 2) {  // the kernel refuses a mask smaller than its own
        cpu_set_t* set = CPU_ALLOC(static_cast<std::size_t>(cpus));
        if (set == nullptr) break;
        const std::size_t bytes = CPU_ALLOC_SIZE(static_cast<std::size_t>(cpus));
        if (sched_getaffinity(0, bytes, set) == 0) {
            for (int cpu = 0; cpu < cpus; ++cpu) {
                if (CPU_ISSET_S(static_cast<std::size_t>(cpu), bytes, set)) allowed.push_back(cpu);
            }
        }
        CPU_FREE(set);
        if (!allowed.empty()) break;
    }
#endif
    return allowed;
}

int spreadOverNodes(void* begin, std::uint64_t bytes, const std::vector<int>& nodes) {
#if defined(__linux__)
    if (nodes.empty() || bytes == 0) return 0;
    constexpr std::size_t kBits = 8 * sizeof(unsigned long);
    const auto most = static_cast<std::size_t>(*std::max_element(nodes.begin(), nodes.end()));
    std::vector<unsigned long> mask(most / kBits + 1);
    for (const int node : nodes)
        mask[static_cast<std::size_t>(node) / kBits] |= 1UL << static_cast<std::size_t>(node) % kBits;
    // The kernel reads one bit less than it is told.
    const long done = ::syscall(SYS_mbind, begin, bytes, kInterleave, mask.data(), mask.size() * kBits + 1, 0);
    return done == 0 ? static_cast<int>(nodes.size()) : 0;  // a wish: without it pages lie where they are first touched
#else
    static_cast<void>(begin);
    static_cast<void>(bytes);
    static_cast<void>(nodes);
    return 0;
#endif
}

int spreadOverNodes(void* begin, std::uint64_t bytes) {
    const std::vector<int> nodes = memoryNodes("/sys/devices/system/node", allowedCpus());
    return nodes.size() < 2 ? 0 : spreadOverNodes(begin, bytes, nodes);
}

}  // namespace step3::kernels
