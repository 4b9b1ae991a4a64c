// Completions and token routes (spec openai-api section 7).

#include <catch2/catch.hpp>

#include "tests/serving/http/running_server.h"

using namespace step3;
using namespace step3::serving::http;
using namespace step3::serving::http::testing;

namespace {

const char* const kCompletions = "/v1/completions";

}  // namespace

TEST_CASE("a completion in one piece") {
    RunningServer running;
    const Json json = running.post(kCompletions, R"({"prompt":"abc"})").json();
    CHECK(json["id"].get<std::string>().substr(0, 5) == "cmpl-");
    CHECK(json["object"] == "text_completion");
    CHECK(json["choices"][0]["text"] == "Hello world");
    CHECK(json["choices"][0]["finish_reason"] == "stop");
    CHECK(json["choices"][0]["logprobs"].is_null());
    CHECK(json["usage"]["total_tokens"] == 7);
    CHECK(running.engine.call(0).request.rawPrompt == std::string("abc"));
    CHECK(running.engine.call(0).request.sampling.maxTokens == 16);
    running.post(kCompletions, R"({"prompt":[2,3],"max_tokens":4})");
    CHECK(running.engine.call(1).request.promptIds == std::vector<std::int32_t>{2, 3});
    CHECK(running.engine.call(1).request.sampling.maxTokens == 4);
}

TEST_CASE("several prompts, several choices: index is prompt times n plus choice") {
    RunningServer running;
    running.engine.setScript([](ScriptedEngine& engine, const ScriptedEngine::Call& call) {
        answer({*call.request.rawPrompt, std::to_string(call.id)})(engine, call);
    });
    const Json json = running.post(kCompletions, R"({"prompt":["a","b"],"n":2,"temperature":1,"echo":true})").json();
    REQUIRE(json["choices"].size() == 4);
    CHECK(json["choices"][0]["text"] == "aa1");
    CHECK(json["choices"][1]["text"] == "aa2");
    CHECK(json["choices"][3]["text"] == "bb4");
    CHECK(json["usage"]["prompt_tokens"] == 10);
    CHECK(json["usage"]["completion_tokens"] == 8);
    running.engine.setScript(answer({"x"}));
    CHECK(running.post(kCompletions, R"({"prompt":[[2],[3,4]]})").json()["choices"].size() == 2);
    CHECK(running.post(kCompletions, R"({"prompt":[2,3],"echo":true})").json()["choices"][0]["text"] == "abx");
}

TEST_CASE("log-probabilities of a completion are columns with offsets in characters") {
    RunningServer running;
    running.engine.setScript(answer({"\xC3\xA9", "b"}));
    const Json logprobs = running.post(kCompletions, R"({"prompt":"a","logprobs":1})").json()["choices"][0]["logprobs"];
    CHECK(logprobs["tokens"] == Json::parse("[\"é\",\"b\"]"));
    CHECK(logprobs["text_offset"] == Json::parse("[0,1]"));
    CHECK(logprobs["token_logprobs"] == Json::parse("[-0.5,-0.5]"));
    CHECK(logprobs["top_logprobs"][1] == Json::parse(R"({"b":-0.5,"f":-0.5})"));
}

TEST_CASE("an echo with log-probabilities holds those of the prompt") {
    RunningServer running;
    running.engine.setScript([](ScriptedEngine& engine, const ScriptedEngine::Call& call) {
        PrefillProgress progress{2, 2, {}, {}};
        progress.logprobs = {{2, "a", 0, {}, 0}, {3, "b", -1.0F, {{4, "c", -0.5F, {}, 0}}, 2}};
        engine.emit(call.id, progress);
        TextDelta delta{"d", {{5, "d", -2.0F, {}, 1}}, {}};
        engine.emit(call.id, delta);
        engine.emit(call.id, Finished{FinishReason::kStop, {}, {}, -1});
    });
    const std::string body = R"({"prompt":"ab","echo":true,"logprobs":1)";
    const Json choice = running.post(kCompletions, body + "}").json()["choices"][0];
    CHECK(choice["text"] == "abd");
    CHECK(choice["logprobs"]["tokens"] == Json::parse(R"(["a","b","d"])"));
    CHECK(choice["logprobs"]["token_logprobs"] == Json::parse("[null,-1.0,-2.0]"));
    CHECK(choice["logprobs"]["text_offset"] == Json::parse("[0,1,2]"));
    CHECK(running.engine.call(0).request.promptLogprobs == 1);
    const auto data = sseData(running.post(kCompletions, body + R"(,"stream":true})").body);
    const Json first = Json::parse(data[0])["choices"][0];
    CHECK(first["text"] == "ab");
    CHECK(first["logprobs"]["tokens"] == Json::parse(R"(["a","b"])"));
    CHECK(Json::parse(data[1])["choices"][0]["logprobs"]["text_offset"] == Json::parse("[2]"));
}

