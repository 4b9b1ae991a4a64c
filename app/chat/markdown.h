#pragma once

#include <QList>
#include <QString>

#include "app/chat/content_block.h"

namespace step3::chat {

/// Splits markdown (CommonMark with GitHub's tables, strikethrough and autolinks, parsed by md4c) into Text, Code,
/// Table and Rule blocks. Raw HTML is shown as text; pictures become links; links keep http, https and mailto targets
/// only.
[[nodiscard]] QList<ContentBlock> parseMarkdown(const QString& markdown);

/// Plain text as it was typed, as one Text block.
[[nodiscard]] ContentBlock plainTextBlock(const QString& text);

}  // namespace step3::chat
