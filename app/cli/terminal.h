#pragma once

#include <string>
#include <string_view>

namespace step3::cli {

enum class Stream { kInput = 0, kOutput = 1, kErrors = 2 };

bool isTerminal(Stream stream);
/// True if standard output is a terminal that can show dimmed text.
bool canDim();

/// Text of a model or a file as it may be shown on a terminal: without control characters (C0 but tab and newline, DEL,
/// C1), which could move the cursor, change the title or answer for the user.
std::string withoutControls(std::string_view utf8);

/// Makes the C library treat text as UTF-8 whatever the locale says; line editing needs it.
void useUtf8();

}  // namespace step3::cli
