// What the command says to those who call it wrongly, and its help.

#include <sstream>

#include <catch2/catch.hpp>

#include "tests/cli/program.h"

using namespace step3::test;

namespace {

const std::string kGolden = STEP3_TEST_DATA "/golden";
const std::string kTiny = kGolden + "/tiny-bf16";

}  // namespace

TEST_CASE("wrong calls end with one clear sentence") {
    const TemporaryFolder folder;
    const std::string here = folder.path().string();
    writeFile(folder.path() / "words.png", "just words");
    writeFile(folder.path() / "keys", "# none\n\n");
    std::filesystem::permissions(folder.path() / "keys", std::filesystem::perms::owner_read);
    struct Case {
        std::vector<std::string> arguments;
        int status;
        std::string errors;
        std::string input = {};
    };
    const std::string see = " (see 'step3 --help')\n";
    const std::string seeChat = " (see 'step3 chat --help')\n";
    const std::string seeServe = " (see 'step3 serve --help')\n";
    const std::string seeBench = " (see 'step3 bench --help')\n";
    const std::string seeInspect = " (see 'step3 inspect --help')\n";
    const std::string commands = "; the commands are chat, inspect, serve, quantize, eval, bench, debug";
    const Case cases[] = {
        {{"frobnicate"}, 2, "step3: unknown command frobnicate" + commands + see},
        {{"--frobnicate"}, 2, "step3: unknown option --frobnicate" + commands + see},
        {{"chat", "--frobnicate"}, 2, "step3 chat: unknown option --frobnicate" + seeChat},
        {{"chat", "What?"}, 2, "step3 chat: unexpected argument What?" + seeChat},
        {{"chat", "--prompt"}, 2, "step3 chat: --prompt needs a value" + seeChat},
        {{"serve", "--port", "1", "--port", "2"}, 2, "step3 serve: --port takes one value" + seeServe},
        {{"chat"}, 2, "step3 chat: expected a question from --prompt or standard input, found none" + seeChat},
        {{"chat", "--prompt", "x", "--max-tokens", "-5"},
         2,
         "step3 chat: --max-tokens: expected a whole number, from 1 to 2147483647, found \"-5\"" + seeChat},
        {{"chat", "--prompt", "x", "--temperature", "warm"},
         2,
         "step3 chat: --temperature: expected a number from 0 to 2, found \"warm\"" + seeChat},
        {{"chat", "--prompt", "x", "--temperature", "nan"},
         2,
         "step3 chat: --temperature: expected a number from 0 to 2, found \"nan\"" + seeChat},
        {{"chat", "--prompt", "x", "--seed", "-1"},
         2,
         "step3 chat: --seed: expected a whole number, 0 or more, found \"-1\"" + seeChat},
        {{"chat", "--prompt", "x", "--draft", "luck"},
         2,
         "step3 chat: --draft: expected one of auto, mtp, prompt-lookup, off, found \"luck\"" + seeChat},
        {{"serve", "--draft-tokens", "17"},
         2,
         "step3 serve: --draft-tokens: expected a whole number, from 1 to 16, found \"17\"" + seeServe},
        {{"chat", "--prompt", "x", "--quant", "int3"},
         2,
         "step3 chat: --quant: expected one of bf16, fp8, int8, int4, mixed, found \"int3\"" + seeChat},
        {{"chat", "--prompt", "x", "--kv-memory", "12X"},
         2,
         "step3 chat: --kv-memory: expected a size such as 512M or 8G, found \"12X\"" + seeChat},
        {{"serve", "--kv-memory", "0"},
         2,
         "step3 serve: --kv-memory: expected a size such as 512M or 8G, found \"0\"" + seeServe},
        {{"bench", "--model", kTiny, "--tg", "1", "--kv-memory", "0.5K"},
         1,
         "step3 bench: the KV memory has 512 bytes, but one page of 64 tokens takes 98304\n"},
        {{"chat", "--prompt", "x", "--model", "/no/such"},
         1,
         "step3 chat: /no/such: no such folder; --model takes the folder that holds config.json and the safetensors "
         "files\n"},
        {{"chat", "--prompt", "x", "--model", kTiny + "/config.json"},
         1,
         "step3 chat: " + kTiny +
             "/config.json: not a folder; --model takes the folder that holds config.json and the safetensors files\n"},
        {{"chat", "--prompt", "x", "--image", here + "/words.png"},
         1,
         "step3 chat: " + here +
             "/words.png: expected a PNG, JPEG, WebP, GIF or BMP picture, found 10 bytes of text\n"},
        {{"chat", "--prompt", "x", "--image", here + "/none.png"},
         1,
         "step3 chat: " + here + "/none.png: expected a picture file, found no such file\n"},
        {{"chat"}, 1, "step3 chat: the question is not valid UTF-8; save it as UTF-8 and ask again\n", "a\xFF"},
        {{"inspect", "--model", "/no\nsuch"},
         1,
         "step3 inspect: /no such: no such folder; --model takes the folder that holds config.json and the safetensors "
         "files\n"},
        {{"inspect", "--kernels", "all"}, 2, "step3 inspect: unexpected argument all" + seeInspect},
        {{"serve", "--port", "65536"},
         2,
         "step3 serve: --port: expected a whole number, from 0 to 65535, found \"65536\"" + seeServe},
        {{"serve", "--host", "0.0.0.0"},
         2,
         "step3 serve: --host 0.0.0.0 can be reached from other machines and there is no API key; set STEP3_API_KEY or "
         "--api-key-file, or let everybody in with --no-api-key" +
             seeServe},
        {{"serve", "--api-key-file", here + "/keys"},
         1,
         "step3 serve: " + here + "/keys: expected one key a line, found none\n"},
        {{"serve", "--api-key-file", here + "/none"},
         1,
         "step3 serve: " + here + "/none: cannot be read; --api-key-file takes a file with one key a line\n"},
        {{"serve", "--port", "0", "--api-key", "two words"},
         1,
         "step3 serve: warning: a key on the command line is visible in the process list; use STEP3_API_KEY or "
         "--api-key-file\nstep3 serve: API key: expected printable ASCII without spaces\n"},
        {{"bench", "--batch", "0"},
         2,
         "step3 bench: --batch: expected a whole number, from 1 to 4096, found \"0\"" + seeBench},
        {{"bench", "--layer", "real", "--model", kTiny},
         2,
         "step3 bench: --layer needs no --model: its weights are arbitrary" + seeBench},
        {{"bench", "--load", "fast"},
         2,
         "step3 bench: --load: expected one of auto, read, offload, mmap, found \"fast\"" + seeBench},
        {{"bench", "--expert-memory", "much"},
         2,
         "step3 bench: --expert-memory: expected a size such as 512M or 8G, found \"much\"" + seeBench},
    };
    for (const Case& item : cases) {
        std::string call;
        for (const std::string& argument : item.arguments) call += " " + argument;
        INFO(call);
        const auto result = runProgram(item.arguments, item.input);
        CHECK(result.status == item.status);
        CHECK(result.errors == item.errors);
        CHECK(result.output.empty());
    }
}

