#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace step3::serving::http {

/// The keys a client may show. Never printed.
class ApiKeys {
public:
    ApiKeys() = default;
    /// Throws Error kInvalidArgument for an empty key or one with characters that no header carries.
    explicit ApiKeys(std::vector<std::string> keys);

    [[nodiscard]] bool required() const { return !keys_.empty(); }
    /// True if no key is required, or the value of an Authorization header is "Bearer KEY" with one of the keys. Takes
    /// the same time wherever a key of the same length differs, and looks at all keys.
    [[nodiscard]] bool admits(std::string_view authorization) const;

private:
    std::vector<std::string> keys_;
};

}  // namespace step3::serving::http
