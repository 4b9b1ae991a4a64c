#pragma once

#include <chrono>
#include <string>

namespace step3::cli {

/// "Opening step3-mini 42 %" on standard error, overwritten in place and gone at the end; nothing if standard error is
/// no terminal, or if all is done at once.
class ProgressLine {
public:
    explicit ProgressLine(std::string what);
    ~ProgressLine() { clear(); }
    ProgressLine(const ProgressLine&) = delete;
    ProgressLine& operator=(const ProgressLine&) = delete;

    /// `detail` follows the percentage, such as ", 3 min left".
    void show(double fraction, const std::string& detail = {});
    void clear();

private:
    bool terminal_;
    std::string what_;
    std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
    int percent_ = -1;  // shown now; -1: nothing
    std::string detail_;
};

}  // namespace step3::cli
