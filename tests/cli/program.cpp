#include "tests/cli/program.h"

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <thread>

#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <spawn.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

extern char** environ;

namespace step3::test {

namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

constexpr std::chrono::seconds kPatience{60};  // far beyond what a loaded machine takes

/// argv or environment as the system wants it; borrows the strings.
std::vector<char*> pointers(std::vector<std::string>& strings) {
    std::vector<char*> list;
    for (std::string& text : strings) list.push_back(text.data());
    list.push_back(nullptr);
    return list;
}

std::vector<std::string> commandLine(const std::vector<std::string>& arguments) {
    std::vector<std::string> all{STEP3_COMMAND};
    all.insert(all.end(), arguments.begin(), arguments.end());
    return all;
}

std::vector<std::string> environmentWith(Environment changes) {
    changes.emplace("STEP3_API_KEY", "");
    changes.emplace("STEP3_MODEL", shippedModel().string());
    changes.emplace("XDG_STATE_HOME", "/nonexistent");
    changes.emplace("TERM", "xterm");
    std::vector<std::string> list;
    for (char** item = environ; *item != nullptr; ++item) {
        const std::string text = *item;
        if (changes.count(text.substr(0, text.find('='))) == 0) list.push_back(text);
    }
    for (const auto& [name, value] : changes) {
        if (!value.empty()) list.push_back(name + "=" + value);
    }
    return list;
}

}  // namespace

TemporaryFolder::TemporaryFolder() {
    std::string name = (fs::temp_directory_path() / "step3-test-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("cannot make a temporary folder");
    path_ = name;
}

TemporaryFolder::~TemporaryFolder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
}

std::string readFile(const fs::path& file) {
    std::ifstream stream(file, std::ios::binary);
    if (!stream) throw std::runtime_error("cannot read " + file.string());
    return {std::istreambuf_iterator<char>(stream), {}};
}

void writeFile(const fs::path& file, const std::string& text) {
    std::ofstream stream(file, std::ios::binary);
    stream << text;
    if (!stream.flush()) throw std::runtime_error("cannot write " + file.string());
}

fs::path shippedModel() {
    return fs::path(STEP3_SOURCE_DIR) / "resources" / "models" / "step3-mini";
}

ProgramResult runProgram(const std::vector<std::string>& arguments, const std::string& input,
                         const Environment& environment) {
    const TemporaryFolder folder;
    const fs::path in = folder.path() / "stdin";
    const fs::path out = folder.path() / "stdout";
    const fs::path err = folder.path() / "stderr";
    writeFile(in, input);
    std::vector<std::string> words = commandLine(arguments);
    std::vector<std::string> variables = environmentWith(environment);

    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, in.c_str(), O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, out.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
    posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, err.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
    pid_t process = 0;
    const int error = ::posix_spawn(&process, words[0].c_str(), &actions, nullptr, pointers(words).data(),
                                    pointers(variables).data());
    posix_spawn_file_actions_destroy(&actions);
    if (error != 0) throw std::runtime_error("cannot start " + words[0]);
    int status = 0;
    ::waitpid(process, &status, 0);
    return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, readFile(out), readFile(err)};
}

RunningProgram::RunningProgram(On on, std::vector<std::string> arguments, Environment environment) {
    std::vector<std::string> words = commandLine(arguments);
    std::vector<std::string> variables = environmentWith(std::move(environment));
    const std::vector<char*> argv = pointers(words);
    const std::vector<char*> envp = pointers(variables);
    int pipe[2] = {-1, -1};
    if (on == On::kTerminal) {
        const winsize size{24, 80, 0, 0};
        process_ = ::forkpty(&channel_, nullptr, nullptr, &size);
    } else {
        if (::pipe2(pipe, O_CLOEXEC) != 0) throw std::runtime_error("cannot make a pipe");
        channel_ = pipe[0];
        process_ = ::fork();
    }
    if (process_ < 0) throw std::runtime_error("cannot start " + words[0]);
    if (process_ == 0) {
        if (on == On::kPipe) {
            ::dup2(::open("/dev/null", O_RDONLY), STDIN_FILENO);
            ::dup2(pipe[1], STDOUT_FILENO);
        }
        ::execve(argv[0], argv.data(), envp.data());
        ::_exit(127);
    }
    if (pipe[1] >= 0) ::close(pipe[1]);
}

RunningProgram::~RunningProgram() {
    if (process_ > 0) {
        ::kill(process_, SIGKILL);
        ::waitpid(process_, nullptr, 0);
    }
    ::close(channel_);
}

void RunningProgram::type(const std::string& text) const {
    if (::write(channel_, text.data(), text.size()) != static_cast<ssize_t>(text.size())) {
        throw std::runtime_error("cannot write to the terminal");
    }
}

/// False at the end of the output.
bool RunningProgram::readSome(int milliseconds) {
    pollfd ready{channel_, POLLIN, 0};
    if (::poll(&ready, 1, milliseconds) <= 0) return true;
    char buffer[4096];
    const ssize_t count = ::read(channel_, buffer, sizeof buffer);
    if (count <= 0) return false;
    unread_.append(buffer, static_cast<std::size_t>(count));
    return true;
}

std::string RunningProgram::waitFor(const std::string& text) {
    const auto end = Clock::now() + kPatience;
    bool open = true;
    while (true) {
        if (const auto at = unread_.find(text); at != std::string::npos) {
            std::string seen = unread_.substr(0, at + text.size());
            unread_.erase(0, at + text.size());
            return seen;
        }
        if (!open || Clock::now() > end) {
            throw std::runtime_error("expected \"" + text + "\", the program wrote \"" + unread_ + "\"");
        }
        open = readSome(100);
    }
}

std::string RunningProgram::waitForPrompt(const std::string& before) {
    std::string seen = waitFor(before + "> ");
    const auto end = Clock::now() + kPatience;
    termios modes{};
    while (::tcgetattr(channel_, &modes) == 0 && (modes.c_lflag & ICANON) != 0) {
        if (Clock::now() > end) throw std::runtime_error("the program shows its prompt but reads no keys");
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    return seen;
}

void RunningProgram::signal(int number) const {
    ::kill(process_, number);
}

int RunningProgram::wait() {
    const auto end = Clock::now() + kPatience;
    bool open = true;
    while (true) {
        int status = 0;
        if (::waitpid(process_, &status, WNOHANG) == process_) {
            process_ = 0;
            return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
        }
        if (Clock::now() > end) throw std::runtime_error("the program did not end; it wrote \"" + unread_ + "\"");
        // A program that writes to a full pipe or terminal would wait for a reader.
        if (open) {
            open = readSome(20);
        } else {
            std::this_thread::sleep_for(std::chrono::milliseconds(20));
        }
    }
}

}  // namespace step3::test
