#pragma once

#include <string_view>

#include "app/cli/progress_line.h"
#include "engine/engine.h"

namespace step3::cli {

/// Shows one answer on standard output while it comes. On a terminal the reasoning comes first, dimmed, and control
/// characters are left out; elsewhere only the answer's text is written, as it is.
class AnswerPrinter {
public:
    AnswerPrinter();
    void show(const Event& event);
    /// Ends the last line. Throws Error kIo if standard output takes no more.
    void finish();

private:
    void write(std::string_view text);
    void endReasoning();

    bool terminal_;
    bool dims_;
    bool reasoning_ = false;  // inside it
    bool lineOpen_ = false;   // the last character was no newline
    ProgressLine progress_;
};

}  // namespace step3::cli
