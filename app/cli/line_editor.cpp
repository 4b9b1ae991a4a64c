#include "app/cli/line_editor.h"

#include <csignal>
#include <cstdio>
#include <cstdlib>

#include <fcntl.h>
#include <histedit.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app/cli/terminal.h"

namespace step3::cli {

namespace {

namespace fs = std::filesystem;

constexpr int kHistoryLines = 1000;

}  // namespace

fs::path historyFile() {
    const char* state = std::getenv("XDG_STATE_HOME");
    const char* home = std::getenv("HOME");
    fs::path folder;
    if (state != nullptr && fs::path(state).is_absolute()) {  // the standard has relative ones ignored
        folder = state;
    } else if (home != nullptr && *home != '\0') {
        folder = fs::path(home) / ".local" / "state";
    } else {
        return {};
    }
    return folder / "step3-desktop" / "chat_history";
}

struct LineEditor::Impl {
    Impl(std::string promptText, fs::path file) : prompt(std::move(promptText)), historyPath(std::move(file)) {
        useUtf8();
        FILE* out = isTerminal(Stream::kOutput) ? stdout : stderr;
        editor = ::el_init("step3", stdin, out, stderr);
        lines = ::history_init();
        if (editor == nullptr || lines == nullptr) throw std::bad_alloc();
        ::el_set(editor, EL_CLIENTDATA, this);
        ::el_set(editor, EL_PROMPT, &Impl::promptOf);
        ::el_set(editor, EL_EDITOR, "emacs");
        ::el_set(editor, EL_SIGNAL, 1);  // the terminal is put back before a signal ends the program
        ::el_set(editor, EL_HIST, &::history, lines);
        HistEvent event{};
        ::history(lines, &event, H_SETSIZE, kHistoryLines);
        ::history(lines, &event, H_SETUNIQUE, 1);
        if (!historyPath.empty()) ::history(lines, &event, H_LOAD, historyPath.c_str());
        // While a line is edited Ctrl-C and Ctrl-Z are keys, not signals.
        ::el_set(editor, EL_SETTY, "-d", "-isig", nullptr);
        ::el_set(editor, EL_ADDFN, "step3-clear", "Clears the line", &Impl::clearLine);
        ::el_set(editor, EL_BIND, "^C", "step3-clear", nullptr);
        ::el_set(editor, EL_ADDFN, "step3-suspend", "Stops the program until fg", &Impl::suspend);
        ::el_set(editor, EL_BIND, "^Z", "step3-suspend", nullptr);
        ::el_set(editor, EL_BIND, "^R", "em-inc-search-prev", nullptr);
    }
    ~Impl() {
        if (editor != nullptr) ::el_end(editor);
        if (lines != nullptr) ::history_end(lines);
    }
    Impl(const Impl&) = delete;
    Impl& operator=(const Impl&) = delete;

    static Impl& of(EditLine* editor) {
        void* self = nullptr;
        ::el_get(editor, EL_CLIENTDATA, &self);
        return *static_cast<Impl*>(self);
    }
    static char* promptOf(EditLine* editor) { return of(editor).prompt.data(); }
    static unsigned char clearLine(EditLine* editor, int) {
        const LineInfo* line = ::el_line(editor);
        const auto after = static_cast<int>(line->lastchar - line->cursor);
        of(editor).cleared = true;
        // The cursor moves to the end first, so that what is printed next begins below the line.
        if (after > 0) ::el_push(editor, "\005");
        ::el_push(editor, "\n");
        return CC_NORM;
    }

    static unsigned char suspend(EditLine*, int) {
        ::raise(SIGTSTP);
        return CC_REDISPLAY;
    }

    std::string prompt;
    fs::path historyPath;
    EditLine* editor = nullptr;
    ::History* lines = nullptr;
    bool cleared = false;
};

LineEditor::LineEditor(std::string prompt, fs::path history)
    : impl_(std::make_unique<Impl>(std::move(prompt), std::move(history))) {}
LineEditor::~LineEditor() = default;

std::optional<std::string> LineEditor::read() {
    while (true) {
        impl_->cleared = false;
        int length = 0;
        const char* text = ::el_gets(impl_->editor, &length);
        if (text == nullptr || length <= 0) return std::nullopt;
        if (impl_->cleared) continue;
        std::string line(text, static_cast<std::size_t>(length));
        while (!line.empty() && (line.back() == '\n' || line.back() == '\r')) line.pop_back();
        return line;
    }
}

void LineEditor::remember(const std::string& line) {
    HistEvent event{};
    ::history(impl_->lines, &event, H_ENTER, line.c_str());
    if (impl_->historyPath.empty()) return;
    // What cannot be kept is no reason to stop a conversation.
    std::error_code ignored;
    const fs::path folder = impl_->historyPath.parent_path();
    fs::create_directories(folder.parent_path(), ignored);
    ::mkdir(folder.c_str(), 0700);
    const int file = ::open(impl_->historyPath.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    if (file < 0) return;
    ::fchmod(file, 0600);
    ::close(file);
    ::history(impl_->lines, &event, H_SAVE, impl_->historyPath.c_str());
}

}  // namespace step3::cli