TEST_CASE("the shipped model is missing") {
    const auto result = runProgram({"chat", "--prompt", "x"}, {}, {{"STEP3_MODEL", "/no/such"}});
    CHECK(result.status == 1);
    CHECK_THAT(result.errors, Catch::StartsWith("step3 chat: /no/such"));
}

TEST_CASE("help and version go to standard output") {
    const auto version = runProgram({"--version"});
    CHECK(version.status == 0);
    CHECK_THAT(version.output, Catch::StartsWith("step3 "));
    CHECK(version.errors.empty());
    const auto help = runProgram({"--help"});
    CHECK(help.status == 0);
    for (const char* command : {"chat", "inspect", "serve", "quantize", "eval", "bench", "debug"}) {
        CHECK_THAT(help.output, Catch::Contains(std::string("\n  ") + command + " "));
        const auto own = runProgram({command, "--help"});
        CHECK(own.status == 0);
        CHECK(own.errors.empty());
        CHECK_THAT(own.output, Catch::Contains("--model"));
        if (std::string(command) == "debug") continue;  // has rules of its own
        std::istringstream lines(own.output);
        for (std::string line; std::getline(lines, line);) {
            INFO(line);
            CHECK(line.size() <= 100);
        }
    }
    const auto nothing = runProgram({});
    CHECK(nothing.status == 2);
    CHECK(nothing.output.empty());
    CHECK(nothing.errors == help.output);
}

TEST_CASE("bench prints the fields of its contract") {
    for (const std::vector<std::string>& run :
         {std::vector<std::string>{"--pp", "32"}, {"--tg", "4", "--batch", "2"}}) {
        std::vector<std::string> arguments{"bench", "--json", "--threads", "1", "--model", kTiny};
        arguments.insert(arguments.end(), run.begin(), run.end());
        const auto result = runProgram(arguments);
        INFO(result.errors);
        REQUIRE(result.status == 0);
        for (const char* field : {"tokens_per_s", "tokens_per_s_cpu", "wall_s", "cpu_s", "load_s", "first_token_s",
                                  "rss_mib", "isa", "threads", "roofline_fraction"}) {
            CHECK_THAT(result.output, Catch::Contains(std::string("\"") + field + "\":"));
        }
    }
    const auto image = runProgram({"bench", "--image", "--json", "--pp", "0"});
    REQUIRE(image.status == 0);
    CHECK_THAT(image.output, Catch::Contains("\"image_first_token_s\":") && Catch::Contains("\"image_tokens\":"));
}
