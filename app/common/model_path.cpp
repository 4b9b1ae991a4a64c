#include "app/common/model_path.h"

#include <cstdlib>

namespace step3::app {

std::filesystem::path shippedModel() {
    namespace fs = std::filesystem;
    if (const char* chosen = std::getenv("STEP3_MODEL"); chosen != nullptr && *chosen != '\0') return chosen;
    std::error_code ignored;
    const fs::path program = fs::read_symlink("/proc/self/exe", ignored);
    for (const fs::path& folder : {program.parent_path() / "../share/step3-desktop/models/step3-mini",
                                   fs::path(STEP3_SOURCE_MODELS) / "step3-mini"})
        if (fs::exists(folder / "config.json", ignored)) return fs::weakly_canonical(folder, ignored);
    return {};
}

}  // namespace step3::app
