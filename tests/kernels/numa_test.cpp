// Topology of memory nodes read from folders like those of Linux.

#include "kernels/cpu/numa.h"

#include <filesystem>
#include <fstream>
#include <string>

#include <catch2/catch.hpp>
#include <sys/mman.h>
#include <unistd.h>

using namespace step3::kernels;
namespace fs = std::filesystem;

namespace {

using Numbers = std::vector<int>;

/// A folder that looks like /sys/devices/system/node.
class Nodes {
public:
    Nodes() : root_(fs::temp_directory_path() / ("step3-numa-test-" + std::to_string(::getpid()))) {
        fs::remove_all(root_);
        fs::create_directories(root_);
    }
    ~Nodes() { fs::remove_all(root_); }
    Nodes(const Nodes&) = delete;
    Nodes& operator=(const Nodes&) = delete;

    void write(const std::string& name, const std::string& text) const {
        fs::create_directories((root_ / name).parent_path());
        std::ofstream(root_ / name) << text << '\n';
    }
    [[nodiscard]] const fs::path& path() const { return root_; }

private:
    fs::path root_;
};

}  // namespace

TEST_CASE("lists of CPUs and nodes") {
    CHECK(parseNumberList("0") == Numbers{0});
    CHECK(parseNumberList("0-3,8,10-11") == Numbers{0, 1, 2, 3, 8, 10, 11});
    for (const char* text : {"", ",", "1,", "-1", "3-1", "1-", "a", "1;2", "1-2-3", "0-99999999", "1 "}) {
        INFO(text);
        CHECK(parseNumberList(text).empty());
    }
}

TEST_CASE("memory nodes are those with memory and with CPUs that may be used") {
    const Nodes nodes;
    CHECK(memoryNodes(nodes.path(), {0}).empty());  // nothing is told
    nodes.write("has_memory", "0-1,3-4");
    nodes.write("node0/cpulist", "0-7,16-23");
    nodes.write("node1/cpulist", "8-15,24-31");
    nodes.write("node2/cpulist", "32-39");  // CPUs without memory
    nodes.write("node3/cpulist", "");       // memory without CPUs
    nodes.write("node4/cpulist", "40-47");
    CHECK(memoryNodes(nodes.path(), {}) == Numbers{0, 1, 4});
    CHECK(memoryNodes(nodes.path(), {3, 9}) == Numbers{0, 1});
    CHECK(memoryNodes(nodes.path(), {24}) == Numbers{1});
    CHECK(memoryNodes(nodes.path(), {33}).empty());
    nodes.write("has_memory", "nonsense");
    CHECK(memoryNodes(nodes.path(), {}).empty());
}

TEST_CASE("pages can be spread over the nodes of this machine") {
    CHECK(static_cast<int>(allowedCpus().size()) >= 1);
    constexpr std::size_t kBytes = 1 << 20;
    void* memory = ::mmap(nullptr, kBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    REQUIRE(memory != MAP_FAILED);
    CHECK(spreadOverNodes(memory, kBytes, {}) == 0);
    CHECK(spreadOverNodes(memory, kBytes, {1023}) == 0);  // refused, and no harm done
    const Numbers nodes = memoryNodes("/sys/devices/system/node", allowedCpus());
    const int spread = spreadOverNodes(memory, kBytes, nodes);
    if (spread == 0) WARN("skipped: this system does not place memory");
    if (spread > 0) CHECK(spread == static_cast<int>(nodes.size()));
    static_cast<char*>(memory)[kBytes - 1] = 7;
    CHECK(static_cast<char*>(memory)[kBytes - 1] == 7);
    ::munmap(memory, kBytes);
}
