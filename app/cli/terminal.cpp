#include "app/cli/terminal.h"

#include <clocale>
#include <cstdlib>
#include <cstring>

#include <langinfo.h>
#include <unistd.h>

namespace step3::cli {

bool isTerminal(Stream stream) {
    return ::isatty(static_cast<int>(stream)) == 1;
}

bool canDim() {
    const char* terminal = std::getenv("TERM");
    return isTerminal(Stream::kOutput) && terminal != nullptr && *terminal != '\0' &&
           std::strcmp(terminal, "dumb") != 0;
}

std::string withoutControls(std::string_view utf8) {
    std::string out;
    out.reserve(utf8.size());
    for (std::size_t i = 0; i < utf8.size(); ++i) {
        const auto byte = static_cast<unsigned char>(utf8[i]);
        if ((byte < 0x20 && byte != '\n' && byte != '\t') || byte == 0x7F) continue;
        // U+0080 to U+009F
        if (byte == 0xC2 && i + 1 < utf8.size() && static_cast<unsigned char>(utf8[i + 1]) < 0xA0) {
            ++i;
            continue;
        }
        out += utf8[i];
    }
    return out;
}

void useUtf8() {
    std::setlocale(LC_CTYPE, "");
    if (std::strcmp(::nl_langinfo(CODESET), "UTF-8") != 0) std::setlocale(LC_CTYPE, "C.UTF-8");
}

}  // namespace step3::cli
