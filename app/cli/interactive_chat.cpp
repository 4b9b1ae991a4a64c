#include "app/cli/interactive_chat.h"

#include <cstdlib>
#include <iostream>

#include "app/cli/answer_printer.h"
#include "app/cli/interrupt.h"
#include "app/cli/line_editor.h"
#include "app/cli/terminal.h"

namespace step3::cli {

namespace {

constexpr const char* kHelp =
    "  /image FILE   add a picture to the next question (PNG, JPEG, WebP, GIF or BMP)\n"
    "  /clear        forget the conversation and start anew\n"
    "  /help         this list\n"
    "  /quit         leave, as Ctrl-D does\n"
    "Ctrl-C stops an answer, or clears the line being typed. Arrow up brings earlier lines back.\n";

std::string trimmed(const std::string& text) {
    const auto first = text.find_first_not_of(" \t");
    if (first == std::string::npos) return {};
    return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

/// To the reader, beside the answers.
void note(const std::string& text) {
    std::cout.flush();
    std::cerr << withoutControls(text) << "\n";
}

void askAndShow(Conversation& conversation, const std::string& question) {
    AnswerPrinter printer;
    try {
        const Answer answer = conversation.ask(question, [&](const Event& event) { printer.show(event); });
        printer.finish();
        if (answer.reason == FinishReason::kCancelled) note("(stopped)");
        if (answer.reason == FinishReason::kLength) {
            note("(cut off after " + std::to_string(answer.usage.completionTokens) + " tokens)");
        }
    } catch (const Error& error) {
        printer.finish();
        const bool full = error.code() == ErrorCode::kResourceExhausted;
        note(std::string(error.what()) + (full ? "; /clear starts a new conversation" : ""));
    }
}

/// A line that begins with a slash. Returns false if it is to leave.
bool runCommand(Conversation& conversation, const std::string& line) {
    const std::string command = line.substr(0, line.find_first_of(" \t"));
    const std::string argument = trimmed(line.substr(command.size()));
    if (command == "/quit" || command == "/exit") return false;
    if (command == "/help") {
        std::cout << kHelp << std::flush;
    } else if (command == "/clear") {
        conversation.clear();
        note("(a new conversation)");
    } else if (command == "/image" && argument.empty()) {
        note("/image needs a file: /image picture.png");
    } else if (command == "/image") {
        try {
            const auto picture = conversation.attach(typedPath(argument));
            note("(picture of " + std::to_string(picture->width) + " x " + std::to_string(picture->height) +
                 " pixels; now ask about it)");
        } catch (const Error& error) {
            note(error.what());
        }
    } else {
        note("unknown command " + command + "; /help lists them");
    }
    return true;
}

}  // namespace

std::string typedPath(const std::string& text) {
    std::string path;
    char quote = 0;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const char c = text[i];
        if (quote != 0 && c == quote) {
            quote = 0;
        } else if (quote == 0 && (c == '\'' || c == '"')) {
            quote = c;
        } else if (quote != '\'' && c == '\\' && i + 1 < text.size()) {
            path += text[++i];
        } else {
            path += c;
        }
    }
    const char* home = std::getenv("HOME");
    if (path.starts_with("~/") && home != nullptr) return home + path.substr(1);
    return path;
}

void chatInteractively(Conversation& conversation, const ModelInfo& model) {
    note(model.name + ": ask a question" + (model.vision ? ", add pictures with /image FILE" : "") +
         "; /help lists the commands");
    // The editor takes Ctrl-C as a key; between a line and an answer it is to do nothing.
    const InterruptGuard uninterrupted;
    LineEditor editor("> ", historyFile());
    while (true) {
        const auto line = editor.read();
        if (!line) {
            note("");
            return;
        }
        const std::string question = trimmed(*line);
        if (question.empty() && conversation.waitingPictures() == 0) continue;
        if (!question.empty()) editor.remember(question);
        if (question.starts_with('/')) {
            if (!runCommand(conversation, question)) return;
        } else if (question.empty()) {
            note("now ask about the picture; /clear takes it away");
        } else {
            askAndShow(conversation, question);
        }
    }
}

}  // namespace step3::cli
