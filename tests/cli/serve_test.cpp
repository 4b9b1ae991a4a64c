// `step3 serve` as a program: address, routes, keys, stopping.

#include <csignal>
#include <filesystem>
#include <fstream>
#include <sstream>

#include <catch2/catch.hpp>
#include <unistd.h>

#include "engine/json.h"
#include "tests/cli/http_client.h"
#include "tests/cli/program.h"

using namespace step3;
using namespace step3::test;

namespace {

constexpr auto kPipe = RunningProgram::On::kPipe;

std::string base64(const std::string& bytes) {
    constexpr char kAlphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    std::string text;
    for (std::size_t i = 0; i < bytes.size(); i += 3) {
        unsigned group = 0;
        for (std::size_t j = 0; j < 3; ++j) {
            group = group << 8U | (i + j < bytes.size() ? static_cast<unsigned char>(bytes[i + j]) : 0U);
        }
        for (std::size_t j = 0; j < 4; ++j) {
            text += i + j > bytes.size() ? '=' : kAlphabet[group >> (18 - 6 * j) & 63U];
        }
    }
    return text;
}

/// A question about a golden picture.
Json pictureQuestion() {
    const std::string picture = base64(readFile(STEP3_TEST_DATA "/golden/images/a_64x48.png"));
    return {{"model", "step3-mini"},
            {"messages",
             {{{"role", "user"},
               {"content",
                {{{"type", "image_url"}, {"image_url", {{"url", "data:image/png;base64," + picture}}}},
                 {{"type", "text"}, {"text", "What is it?"}}}}}}}};
}

struct Server {
    explicit Server(const std::vector<std::string>& more = {}, const Environment& environment = {})
        : program(kPipe, arguments(more), environment), port(portIn(program.waitFor("\n"))) {}
    static std::vector<std::string> arguments(const std::vector<std::string>& more) {
        std::vector<std::string> all{"serve", "--port", "0"};
        all.insert(all.end(), more.begin(), more.end());
        return all;
    }
    RunningProgram program;
    int port;
};

int statusOf(const Server& server, const std::string& headers) {
    return httpRequest(server.port, "GET", "/v1/models", headers).status;
}

}  // namespace

TEST_CASE("serve answers with the shipped model and stops on a signal") {
    Server server;
    CHECK(httpRequest(server.port, "GET", "/health").status == 200);
    const auto models = httpRequest(server.port, "GET", "/v1/models");
    CHECK(models.status == 200);
    CHECK(Json::parse(models.body)["data"][0]["id"] == "step3-mini");

    Json question = pictureQuestion();
    const auto whole = httpRequest(server.port, "POST", "/v1/chat/completions", "", question.dump());
    REQUIRE(whole.status == 200);
    const Json answer = Json::parse(whole.body);
    const std::string text = answer["choices"][0]["message"]["content"];
    CHECK_FALSE(text.empty());
    CHECK(answer["usage"]["completion_tokens"].get<int>() > 1);

    // The same answer as on the command line, and in pieces.
    const auto chat =
        runProgram({"chat", "--image", STEP3_TEST_DATA "/golden/images/a_64x48.png", "--prompt", "What is it?"});
    CHECK(chat.output == text + "\n");
    question["stream"] = true;
    const auto stream = httpRequest(server.port, "POST", "/v1/chat/completions", "", question.dump());
    CHECK(stream.status == 200);
    CHECK_THAT(stream.headers.at("content-type"), Catch::StartsWith("text/event-stream"));
    CHECK_THAT(stream.body, Catch::EndsWith("data: [DONE]\n\n"));
    std::string pieces;
    for (std::size_t at = stream.body.find("data: {"); at != std::string::npos;
         at = stream.body.find("data: {", at + 1)) {
        const Json event = Json::parse(stream.body.substr(at + 6, stream.body.find('\n', at) - at - 6));
        const Json& delta = event["choices"][0]["delta"];
        if (delta.contains("content") && delta["content"].is_string()) pieces += delta["content"].get<std::string>();
    }
    CHECK(pieces == text);

    server.program.signal(SIGTERM);
    CHECK_THAT(server.program.waitFor("Stopped\n"), Catch::EndsWith("Stopped\n"));
    CHECK(server.program.wait() == 0);
}

