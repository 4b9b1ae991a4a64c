#pragma once

#include <filesystem>

namespace step3::app {

/// Folder of the model that ships, step3-mini: $STEP3_MODEL if set, else share/step3-desktop/models beside the
/// installed program's folder, else the source tree it was built from. Empty if none of them holds a config.json.
std::filesystem::path shippedModel();

}  // namespace step3::app
