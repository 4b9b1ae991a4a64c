#pragma once

#include <optional>
#include <string_view>

namespace step3::sampling::structured {

/// A regular expression for a "format" of JSON schema; nothing for formats that are not known: date, time, date-time,
/// duration (RFC 3339), email, hostname, ipv4, ipv6, uri, uuid.
std::optional<std::string_view> stringFormat(std::string_view name);

}  // namespace step3::sampling::structured
