#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace step3::serving::http {

/// Which web pages of other origins a browser lets read the answers. None, unless origins are given.
class Cors {
public:
    Cors() = default;
    /// Each "*" or scheme://host[:port]. Throws Error kInvalidArgument naming one that is neither.
    explicit Cors(std::vector<std::string> origins);

    [[nodiscard]] bool enabled() const { return !origins_.empty(); }
    /// Value of Access-Control-Allow-Origin for a page of `origin`; empty if it is not allowed.
    [[nodiscard]] std::string allowed(std::string_view origin) const;

private:
    std::vector<std::string> origins_;
    bool any_ = false;
};

}  // namespace step3::serving::http
