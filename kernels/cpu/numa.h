#pragma once

#include <cstdint>
#include <filesystem>
#include <string_view>
#include <vector>

namespace step3::kernels {

/// Numbers of "0-3,8,10-11" as the system lists CPUs and nodes; empty if the text is not such a list.
std::vector<int> parseNumberList(std::string_view text);

/// Nodes that have memory and at least one of `cpus` (empty: any CPU), in order, from a folder like
/// /sys/devices/system/node; empty if it tells nothing.
std::vector<int> memoryNodes(const std::filesystem::path& folder, const std::vector<int>& cpus);

/// CPUs that this process may run on, by number; empty if the system does not tell.
std::vector<int> allowedCpus();

/// Spreads pages that are not touched yet evenly over the nodes whose CPUs this process runs on: loops are cut into
/// pieces that any thread may take, so no page belongs to one node's threads, and this way all of the machine's memory
/// channels serve them. Without effect on machines of one node; returns the number of nodes it spread over, else 0.
int spreadOverNodes(void* begin, std::uint64_t bytes);
/// The same over given nodes.
int spreadOverNodes(void* begin, std::uint64_t bytes, const std::vector<int>& nodes);

}  // namespace step3::kernels
