// `step3 chat` on a terminal: a conversation with line editing.

#include <filesystem>

#include <catch2/catch.hpp>

#include "app/cli/interactive_chat.h"
#include "app/cli/terminal.h"
#include "tests/cli/program.h"

using namespace step3;
using namespace step3::test;

namespace {

namespace fs = std::filesystem;

const std::string kGolden = STEP3_TEST_DATA "/golden";
const std::string kPicture = kGolden + "/images/a_64x48.png";
constexpr auto kTerminal = RunningProgram::On::kTerminal;

/// What a single question is answered on a pipe.
std::string answerTo(const std::string& question, const std::vector<std::string>& more = {}) {
    std::vector<std::string> arguments{"chat", "--prompt", question};
    arguments.insert(arguments.end(), more.begin(), more.end());
    const auto result = runProgram(arguments);
    REQUIRE(result.status == 0);
    return result.output.substr(0, result.output.find('\n'));
}

std::string permissions(const fs::path& path) {
    char text[8];
    std::snprintf(text, sizeof text, "%o", static_cast<unsigned>(fs::status(path).permissions()));
    return text;
}

}  // namespace

TEST_CASE("a conversation about a picture") {
    const std::string about = answerTo("What is it?", {"--image", kPicture});
    const std::string without = answerTo("What is it?");
    REQUIRE(about != without);
    RunningProgram program(kTerminal, {"chat"});
    program.waitForPrompt("/help lists the commands\r\n");
    program.type("/image \"" + kPicture + "\"\n");
    program.waitForPrompt("(picture of 64 x 48 pixels; now ask about it)\r\n");
    program.type("What is it?\n");
    const std::string shown = program.waitForPrompt(about + "\r\n");
    CHECK_THAT(shown, Catch::Contains("\033[2m"));  // the reasoning
    CHECK(shown.find("\033[2m") < shown.find("\033[0m"));
    program.type("/clear\n");
    program.waitForPrompt("(a new conversation)\r\n");
    program.type("What is it?\n");
    program.waitForPrompt(without + "\r\n");
    program.type("/quit\n");
    CHECK(program.wait() == 0);
}

TEST_CASE("commands on a terminal") {
    RunningProgram program(kTerminal, {"chat"});
    program.waitForPrompt();
    program.type("/help\n");
    program.waitFor("Ctrl-C stops an answer");
    program.waitForPrompt();
    program.type("/image\n");
    program.waitForPrompt("/image needs a file: /image picture.png\r\n");
    program.type("/image /no/such.png\n");
    program.waitForPrompt("/no/such.png: expected a picture file, found no such file\r\n");
    program.type("/what\n");
    program.waitForPrompt("unknown command /what; /help lists them\r\n");
    program.type("\004");  // Ctrl-D
    CHECK(program.wait() == 0);
}

TEST_CASE("Ctrl-C at the prompt clears the line") {
    RunningProgram program(kTerminal, {"chat"});
    program.waitForPrompt();
    program.type("/quit and more\002\002");  // Ctrl-B: the cursor goes back
    program.waitFor("more");
    program.type("\003");
    program.waitForPrompt("\r\n");
    program.type("/what\n");  // what was typed before is gone
    program.waitForPrompt("unknown command /what; /help lists them\r\n");
    program.type("\004");
    CHECK(program.wait() == 0);
}

TEST_CASE("Ctrl-C stops an answer, not the program") {
    const Environment slow{{"STEP3_ISA", "scalar"}};
    RunningProgram program(kTerminal, {"chat", "--model", kGolden + "/tiny-bf16", "--no-think"}, slow);
    program.waitForPrompt();
    program.type("Hi\n");  // random weights answer this with thousands of tokens
    program.waitFor("Hi\r\n");
    program.waitFor("e");
    program.type("\003");
    program.waitFor("(stopped)\r\n");
    program.waitForPrompt();
    program.type("/what\n");
    program.waitForPrompt("unknown command /what; /help lists them\r\n");
    program.type("\004");
    CHECK(program.wait() == 0);
}

TEST_CASE("wide characters are edited as characters") {
    const TemporaryFolder state;
    const Environment environment{{"XDG_STATE_HOME", state.path().string()}, {"LC_ALL", "C"}};
    RunningProgram program(kTerminal, {"chat"}, environment);
    program.waitForPrompt();
    program.type("/\xE4\xBD\xA0\xF0\x9F\xA6\x8A\x7F\xE5\xA5\xBD\n");  // the fox is taken back
    program.waitForPrompt("unknown command /\xE4\xBD\xA0\xE5\xA5\xBD; /help lists them\r\n");
    program.type("\004");
    CHECK(program.wait() == 0);
}

TEST_CASE("typed lines are kept for this user only") {
    const TemporaryFolder state;
    const Environment environment{{"XDG_STATE_HOME", state.path().string()}, {"STEP3_API_KEY", "very-secret"}};
    {
        RunningProgram program(kTerminal, {"chat"}, environment);
        program.waitForPrompt();
        program.type("/first\n");
        program.waitForPrompt("unknown command /first; /help lists them\r\n");
        program.type("\004");
        CHECK(program.wait() == 0);
    }
    const fs::path folder = state.path() / "step3-desktop";
    CHECK(permissions(folder) == "700");
    CHECK(permissions(folder / "chat_history") == "600");
    const std::string kept = readFile(folder / "chat_history");
    CHECK_THAT(kept, Catch::Contains("/first"));
    CHECK_THAT(kept, !Catch::Contains("secret"));
    RunningProgram program(kTerminal, {"chat"}, environment);
    program.waitForPrompt();
    program.type("\020\n");  // Ctrl-P: the line before
    program.waitForPrompt("unknown command /first; /help lists them\r\n");
    program.type("\004");
    CHECK(program.wait() == 0);
}

TEST_CASE("control characters do not reach the terminal") {
    CHECK(cli::withoutControls("a\tb\nc") == "a\tb\nc");
    CHECK(cli::withoutControls("\033[2J\033]0;title\007x\r\x7F") == "[2J]0;titlex");
    CHECK(cli::withoutControls("a\xC2\x9B 2J\xC2\xA0z") == "a 2J\xC2\xA0z");  // U+009B goes, U+00A0 stays
    CHECK(cli::withoutControls("\xE4\xBD\xA0\xF0\x9F\xA6\x8A") == "\xE4\xBD\xA0\xF0\x9F\xA6\x8A");
    CHECK(cli::withoutControls("\xC2") == "\xC2");
}

TEST_CASE("a path as it is pasted into a terminal") {
    CHECK(cli::typedPath("plain.png") == "plain.png");
    CHECK(cli::typedPath("'/a b/c.png'") == "/a b/c.png");
    CHECK(cli::typedPath("\"/a b/it's.png\"") == "/a b/it's.png");
    CHECK(cli::typedPath("/a\\ b/\\(1\\).png") == "/a b/(1).png");
    CHECK(cli::typedPath("'/a\\b.png'") == "/a\\b.png");
    ::setenv("HOME", "/home/somebody", 1);
    CHECK(cli::typedPath("~/x.png") == "/home/somebody/x.png");
    CHECK(cli::typedPath("a~/x.png") == "a~/x.png");
}
