#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include <sys/types.h>

namespace step3::test {

/// An empty folder that is removed with its content at the end.
class TemporaryFolder {
public:
    TemporaryFolder();
    ~TemporaryFolder();
    TemporaryFolder(const TemporaryFolder&) = delete;
    TemporaryFolder& operator=(const TemporaryFolder&) = delete;
    [[nodiscard]] const std::filesystem::path& path() const { return path_; }

private:
    std::filesystem::path path_;
};

std::string readFile(const std::filesystem::path& file);
void writeFile(const std::filesystem::path& file, const std::string& text);

/// The model that ships, in the source tree.
std::filesystem::path shippedModel();

/// Variables set for a program beside those of the tests; an empty value takes one away. The tests' own choice of keys,
/// models and history never reaches the program.
using Environment = std::map<std::string, std::string>;

/// How a run of the `step3` command ended.
struct ProgramResult {
    int status = -1;  // exit status; -1 if it was killed
    std::string output;
    std::string errors;
};

/// Runs `step3` with these arguments to its end; `input` becomes its standard input.
ProgramResult runProgram(const std::vector<std::string>& arguments, const std::string& input = {},
                         const Environment& environment = {});

/// A running `step3`, on pipes or on a terminal of its own. Ended by force if it still runs at the end.
class RunningProgram {
public:
    enum class On {
        kPipe,      // standard output is read here, standard input is empty, errors come through
        kTerminal,  // all three are a pseudo-terminal of 80 x 24
    };
    RunningProgram(On on, std::vector<std::string> arguments, Environment environment = {});
    ~RunningProgram();
    RunningProgram(const RunningProgram&) = delete;
    RunningProgram& operator=(const RunningProgram&) = delete;

    /// Types on the terminal.
    void type(const std::string& text) const;
    /// Reads until `text` appears in what no earlier call has returned; returns that up to the end of `text`. Throws
    /// after a minute, or if the program ends without it.
    std::string waitFor(const std::string& text);
    /// The same for the prompt "> " after `before`; then until what is typed is edited by the program: the prompt is
    /// shown a moment earlier, when Ctrl-C and Ctrl-D still mean something to the terminal.
    std::string waitForPrompt(const std::string& before = {});
    void signal(int number) const;
    /// Waits for the end: exit status, or minus the number of the signal that ended it. Throws after a minute.
    int wait();

private:
    bool readSome(int milliseconds);

    pid_t process_ = 0;
    int channel_ = -1;
    std::string unread_;
};

}  // namespace step3::test
