#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace step3::test {

/// How a run of the `step3` command ended.
struct ProcessResult {
    int status = -1;  // exit status; -1 if it was killed
    std::string output;
    std::string errors;
};

/// Runs `step3 debug` with these arguments; `input` becomes its standard input. Files are kept in `folder`.
ProcessResult runDebugCommand(const std::vector<std::string>& arguments, const std::string& input,
                              const std::filesystem::path& folder);

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

}  // namespace step3::test
