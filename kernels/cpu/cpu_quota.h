#pragma once

#include <filesystem>
#include <optional>

namespace step3::kernels {

/// CPUs the control group of this process may use, from its quota and period rounded up; absent if there is no limit.
/// Reads version 2 (cpu.max) and version 1 (cpu.cfs_quota_us) of the group and of all its parents; the tightest counts.
/// `procFile` is /proc/self/cgroup and `mount` /sys/fs/cgroup except in tests.
std::optional<int> cgroupCpuLimit(const std::filesystem::path& procFile, const std::filesystem::path& mount);

}  // namespace step3::kernels
