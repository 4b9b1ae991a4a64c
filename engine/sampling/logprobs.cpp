#include "engine/sampling/logprobs.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace step3::sampling {

std::vector<Logprob> logprobs(std::span<const float> logits, std::int32_t id, std::size_t top) {
    const auto highest = static_cast<double>(*std::max_element(logits.begin(), logits.end()));
    double sum = 0.0;
    for (const float logit : logits) sum += std::exp(static_cast<double>(logit) - highest);
    const double logSum = std::log(sum);
    const auto entry = [&](std::int32_t token) {
        const float own = logits[static_cast<std::size_t>(token)];
        const double value = static_cast<double>(own) - highest - logSum;
        const auto above = std::count_if(logits.begin(), logits.end(), [&](float logit) { return logit > own; });
        return Logprob{token, value > kLogprobFloor ? static_cast<float>(value) : kLogprobFloor,
                       static_cast<std::int32_t>(above) + 1};
    };
    std::vector<std::int32_t> ids(logits.size());
    std::iota(ids.begin(), ids.end(), 0);
    top = std::min(top, ids.size());
    std::partial_sort(ids.begin(), ids.begin() + static_cast<std::ptrdiff_t>(top), ids.end(),
                      [&](std::int32_t a, std::int32_t b) {
                          const float la = logits[static_cast<std::size_t>(a)];
                          const float lb = logits[static_cast<std::size_t>(b)];
                          return la != lb ? la > lb : a < b;
                      });
    std::vector<Logprob> result{entry(id)};
    for (std::size_t i = 0; i < top; ++i) result.push_back(entry(ids[i]));
    return result;
}

}  // namespace step3::sampling
