#include "kernels/cpu/cpu_quota.h"

#include <algorithm>
#include <cmath>
#include <fstream>
#include <sstream>
#include <string>
#include <system_error>

namespace step3::kernels {
namespace {

namespace fs = std::filesystem;

std::optional<double> readNumber(const fs::path& file) {
    std::ifstream in(file);
    double value = 0;
    if (!(in >> value)) return std::nullopt;
    return value;
}

/// cpu.max holds "max 100000" or "<quota> <period>", both in microseconds.
std::optional<double> readV2(const fs::path& folder) {
    std::ifstream in(folder / "cpu.max");
    std::string quota;
    double period = 0;
    if (!(in >> quota >> period) || quota == "max" || period <= 0) return std::nullopt;
    std::istringstream text(quota);
    double microseconds = 0;
    if (!(text >> microseconds) || microseconds <= 0) return std::nullopt;
    return microseconds / period;
}

std::optional<double> readV1(const fs::path& folder) {
    const auto quota = readNumber(folder / "cpu.cfs_quota_us");
    const auto period = readNumber(folder / "cpu.cfs_period_us");
    if (!quota || !period || *quota <= 0 || *period <= 0) return std::nullopt;
    return *quota / *period;
}

/// The tightest limit of `group` and its parents below `mount`. In a container the path in /proc may lie outside what
/// is mounted; the walk then ends at the mount itself, which is the container's own group.
template <typename Read>
void tighten(std::optional<double>& limit, const fs::path& mount, fs::path group, Read read) {
    group = group.relative_path();
    while (true) {
        if (const auto found = read(mount / group)) limit = limit ? std::min(*limit, *found) : *found;
        if (group.empty()) return;
        group = group.parent_path();
    }
}

bool lists(const std::string& controllers, const std::string& name) {
    std::istringstream in(controllers);
    for (std::string item; std::getline(in, item, ',');) {
        if (item == name) return true;
    }
    return false;
}

}  // namespace

std::optional<int> cgroupCpuLimit(const fs::path& procFile, const fs::path& mount) {
    std::optional<double> limit;
    std::ifstream in(procFile);
    for (std::string line; std::getline(in, line);) {  // "<id>:<controllers>:<path>"
        const auto first = line.find(':');
        const auto second = first == std::string::npos ? first : line.find(':', first + 1);
        if (second == std::string::npos) continue;
        const std::string controllers = line.substr(first + 1, second - first - 1);
        const fs::path group = line.substr(second + 1);
        if (controllers.empty()) {
            tighten(limit, mount, group, readV2);
            tighten(limit, mount / "unified", group, readV2);
        } else if (lists(controllers, "cpu")) {
            std::error_code ignored;
            const fs::path joint = mount / controllers;
            tighten(limit, fs::exists(joint, ignored) ? joint : mount / "cpu", group, readV1);
        }
    }
    if (!limit) return std::nullopt;
    return std::max(1, static_cast<int>(std::ceil(std::min(*limit, 65536.0))));
}

}  // namespace step3::kernels
