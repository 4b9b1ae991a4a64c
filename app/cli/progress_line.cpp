#include "app/cli/progress_line.h"

#include <iostream>

#include "app/cli/terminal.h"

namespace step3::cli {

namespace {

/// What is done sooner needs no line.
constexpr std::chrono::milliseconds kDelay{200};

}  // namespace

ProgressLine::ProgressLine(std::string what) : terminal_(isTerminal(Stream::kErrors)), what_(std::move(what)) {}

void ProgressLine::show(double fraction, const std::string& detail) {
    const int percent = static_cast<int>(fraction * 100);
    const bool same = percent == percent_ && detail == detail_;
    if (!terminal_ || same || std::chrono::steady_clock::now() - start_ < kDelay) return;
    percent_ = percent;
    detail_ = detail;
    std::cerr << "\r" << what_ << " " << percent << " %" << detail << "\033[K" << std::flush;
}

void ProgressLine::clear() {
    if (percent_ >= 0) std::cerr << "\r\033[K" << std::flush;
    percent_ = -1;
}

}  // namespace step3::cli
