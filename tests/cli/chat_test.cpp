// `step3 chat` on pipes: one question, one answer.

#include <csignal>

#include <catch2/catch.hpp>

#include "engine/json.h"
#include "tests/cli/program.h"

using namespace step3;
using namespace step3::test;

namespace {

const std::string kGolden = STEP3_TEST_DATA "/golden";
const std::string kPicture = kGolden + "/images/a_64x48.png";

std::string output(const std::vector<std::string>& arguments, const std::string& input = {}) {
    const auto result = runProgram(arguments, input);
    INFO(result.errors);
    REQUIRE(result.status == 0);
    CHECK(result.errors.empty());
    return result.output;
}

Json outputJson(std::vector<std::string> arguments, const std::string& input = {}) {
    arguments.push_back("--json");
    const std::string text = output(arguments, input);
    CHECK(std::count(text.begin(), text.end(), '\n') == 1);
    return Json::parse(text);
}

/// Random weights: long answers that nobody understands.
std::vector<std::string> tinyChat(const std::vector<std::string>& more) {
    std::vector<std::string> arguments{"chat", "--model", kGolden + "/tiny-bf16"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return arguments;
}

}  // namespace

TEST_CASE("chat answers one question with the shipped model") {
    const std::vector<std::string> question{"chat", "--image", kPicture, "--prompt", "What is it?"};
    const std::string text = output(question);
    const Json json = outputJson(question);
    CHECK(text == json["text"].get<std::string>() + "\n");
    CHECK(json["model"] == "step3-mini");
    CHECK_FALSE(json["text"].get<std::string>().empty());
    CHECK(json["reasoning"].is_string());
    CHECK(json["finish_reason"] == "stop");
    const Json& usage = json["usage"];
    CHECK(usage["image_tokens"].get<int>() > 0);
    CHECK(usage["prompt_tokens"].get<int>() > usage["image_tokens"].get<int>());
    CHECK(usage["completion_tokens"].get<int>() > usage["reasoning_tokens"].get<int>());
    CHECK(usage["ttft_s"].get<double>() > 0);
    CHECK(usage["tpot_s"].get<double>() > 0);
}

TEST_CASE("chat takes the question from standard input") {
    const std::string asked = output({"chat", "--prompt", "What can you do?"});
    CHECK(output({"chat"}, "What can you do?\n") == asked);
    CHECK(output({"chat"}, "What can you do?\r\n\n") == asked);
}

TEST_CASE("chat takes several pictures") {
    const std::string other = kGolden + "/images/c_300x120.png";
    const Json one = outputJson({"chat", "--image", kPicture, "--prompt", "Same?"});
    const Json two = outputJson({"chat", "--image", kPicture, "--image", other, "--prompt", "Same?"});
    CHECK(two["usage"]["image_tokens"].get<int>() > one["usage"]["image_tokens"].get<int>());
}

TEST_CASE("chat ends after --max-tokens") {
    const Json json = outputJson(tinyChat({"--prompt", "Hi", "--no-think", "--max-tokens", "5"}));
    CHECK(json["finish_reason"] == "length");
    CHECK(json["usage"]["completion_tokens"] == 5);
    CHECK(json["usage"]["reasoning_tokens"] == 0);
    CHECK(json["reasoning"] == "");
}

TEST_CASE("chat keeps reasoning off a pipe") {
    const auto question = tinyChat({"--prompt", "Hi", "--max-tokens", "8"});
    const Json json = outputJson(question);
    REQUIRE(json["usage"]["reasoning_tokens"] == 8);
    CHECK_FALSE(json["reasoning"].get<std::string>().empty());
    CHECK(json["text"] == "");
    CHECK(output(question).empty());
}

TEST_CASE("chat draws the same answer from the same seed") {
    const auto ask = [](const std::string& seed) {
        return outputJson(tinyChat(
            {"--prompt", "Hi", "--no-think", "--max-tokens", "24", "--temperature", "1.5", "--seed", seed}))["text"];
    };
    CHECK(ask("7") == ask("7"));
    CHECK(ask("7") != ask("8"));
}

TEST_CASE("chat passes any Unicode") {
    const Json json =
        outputJson({"chat"}, "\xF0\x9F\xA6\x8A \xE4\xBD\xA0\xE5\xA5\xBD e\xCC\x81 \xD7\xA9\xD7\x9C\xD7\x95\xD7\x9D");
    CHECK(json["finish_reason"] == "stop");
}

TEST_CASE("Ctrl-C ends a single answer") {
    const Environment slow{{"STEP3_ISA", "scalar"}};
    RunningProgram program(RunningProgram::On::kPipe, tinyChat({"--prompt", "Hi", "--no-think"}), slow);
    // A first character of the answer, whatever it is, shows that it is under way.
    program.waitFor("e");
    program.signal(SIGINT);
    CHECK(program.wait() == 130);
}