TEST_CASE("serve stops on Ctrl-C") {
    Server server;
    server.program.signal(SIGINT);
    CHECK(server.program.wait() == 0);
}

TEST_CASE("serve asks for a key from the environment or a file") {
    const TemporaryFolder folder;
    const auto file = folder.path() / "keys";
    writeFile(file, "# who may\nalpha\n\nbeta\r\n");
    std::filesystem::permissions(file, std::filesystem::perms::owner_read);
    const Server one({}, {{"STEP3_API_KEY", "alpha"}});
    const Server two({"--api-key-file", file.string()}, {{"STEP3_API_KEY", "gamma"}});
    for (const Server* server : {&one, &two}) {
        CHECK(statusOf(*server, "") == 401);
        CHECK(statusOf(*server, "Authorization: Bearer gamma\r\n") == 401);
        CHECK(statusOf(*server, "Authorization: Bearer alpha\r\n") == 200);
        CHECK(httpRequest(server->port, "GET", "/health").status == 200);
    }
    CHECK(statusOf(two, "Authorization: Bearer beta\r\n") == 200);
    const Server open({"--no-api-key"}, {{"STEP3_API_KEY", "alpha"}});
    CHECK(statusOf(open, "") == 200);
}

TEST_CASE("serve reads its options from a file, too") {
    const auto file = std::filesystem::temp_directory_path() / ("step3-serve-" + std::to_string(::getpid()) + ".toml");
    std::ofstream(file) << "# a comment\nname = \"my-model\"\nport = 1\nallowed_origin = [\"https://a.example\", "
                           "\"https://b.example\"]\nlog-prompts = false\n";
    {
        const Server server({"--config", file.string()});  // --port 0 goes before the file's
        CHECK(httpRequest(server.port, "GET", "/v1/models/my-model").status == 200);
    }
    const auto refused = [&](const std::string& text) {
        std::ofstream(file) << text;
        const auto result = runProgram({"serve", "--config", file.string()});
        CHECK(result.status != 0);
        return result.errors;
    };
    CHECK(refused("colour = 3\n") == "step3 serve: " + file.string() + ": colour: there is no such setting\n");
    CHECK_THAT(refused("port = 70000\n"), Catch::Contains("port") && Catch::Contains("expected a whole number"));
    CHECK_THAT(refused("log-prompts = maybe\n"), Catch::Contains("log-prompts: expected true or false"));
    CHECK_THAT(refused("[server]\nport = 1\n"), Catch::Contains(": [server]: there are no sections"));
    CHECK_THAT(refused("port = 1\nport = 2\n"), Catch::Contains(": port: expected one value, found 2"));
    CHECK_THAT(refused("api-key = \"a\"\napi-key-file = \"b\"\n"), Catch::Contains("exclude each other"));
    std::filesystem::remove(file);
    CHECK_THAT(runProgram({"serve", "--config", file.string()}).errors, Catch::Contains("cannot be read"));
}

TEST_CASE("every option of serve can stand in the file") {
    const TemporaryFolder folder;
    const auto file = folder.path() / "serve.toml";
    std::istringstream help(runProgram({"serve", "--help"}).output);
    int options = 0;
    for (std::string line; std::getline(help, line);) {
        if (!line.starts_with("  --")) continue;
        const std::string name = line.substr(4, line.find(' ', 4) - 4);
        if (name == "config") continue;
        ++options;
        writeFile(file, name + " = \n");  // found, then refused for its value
        const auto result = runProgram({"serve", "--config", file.string(), "--model", "/none"});
        INFO(name);
        CHECK(result.status != 0);
        CHECK(result.errors.find("no such setting") == std::string::npos);
    }
    CHECK(options > 30);
}

TEST_CASE("serve says where a second one cannot listen") {
    const Server server;
    const std::string port = std::to_string(server.port);
    const auto second = runProgram({"serve", "--port", port});
    CHECK(second.status == 1);
    CHECK(second.output.empty());
    CHECK(second.errors == "step3 serve: cannot listen on 127.0.0.1, port " + port + ": Address already in use\n");
}
