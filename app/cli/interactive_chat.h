#pragma once

#include <string>

#include "app/cli/conversation.h"

namespace step3::cli {

/// Questions and answers on a terminal until Ctrl-D or /quit. Errors are printed and the conversation goes on.
void chatInteractively(Conversation& conversation, const ModelInfo& model);

/// A path as it is typed, pasted or dropped into a terminal: quotes and backslashes removed, ~/ expanded.
std::string typedPath(const std::string& text);

}  // namespace step3::cli
