#include <filesystem>
#include <fstream>
#include <string>

#include <catch2/catch.hpp>
#include <unistd.h>

#include "kernels/cpu/convert.h"
#include "kernels/cpu/cpu_quota.h"
#include "kernels/cpu/isa.h"
#include "kernels/cpu/kernel_table.h"

using namespace step3::kernels;
namespace fs = std::filesystem;

namespace {

/// A folder that looks like /proc/self/cgroup and /sys/fs/cgroup.
class Groups {
public:
    Groups() : root_(fs::temp_directory_path() / ("step3-cgroup-test-" + std::to_string(::getpid()))) {
        fs::remove_all(root_);
        fs::create_directories(root_ / "fs");
    }
    ~Groups() { fs::remove_all(root_); }
    Groups(const Groups&) = delete;
    Groups& operator=(const Groups&) = delete;

    void write(const std::string& name, const std::string& text) const {
        fs::create_directories((root_ / name).parent_path());
        std::ofstream(root_ / name) << text;
    }
    [[nodiscard]] std::optional<int> limit() const { return cgroupCpuLimit(root_ / "proc", root_ / "fs"); }

private:
    fs::path root_;
};

}  // namespace

TEST_CASE("names of instruction sets are read back") {
    for (const Isa isa : kAllIsas) {
        CHECK(parseIsa(isaName(isa)) == isa);
        if (isaAvailable(isa)) CHECK(kernelTable(isa).isa == isa);
    }
    CHECK(!parseIsa("AVX2"));
    CHECK(!parseIsa(""));
    CHECK(isaAvailable(Isa::kScalar));
    CHECK(isaAvailable(detectIsa()));
    CHECK(isaAvailable(activeIsa()));
    CHECK(activeKernels().isa == activeIsa());
}

TEST_CASE("stored numbers have the values of their formats") {
    CHECK(bf16ToFloat(0x3F80) == 1.0F);
    CHECK(bf16ToFloat(0xC2F7) == -123.5F);
    CHECK(f16ToFloat(0x3C00) == 1.0F);
    CHECK(f16ToFloat(0x7BFF) == 65504.0F);
    CHECK(f16ToFloat(0x0001) == 0x1p-24F);
    CHECK(f16ToFloat(0xFC00) == -std::numeric_limits<float>::infinity());
    CHECK(std::isnan(f16ToFloat(0x7C01)));
    CHECK(e4m3ToFloat(0x38) == 1.0F);
    CHECK(e4m3ToFloat(0x7E) == 448.0F);
    CHECK(e4m3ToFloat(0x01) == 0x1p-9F);
    CHECK(e4m3ToFloat(0x87) == -7 * 0x1p-9F);
    CHECK(std::isnan(e4m3ToFloat(0x7F)));
    CHECK(std::isnan(e4m3ToFloat(0xFF)));
}

TEST_CASE("the quota of a control group of version 2 is rounded up") {
    const Groups groups;
    groups.write("proc", "0::/user/app\n");
    CHECK(!groups.limit());
    groups.write("fs/user/app/cpu.max", "150000 100000\n");
    CHECK(groups.limit() == 2);
    groups.write("fs/user/app/cpu.max", "20000 100000\n");
    CHECK(groups.limit() == 1);
    groups.write("fs/user/app/cpu.max", "max 100000\n");
    CHECK(!groups.limit());
}

TEST_CASE("the tightest of a group and its parents counts") {
    const Groups groups;
    groups.write("proc", "0::/a/b/c\n");
    groups.write("fs/a/b/c/cpu.max", "800000 100000\n");
    groups.write("fs/a/cpu.max", "300000 100000\n");
    groups.write("fs/cpu.max", "500000 100000\n");
    CHECK(groups.limit() == 3);
}

TEST_CASE("a container's group is what is mounted, whatever path /proc names") {
    const Groups groups;
    groups.write("proc", "0::/../../docker/abc\n");
    groups.write("fs/cpu.max", "400000 100000\n");
    CHECK(groups.limit() == 4);
}

TEST_CASE("quotas of version 1 are read below cpu or the joint controllers") {
    const Groups groups;
    SECTION("joint") {
        groups.write("proc", "12:pids:/x\n4:cpu,cpuacct:/x\n1:name=systemd:/x\n");
        groups.write("fs/cpu,cpuacct/x/cpu.cfs_quota_us", "250000\n");
        groups.write("fs/cpu,cpuacct/x/cpu.cfs_period_us", "100000\n");
    }
    SECTION("alone") {
        groups.write("proc", "4:cpu:/x\n");
        groups.write("fs/cpu/x/cpu.cfs_quota_us", "250000\n");
        groups.write("fs/cpu/x/cpu.cfs_period_us", "100000\n");
    }
    CHECK(groups.limit() == 3);
}

TEST_CASE("what is no quota is no limit") {
    const Groups groups;
    CHECK(!groups.limit());  // no /proc file at all
    for (const std::string proc : {"", "nonsense\n", "0:\n", ":::\n", "0::\n"}) {
        CAPTURE(proc);
        groups.write("proc", proc);
        CHECK(!groups.limit());
    }
    groups.write("proc", "0::/g\n3:cpu:/g\n");
    for (const std::string text : {"", "many few\n", "-1 100000\n", "100000 0\n", "100000\n", "nan nan\n"}) {
        CAPTURE(text);
        groups.write("fs/g/cpu.max", text);
        CHECK(!groups.limit());
    }
    groups.write("fs/cpu/g/cpu.cfs_quota_us", "-1\n");
    groups.write("fs/cpu/g/cpu.cfs_period_us", "100000\n");
    CHECK(!groups.limit());
    groups.write("fs/g/cpu.max", "1e300 1\n");
    CHECK(groups.limit() == 65536);
}
