#pragma once

#include <QString>

namespace step3::chat {

/// What a model folder says about itself: its README.md as markdown, without the metadata that model hubs keep in front
/// between two lines of `---`. Empty if there is none, or if it is longer than 256 KiB or not UTF-8.
[[nodiscard]] QString readModelCard(const QString& folder);

}  // namespace step3::chat
