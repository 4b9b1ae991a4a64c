#include "engine/error.h"

#include "engine/utf8.h"

namespace step3 {
namespace {

std::string oneLine(const std::string& message) {
    std::string line = validUtf8(message);
    for (char& c : line) {
        const auto byte = static_cast<unsigned char>(c);
        if (byte < 0x20 || byte == 0x7F) c = ' ';
    }
    return line;
}

}  // namespace

Error::Error(ErrorCode code, const std::string& message) : std::runtime_error(oneLine(message)), code_(code) {}

}  // namespace step3
