#include "app/cli/open_model.h"

#include "app/cli/progress_line.h"
#include "app/common/model_path.h"

namespace step3::cli {

namespace {

namespace fs = std::filesystem;

}  // namespace

std::string folderName(const fs::path& folder) {
    const fs::path path = fs::absolute(folder).lexically_normal();
    return (path.has_filename() ? path.filename() : path.parent_path().filename()).string();
}

fs::path modelFolder(const fs::path& asked) {
    std::error_code ignored;
    if (!asked.empty()) {
        if (fs::is_directory(asked, ignored)) return asked;
        throw Error(ErrorCode::kNotFound,
                    asked.string() + ": " + (fs::exists(asked, ignored) ? "not a folder" : "no such folder") +
                        "; --model takes the folder that holds config.json and the safetensors files");
    }
    const fs::path shipped = app::shippedModel();
    if (shipped.empty()) {
        throw Error(ErrorCode::kNotFound,
                    "the model that ships with the program is not where it was installed; "
                    "choose a model folder with --model");
    }
    return shipped;
}

std::unique_ptr<Engine> openModel(const OpenOptions& options, std::stop_token stop) {
    ProgressLine line("Opening " + folderName(options.model));
    return Engine::open(
        options, [&](double fraction) { line.show(fraction); }, std::move(stop));
}

}  // namespace step3::cli