TEST_CASE("an echo without an answer scores the prompt") {
    RunningServer running;
    running.engine.setScript([](ScriptedEngine& engine, const ScriptedEngine::Call& call) {
        PrefillProgress progress{2, 2, {}, {}};
        progress.logprobs = {{2, "a", 0, {}, 0}, {3, "b", -1.0F, {{4, "c", -0.5F, {}, 0}}, 2}};
        engine.emit(call.id, progress);
        engine.emit(call.id, TextDelta{"d", {{5, "d", -2.0F, {}, 1}}, {}});
        engine.emit(call.id, Finished{FinishReason::kLength, {}, {}, -1});
    });
    const std::string body = R"({"prompt":"ab","echo":true,"max_tokens":0,"logprobs":1)";
    const Json choice = running.post(kCompletions, body + "}").json()["choices"][0];
    CHECK(choice["text"] == "ab");
    CHECK(choice["logprobs"]["tokens"] == Json::parse(R"(["a","b"])"));
    CHECK(choice["prompt_logprobs"].size() == 2);
    CHECK(choice["finish_reason"] == "length");
    CHECK(running.engine.call(0).request.sampling.maxTokens == 1);
    const auto data = sseData(running.post(kCompletions, body + R"(,"stream":true})").body);
    REQUIRE(data.size() == 3);
    CHECK(Json::parse(data[0])["choices"][0]["text"] == "ab");
    CHECK(Json::parse(data[1])["choices"][0]["text"] == "");
    CHECK(Json::parse(data[1])["choices"][0]["finish_reason"] == "length");
}

TEST_CASE("the first chunk of a completion tells the prompt's ids") {
    const RunningServer running;
    const auto data =
        sseData(running.post(kCompletions, R"({"prompt":"a","stream":true,"return_token_ids":true})").body);
    const Json whole = running.post(kCompletions, R"({"prompt":"a","return_token_ids":true})").json()["choices"][0];
    CHECK(Json::parse(data[0])["choices"][0]["prompt_token_ids"] == whole["prompt_token_ids"]);
    CHECK_FALSE(Json::parse(data[1])["choices"][0].contains("prompt_token_ids"));
}

TEST_CASE("a streamed completion") {
    RunningServer running;
    const auto data = sseData(
        running.post(kCompletions, R"({"prompt":"a","stream":true,"stream_options":{"include_usage":true}})").body);
    REQUIRE(data.size() == 5);
    CHECK(Json::parse(data[0])["object"] == "text_completion");
    CHECK(Json::parse(data[0])["choices"][0]["text"] == "Hello");
    CHECK(Json::parse(data[1])["choices"][0]["text"] == " world");
    CHECK(Json::parse(data[2])["choices"][0]["finish_reason"] == "stop");
    CHECK(Json::parse(data[3])["choices"] == Json::array());
    CHECK(Json::parse(data[3])["usage"]["completion_tokens"] == 2);
    CHECK(data[4] == "[DONE]");
}

TEST_CASE("texts to tokens and back") {
    const RunningServer running;
    const Json text = running.post("/tokenize", R"({"prompt":"ab c","return_token_strs":true})").json();
    CHECK(text ==
          Json::parse(R"({"count":5,"max_model_len":100,"tokens":[0,2,3,28,4],"token_strs":["<s>","a","b"," ","c"]})"));
    CHECK(running.post("/tokenize", R"({"prompt":"ab","add_special_tokens":false})").json()["tokens"] ==
          Json::parse("[2,3]"));
    CHECK(running.post("/tokenize", R"({"prompt":""})").json()["count"] == 0);
    CHECK(running.post("/tokenize", R"({"messages":[{"role":"user","content":"ba"}]})").json()["tokens"] ==
          Json::parse("[0,3,2]"));
    CHECK(running.post("/detokenize", R"({"tokens":[2,3,28,4]})").json() == Json::parse(R"({"prompt":"ab c"})"));
    CHECK(running.post("/detokenize", R"({"tokens":[]})").json()["prompt"] == "");
}
