#pragma once

#include <string>
#include <string_view>

namespace step3::serving::http {

/// 32 random hexadecimal digits.
std::string randomHex();

/// The client's X-Request-Id if it is 1 to 128 visible characters of ASCII, else a new one: what is echoed and logged
/// cannot break a line.
std::string requestId(std::string_view fromClient);

}  // namespace step3::serving::http
