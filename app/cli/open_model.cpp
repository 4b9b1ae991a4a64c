#include "app/cli/open_model.h"

#include <iostream>

#include <unistd.h>

#include "app/common/model_path.h"

namespace step3::cli {

namespace {

namespace fs = std::filesystem;

/// "Opening step3-mini 42 %", overwritten in place.
class ProgressLine {
public:
    explicit ProgressLine(const fs::path& folder) : shown_(::isatty(STDERR_FILENO) == 1) {
        const fs::path path = fs::absolute(folder).lexically_normal();
        name_ = (path.has_filename() ? path.filename() : path.parent_path().filename()).string();
    }
    ~ProgressLine() {
        if (percent_ >= 0) std::cerr << "\r\033[K" << std::flush;
    }
    ProgressLine(const ProgressLine&) = delete;
    ProgressLine& operator=(const ProgressLine&) = delete;

    void show(double fraction) {
        const int percent = static_cast<int>(fraction * 100);
        if (!shown_ || percent == percent_) return;
        percent_ = percent;
        std::cerr << "\rOpening " << name_ << " " << percent << " %" << std::flush;
    }

private:
    bool shown_;
    std::string name_;
    int percent_ = -1;
};

}  // namespace

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

std::unique_ptr<Engine> openModel(const OpenOptions& options) {
    ProgressLine line(options.model);
    return Engine::open(options, [&](double fraction) { line.show(fraction); });
}

}  // namespace step3::cli
