#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace step3::serving::http {

/// True for a URL of the schemes http and https.
bool isHttpUrl(std::string_view url);

/// Standard base64 (RFC 4648 section 4), strictly: only the alphabet, correct padding, no spaces, zero spare bits.
/// Throws ApiError 400 naming `param` and the position.
std::vector<std::byte> decodeBase64(std::string_view text, const std::string& param);

/// The bytes of `data:[mime][;params];base64,DATA`; the mime label is ignored, scheme and ";base64" are
/// case-insensitive (spec openai-api section 4). Throws ApiError: 400 for other schemes and defects, 501 for data that
/// is not base64.
std::vector<std::byte> decodeDataUri(std::string_view uri, const std::string& param);

}  // namespace step3::serving::http
