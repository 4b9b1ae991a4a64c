#pragma once

#include <span>
#include <string_view>

namespace step3::cli {

struct EvalSample {
    std::string_view name;
    std::string_view text;
};

/// Short texts of several kinds, written for this program: what `step3 eval` reads if it is given none.
std::span<const EvalSample> evalSamples();

}  // namespace step3::cli
