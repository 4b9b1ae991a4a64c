#include "app/cli/number_text.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>

namespace step3::cli {

namespace {

std::string scaled(std::uint64_t value, const std::array<const char*, 5>& units) {
    if (value < 1000) return std::to_string(value) + units[0];
    auto number = static_cast<double>(value);
    std::size_t unit = 0;
    // 999.5 would be rounded to 1000.
    while (number >= 999.5 && unit + 1 < units.size()) {
        number /= 1000;
        ++unit;
    }
    return numberText(number) + units[unit];
}

}  // namespace

std::string bytesText(std::uint64_t bytes) {
    return scaled(bytes, {" bytes", " kB", " MB", " GB", " TB"});
}

std::string countText(std::uint64_t count) {
    return scaled(count, {"", " k", " M", " B", " T"});
}

std::string numberText(double value, int digits) {
    int before = 1;  // digits before the point
    for (double rest = std::fabs(value); rest >= 10; rest /= 10) ++before;
    char text[64];
    std::snprintf(text, sizeof text, "%.*f", std::max(0, digits - before), value);
    return text;
}

}  // namespace step3::cli
