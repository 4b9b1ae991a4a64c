#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "engine/json.h"

namespace step3::test {

/// A golden tensor, numbers of any stored type widened to double.
struct GoldenTensor {
    std::vector<std::int64_t> shape;
    std::vector<double> values;
};

std::map<std::string, GoldenTensor> readSafetensors(const std::filesystem::path& file);
Json readJson(const std::filesystem::path& file);

/// The folder of the golden data.
std::filesystem::path golden();
/// Path of a golden picture; for a JPEG its decoded PNG, because decoders differ by a few units.
std::filesystem::path goldenPicture(const std::string& name);

}  // namespace step3::test
