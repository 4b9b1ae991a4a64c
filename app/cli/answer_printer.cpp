#include "app/cli/answer_printer.h"

#include <iostream>
#include <utility>

#include "app/cli/command.h"
#include "app/cli/terminal.h"

namespace step3::cli {

namespace {

constexpr const char* kDim = "\033[2m";
constexpr const char* kNormal = "\033[0m";

}  // namespace

AnswerPrinter::AnswerPrinter()
    : terminal_(isTerminal(Stream::kOutput)), dims_(canDim()), progress_("Reading the question") {}

void AnswerPrinter::show(const Event& event) {
    if (const auto* prefill = std::get_if<PrefillProgress>(&event)) {
        if (prefill->done < prefill->total) progress_.show(static_cast<double>(prefill->done) / prefill->total);
        return;
    }
    progress_.clear();
    if (const auto* delta = std::get_if<ReasoningDelta>(&event)) {
        if (!terminal_ || delta->text.empty()) return;
        if (!reasoning_) std::cout << (dims_ ? kDim : "[");
        reasoning_ = true;
        write(delta->text);
    } else if (const auto* text = std::get_if<TextDelta>(&event)) {
        if (text->text.empty()) return;
        endReasoning();
        write(text->text);
    }
}

void AnswerPrinter::finish() {
    progress_.clear();
    endReasoning();
    writeOutput(std::exchange(lineOpen_, false) ? "\n" : "");
}

void AnswerPrinter::write(std::string_view text) {
    if (terminal_) {
        std::cout << withoutControls(text);
    } else {
        std::cout << text;
    }
    lineOpen_ = text.back() != '\n';
    std::cout.flush();
}

void AnswerPrinter::endReasoning() {
    if (!reasoning_) return;
    std::cout << (dims_ ? kNormal : "]") << (lineOpen_ ? "\n\n" : "\n");
    reasoning_ = false;
    lineOpen_ = false;
}

}  // namespace step3::cli
