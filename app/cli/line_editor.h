#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>

namespace step3::cli {

/// Where the typed lines of earlier sessions are kept: step3-desktop/chat_history in $XDG_STATE_HOME, else
/// ~/.local/state. Empty if there is no home.
std::filesystem::path historyFile();

/// Reads lines from a terminal with editing (emacs keys) and history, in UTF-8. Ctrl-C clears the line.
class LineEditor {
public:
    /// Prompts go to standard output if it is a terminal, else to standard error. `history` empty: nothing is kept.
    LineEditor(std::string prompt, std::filesystem::path history);
    ~LineEditor();
    LineEditor(const LineEditor&) = delete;
    LineEditor& operator=(const LineEditor&) = delete;

    /// Without its end; absent at the end of input (Ctrl-D).
    std::optional<std::string> read();
    /// Adds a line to the history and saves it, readable by this user only.
    void remember(const std::string& line);

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace step3::cli
