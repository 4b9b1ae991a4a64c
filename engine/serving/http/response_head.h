#pragma once

#include <string>
#include <string_view>

namespace step3::serving::http {

/// Status line and header of one response, with Server and Date. Values come from this program or were checked: nothing
/// is escaped here.
class ResponseHead {
public:
    /// `version`: 10 or 11.
    ResponseHead(unsigned version, int status);

    void set(std::string_view name, std::string_view value);
    /// Connection, where it is not the version's default.
    void setKeepAlive(bool keepAlive);
    /// With the empty line.
    [[nodiscard]] std::string text() const { return text_ + "\r\n"; }

private:
    unsigned version_;
    std::string text_;
};

}  // namespace step3::serving::http
