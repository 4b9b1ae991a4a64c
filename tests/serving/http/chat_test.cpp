// Chat answers: in one piece and streamed (spec openai-api sections 4 and 5).

#include <catch2/catch.hpp>

#include "tests/serving/http/running_server.h"

using namespace step3;
using namespace step3::serving::http;
using namespace step3::serving::http::testing;

namespace {

std::string chat(const std::string& fields) {
    return R"({"messages":[{"role":"user","content":"hi"}],)" + fields + "}";
}

Usage usage(std::int32_t prompt, std::int32_t completion, std::int32_t reasoning = 0) {
    Usage value;
    value.promptTokens = prompt;
    value.completionTokens = completion;
    value.reasoningTokens = reasoning;
    return value;
}

/// The chunks of a stream as JSON, after checking that it ends with [DONE].
std::vector<Json> chunksOf(const Response& response) {
    CHECK(response.status == 200);
    CHECK(response.header("content-type") == "text/event-stream; charset=utf-8");
    auto data = sseData(response.body);
    REQUIRE_FALSE(data.empty());
    CHECK(data.back() == "[DONE]");
    data.pop_back();
    std::vector<Json> chunks;
    for (const std::string& line : data) chunks.push_back(Json::parse(line));
    return chunks;
}

}  // namespace

TEST_CASE("an answer in one piece has the form of the API") {
    const RunningServer running;
    const Response response = running.post(kChat, kHello, "X-Request-Id: mine-1\r\n");
    CHECK(response.status == 200);
    CHECK(response.header("x-request-id") == "mine-1");
    const Json json = response.json();
    CHECK(json["id"] == "chatcmpl-mine-1");
    CHECK(json["object"] == "chat.completion");
    CHECK(json["model"] == "scripted");
    CHECK(json["created"].get<std::int64_t>() > 1'700'000'000);
    const Json& choice = json["choices"][0];
    CHECK(choice["index"] == 0);
    CHECK(choice["finish_reason"] == "stop");
    CHECK(choice["stop_reason"].is_null());
    CHECK(choice["logprobs"].is_null());
    CHECK(choice["message"]["role"] == "assistant");
    CHECK(choice["message"]["content"] == "Hello world");
    CHECK(choice["message"]["reasoning"].is_null());
    CHECK_FALSE(choice["message"].contains("tool_calls"));
    CHECK(json["usage"] == Json::parse(R"({"prompt_tokens":5,"total_tokens":7,"completion_tokens":2,
        "prompt_tokens_details":{"cached_tokens":0},"completion_tokens_details":{"reasoning_tokens":0}})"));
    for (const char* field : {"service_tier", "prompt_logprobs", "prompt_token_ids", "kv_transfer_params"}) {
        CHECK(json.at(field).is_null());
    }
}

TEST_CASE("a stream: role, deltas, finish, usage if asked for, [DONE]") {
    const RunningServer running;
    const auto chunks = chunksOf(running.post(kChat, kHelloStream));
    REQUIRE(chunks.size() == 4);
    CHECK(chunks[0]["choices"][0]["delta"] == Json::parse(R"({"role":"assistant","content":""})"));
    CHECK(chunks[1]["choices"][0]["delta"] == Json::parse(R"({"content":"Hello"})"));
    CHECK(chunks[2]["choices"][0]["delta"] == Json::parse(R"({"content":" world"})"));
    CHECK(chunks[3]["choices"][0]["delta"] == Json::object());
    CHECK(chunks[3]["choices"][0]["finish_reason"] == "stop");
    for (const Json& chunk : chunks) {
        CHECK(chunk["id"] == chunks[0]["id"]);
        CHECK(chunk["created"] == chunks[0]["created"]);
        CHECK(chunk["object"] == "chat.completion.chunk");
        CHECK(chunk["model"] == "scripted");
        CHECK_FALSE(chunk.contains("usage"));
    }
    const auto counted =
        chunksOf(running.post(kChat, chat(R"("stream":true,"stream_options":{"include_usage":true})")));
    REQUIRE(counted.size() == 5);
    CHECK(counted[4]["choices"] == Json::array());
    CHECK(counted[4]["usage"]["total_tokens"] == 7);
    const auto running2 = chunksOf(running.post(
        kChat, chat(R"("stream":true,"stream_options":{"include_usage":true,"continuous_usage_stats":true})")));
    REQUIRE(running2.size() == 5);
    for (std::size_t i = 0; i < 4; ++i) {
        CHECK(running2[i]["usage"]["completion_tokens"] == std::min<std::size_t>(i, 2));
        CHECK(running2[i]["usage"]["prompt_tokens"] == 5);
    }
}

TEST_CASE("reasoning comes before the answer and can be left out") {
    RunningServer running;
    running.engine.setScript([](ScriptedEngine& engine, const ScriptedEngine::Call& call) {
        engine.emit(call.id, PrefillProgress{5, 5, {}, {}});
        engine.emit(call.id, ReasoningDelta{"Let me see.", {}, {}});
        engine.emit(call.id, TextDelta{"42", {}, {}});
        engine.emit(call.id, Finished{FinishReason::kStop, {}, usage(5, 4, 3), -1});
    });
    const Json message = running.post(kChat, kHello).json()["choices"][0]["message"];
    CHECK(message["reasoning"] == "Let me see.");
    CHECK(message["content"] == "42");
    const auto chunks = chunksOf(running.post(kChat, kHelloStream));
    REQUIRE(chunks.size() == 4);
    CHECK(chunks[1]["choices"][0]["delta"] == Json::parse(R"({"reasoning":"Let me see."})"));
    CHECK(chunks[2]["choices"][0]["delta"] == Json::parse(R"({"content":"42"})"));
    const Json without = running.post(kChat, chat(R"("include_reasoning":false)")).json();
    CHECK(without["choices"][0]["message"]["reasoning"].is_null());
    CHECK(without["usage"]["completion_tokens_details"]["reasoning_tokens"] == 3);
    CHECK(chunksOf(running.post(kChat, chat(R"("include_reasoning":false,"stream":true)"))).size() == 3);
    const Json hidden =
        running.post(kChat, chat(R"("include_reasoning":false,"logprobs":true,"return_token_ids":true)")).json();
    CHECK(hidden["choices"][0]["logprobs"].is_null());
    CHECK(hidden["choices"][0]["token_ids"].is_null());
}

TEST_CASE("the last chunk of a stream names the build") {
    const RunningServer running;
    const auto plain = chunksOf(running.post(kChat, kHelloStream));
    CHECK(plain.back()["system_fingerprint"].is_string());
    CHECK_FALSE(plain[1].contains("system_fingerprint"));
    const auto counted =
        chunksOf(running.post(kChat, chat(R"("stream":true,"stream_options":{"include_usage":true})")));
    CHECK(counted.back()["system_fingerprint"] == plain.back()["system_fingerprint"]);
    CHECK_FALSE(counted[counted.size() - 2].contains("system_fingerprint"));
}

TEST_CASE("an answer has the id that its client chose: in the header, else in the body") {
    const RunningServer running;
    const std::string named = chat(R"("request_id":"body-1")");
    CHECK(running.post(kChat, named).json()["id"] == "chatcmpl-body-1");
    CHECK(running.post(kChat, named, "X-Request-Id: head-1\r\n").json()["id"] == "chatcmpl-head-1");
    CHECK(running.post("/v1/completions", R"({"prompt":"a","request_id":"body-1"})").json()["id"] == "cmpl-body-1");
    CHECK(running.post(kChat, kHello).json()["id"].get<std::string>().size() == 9 + 32);
    const std::string quoted = R"(chatcmpl-"x"\)";
    CHECK(running.post(kChat, kHello, "X-Request-Id: \"x\"\\\r\n").json()["id"] == quoted);
    const auto streamed = chunksOf(running.post(kChat, kHelloStream, "X-Request-Id: \"x\"\\\r\n"));
    CHECK(streamed[0]["id"] == quoted);
    // Nothing that would break a line of a log.
    CHECK(running.post(kChat, chat(R"("request_id":"a b")")).json()["id"].get<std::string>().size() == 9 + 32);
}

TEST_CASE("what may be left out or is no value") {
    RunningServer running;
    CHECK(running.post(kChat, chat(R"("stream_options":{},"seed":-1)")).status == 200);
    CHECK_FALSE(running.engine.call(0).request.sampling.seed);
    CHECK(running.post(kChat, chat(R"("tools":[{"function":{"name":"f"}}],"tool_choice":{"function":{"name":"f"}})"))
              .status == 200);
    CHECK(running.engine.call(1).request.toolsJson == R"([{"function":{"name":"f"},"type":"function"}])");
    CHECK(running.engine.call(1).request.toolChoice.name == "f");
    CHECK_FALSE(running.engine.call(1).request.toolChoice.parallel);
    std::string salt;
    for (int i = 0; i < 128; ++i) salt += "\xC3\xA9";
    CHECK(running.post(kChat, chat("\"cache_salt\":\"" + salt + "\"")).status == 200);
}

TEST_CASE("a call that was asked for by name ends the answer with stop") {
    RunningServer running;
    running.engine.setScript([](ScriptedEngine& engine, const ScriptedEngine::Call& call) {
        engine.emit(call.id, ToolCallDelta{0, "f", "{}"});
        engine.emit(call.id, Finished{FinishReason::kToolCalls, {}, usage(5, 1), -1});
    });
    const std::string tools = R"("tools":[{"type":"function","function":{"name":"f"}}],"tool_choice":)";
    const std::string named = tools + R"({"type":"function","function":{"name":"f"}})";
    CHECK(running.post(kChat, chat(named)).json()["choices"][0]["finish_reason"] == "stop");
    CHECK(chunksOf(running.post(kChat, chat(named + R"(,"stream":true)"))).back()["choices"][0]["finish_reason"] ==
          "stop");
    CHECK(running.post(kChat, chat(tools + "\"required\"")).json()["choices"][0]["finish_reason"] == "tool_calls");
}

TEST_CASE("a thought that was cut leaves no answer") {
    RunningServer running;
    running.engine.setScript([](ScriptedEngine& engine, const ScriptedEngine::Call& call) {
        engine.emit(call.id, ReasoningDelta{"Hm", {}, {}});
        engine.emit(call.id, Finished{FinishReason::kLength, {}, usage(5, 1, 1), -1});
    });
    const Json choice = running.post(kChat, kHello).json()["choices"][0];
    CHECK(choice["message"]["content"].is_null());
    CHECK(choice["message"]["reasoning"] == "Hm");
    CHECK(choice["finish_reason"] == "length");
}

TEST_CASE("tool calls: name first, then arguments; only the first if calls may not be parallel") {
    RunningServer running;
    running.engine.setScript([](ScriptedEngine& engine, const ScriptedEngine::Call& call) {
        for (std::int32_t i = 0; i < 2; ++i) {
            engine.emit(call.id, ToolCallDelta{i, "look", ""});
            engine.emit(call.id, ToolCallDelta{i, "", R"({"at": "sky"})"});
        }
        engine.emit(call.id, Finished{FinishReason::kToolCalls, {}, usage(5, 9), -1});
    });
    const std::string tools = R"("tools":[{"type":"function","function":{"name":"look","parameters":{}}}])";
    const Json choice = running.post(kChat, chat(tools)).json()["choices"][0];
    CHECK(choice["finish_reason"] == "tool_calls");
    CHECK(choice["message"]["content"].is_null());
    REQUIRE(choice["message"]["tool_calls"].size() == 2);
    const Json& call = choice["message"]["tool_calls"][1];
    CHECK(call["type"] == "function");
    CHECK(call["id"].get<std::string>().substr(0, 5) == "call_");
    CHECK(call["id"] != choice["message"]["tool_calls"][0]["id"]);
    CHECK(call["function"] == Json::parse(R"({"name":"look","arguments":"{\"at\": \"sky\"}"})"));

    const auto chunks = chunksOf(running.post(kChat, chat(tools + R"(,"stream":true)")));
    REQUIRE(chunks.size() == 6);
    const Json head = chunks[3]["choices"][0]["delta"]["tool_calls"][0];
    CHECK(head["index"] == 1);
    CHECK(head["function"] == Json::parse(R"({"name":"look"})"));
    CHECK(chunks[4]["choices"][0]["delta"]["tool_calls"][0] ==
          Json::parse(R"({"index":1,"function":{"arguments":"{\"at\": \"sky\"}"}})"));
    const Json one = running.post(kChat, chat(tools + R"(,"parallel_tool_calls":false)")).json();
    CHECK(one["choices"][0]["message"]["tool_calls"].size() == 1);
    CHECK(running.engine.call(0).request.toolsJson.find("look") != std::string::npos);
    running.post(kChat, chat(tools + R"(,"tool_choice":"none")"));
    CHECK(running.engine.call(3).request.toolsJson.empty());
}

TEST_CASE("log-probabilities, token ids and stop reasons are told") {
    RunningServer running;
    const Json choice = running.post(kChat, chat(R"("logprobs":true,"top_logprobs":2)")).json()["choices"][0];
    REQUIRE(choice["logprobs"]["content"].size() == 2);
    CHECK(choice["logprobs"]["content"][1] == Json::parse(R"({"token":" world","logprob":-0.5,
        "bytes":[32,119,111,114,108,100],"top_logprobs":[{"token":"f","logprob":-0.5,"bytes":[102]},
        {"token":"g","logprob":-1.5,"bytes":[103]}]})"));
    CHECK(running.engine.call(0).request.topLogprobs == 2);
    const auto chunks = chunksOf(running.post(kChat, chat(R"("logprobs":true,"stream":true)")));
    CHECK(chunks[1]["choices"][0]["logprobs"]["content"][0]["token"] == "Hello");
    CHECK(chunks[0]["choices"][0]["logprobs"].is_null());
    CHECK_FALSE(chunks[0]["choices"][0].contains("token_ids"));
    CHECK(chunks[1]["choices"][0]["token_ids"].is_null());
    const Json ids =
        running.post(kChat, chat(R"("logprobs":true,"return_tokens_as_token_ids":true,"return_token_ids":true)"))
            .json();
    CHECK(ids["choices"][0]["logprobs"]["content"][0]["token"] == "token_id:7");
    CHECK(ids["choices"][0]["token_ids"] == Json::parse("[7,7]"));
    CHECK(ids["prompt_token_ids"] == Json::parse("[0,2,3,4,5]"));
    const auto streamed = chunksOf(running.post(kChat, chat(R"("return_token_ids":true,"stream":true)")));
    CHECK(streamed[0]["prompt_token_ids"] == ids["prompt_token_ids"]);
    CHECK(streamed[1]["choices"][0]["token_ids"] == Json::parse("[7]"));
    CHECK_FALSE(streamed[1].contains("prompt_token_ids"));

    running.engine.setScript([](ScriptedEngine& engine, const ScriptedEngine::Call& call) {
        engine.emit(call.id, Finished{FinishReason::kStop, "END", usage(5, 1), -1});
    });
    CHECK(running.post(kChat, kHello).json()["choices"][0]["stop_reason"] == "END");
    running.engine.setScript([](ScriptedEngine& engine, const ScriptedEngine::Call& call) {
        engine.emit(call.id, Finished{FinishReason::kStop, {}, usage(5, 1), 3});
    });
    CHECK(running.post(kChat, kHello).json()["choices"][0]["stop_reason"] == 3);
}

TEST_CASE("prompt log-probabilities are told by token id") {
    RunningServer running;
    running.engine.setScript([](ScriptedEngine& engine, const ScriptedEngine::Call& call) {
        PrefillProgress progress{2, 2, {}, {}};
        progress.logprobs = {{0, "<s>", 0, {}, 0}, {2, "a", -3.0F, {{4, "c", -0.25F, {}, 0}}, 5}};
        engine.emit(call.id, progress);
        engine.emit(call.id, Finished{FinishReason::kStop, {}, usage(2, 1), -1});
    });
    const Json json = running.post(kChat, chat(R"("prompt_logprobs":1)")).json();
    CHECK(json["prompt_logprobs"] == Json::parse(R"([null,{"2":{"logprob":-3.0,"rank":5,"decoded_token":"a"},
        "4":{"logprob":-0.25,"rank":1,"decoded_token":"c"}}])"));
    CHECK(running.engine.call(0).request.promptLogprobs == 1);
}

TEST_CASE("several choices of one prompt") {
    RunningServer running;
    const Json json = running.post(kChat, chat(R"("n":3,"temperature":1,"seed":5)")).json();
    REQUIRE(json["choices"].size() == 3);
    for (std::size_t i = 0; i < 3; ++i) {
        CHECK(json["choices"][i]["index"] == i);
        CHECK(json["choices"][i]["message"]["content"] == "Hello world");
    }
    CHECK(json["usage"]["prompt_tokens"] == 5);
    CHECK(json["usage"]["completion_tokens"] == 6);
    // The model's defaults are greedy: only several choices that name no temperature are sampled.
    running.post(kChat, chat(R"("n":2)"));
    running.post(kChat, kHello);
    CHECK(running.engine.call(3).request.sampling.temperature == 1.0F);
    CHECK(running.engine.call(5).request.sampling.temperature == running.engine.defaultSampling().temperature);
    const auto chunks = chunksOf(running.post(kChat, chat(R"("n":2,"temperature":1,"stream":true)")));
    std::vector<std::string> texts(2);
    for (const Json& chunk : chunks) {
        const Json& choice = chunk["choices"][0];
        texts[choice["index"]] += choice["delta"].value("content", "");
    }
    CHECK(texts == std::vector<std::string>{"Hello world", "Hello world"});
}

TEST_CASE("every field reaches the engine") {
    RunningServer running;
    const Response response = running.post(kChat, R"({
        "model":"scripted","messages":[{"role":"developer","content":"be brief"},
        {"role":"user","content":[{"type":"text","text":"a"},{"type":"text","text":"b"}]},
        {"role":"assistant","content":null,"reasoning":"r","tool_calls":[{"id":"c1","type":"function",
        "function":{"name":"f","arguments":"{}"}}]},{"role":"tool","tool_call_id":"c1","content":"7"}],
        "max_tokens":9,"max_completion_tokens":8,"temperature":0.5,"top_p":0.9,"top_k":7,"min_p":0.1,
        "repetition_penalty":1.1,"presence_penalty":0.2,"frequency_penalty":0.3,"seed":-2,"stop":"x","stop_token_ids":[3],
        "allowed_token_ids":[5,6],"bad_words":["red","a b"],
        "include_stop_str_in_output":true,"ignore_eos":true,"min_tokens":2,"logit_bias":{"4":-5,"5":1000},
        "reasoning_effort":"none","thinking_token_budget":3,"skip_special_tokens":false,"priority":-2,
        "add_generation_prompt":false,"continue_final_message":true,"user":"u","metadata":{},"unknown":1,"n":null})");
    REQUIRE(response.status == 200);
    const Request request = running.engine.call(0).request;
    REQUIRE(request.messages.size() == 4);
    CHECK(request.messages[0].role == "system");
    CHECK(request.messages[1].parts.size() == 2);
    CHECK(request.messages[2].reasoning == "r");
    CHECK(request.messages[2].toolCalls[0].name == "f");
    CHECK(request.messages[3].role == "tool");
    const auto& sampling = request.sampling;
    CHECK(sampling.maxTokens == 8);
    CHECK(sampling.temperature == 0.5F);
    CHECK(sampling.topP == 0.9F);
    CHECK(sampling.topK == 7);
    CHECK(sampling.minP == 0.1F);
    CHECK(sampling.repetitionPenalty == 1.1F);
    CHECK(sampling.presencePenalty == 0.2F);
    CHECK(sampling.frequencyPenalty == 0.3F);
    CHECK(sampling.seed == std::uint64_t(-2));
    CHECK(sampling.stop == std::vector<std::string>{"x"});
    CHECK(sampling.stopTokenIds == std::vector<std::int32_t>{3});
    CHECK(request.sampling.allowedTokenIds == std::vector<std::int32_t>{5, 6});
    CHECK(request.sampling.badWords == std::vector<std::string>{"red", "a b"});
    CHECK(sampling.includeStopString);
    CHECK(sampling.ignoreEos);
    CHECK(sampling.minTokens == 2);
    CHECK(sampling.logitBias == std::map<std::int32_t, float>{{4, -5.0F}, {5, 100.0F}});
    CHECK_FALSE(request.think);
    CHECK(request.thinkingBudget == 3);
    CHECK_FALSE(request.skipSpecialTokens);
    CHECK(request.priority == -2);
    CHECK_FALSE(request.addGenerationPrompt);
    CHECK(request.continueFinalMessage);
}

TEST_CASE("thinking can be switched by the template's argument") {
    RunningServer running;
    running.post(kChat, chat(R"("chat_template_kwargs":{"enable_thinking":false})"));
    running.post(kChat, chat(R"("chat_template_kwargs":{"thinking":false})"));
    running.post(kChat, chat(R"("chat_template_kwargs":{"enable_thinking":true},"reasoning_effort":"none")"));
    running.post(kChat, kHello);
    CHECK_FALSE(running.engine.call(0).request.think);
    CHECK_FALSE(running.engine.call(1).request.think);
    CHECK(running.engine.call(2).request.think);
    CHECK(running.engine.call(3).request.think);
}

TEST_CASE("an echo goes before the answer that continues it") {
    const RunningServer running;
    const std::string body = R"({"messages":[{"role":"user","content":"q"},{"role":"assistant","content":"So: "}],
        "echo":true,"continue_final_message":true,"add_generation_prompt":false)";
    CHECK(running.post(kChat, body + "}").json()["choices"][0]["message"]["content"] == "So: Hello world");
    const auto chunks = chunksOf(running.post(kChat, body + R"(,"stream":true})"));
    CHECK(chunks[1]["choices"][0]["delta"]["content"] == "So: ");
}

TEST_CASE("an error after the first byte ends the stream with an error event") {
    RunningServer running;
    running.engine.setScript([](ScriptedEngine& engine, const ScriptedEngine::Call& call) {
        engine.emit(call.id, TextDelta{"Hel", {}, {}});
        engine.emit(call.id, Failed{ErrorCode::kInternal, "the weights are gone"});
    });
    const Response response = running.post(kChat, kHelloStream);
    CHECK(response.status == 200);
    const auto data = sseData(response.body);
    REQUIRE(data.size() == 4);
    CHECK(Json::parse(data[2])["error"] ==
          Json::parse(R"({"message":"the weights are gone","type":"InternalServerError",
        "param":null,"code":500})"));
    CHECK(data[3] == "[DONE]");
    const Response whole = running.post(kChat, kHello);
    CHECK(whole.status == 500);
    CHECK(whole.json()["error"]["message"] == "the weights are gone");
}

TEST_CASE("one failed choice stops the others and fails the answer") {
    RunningServer running;
    running.engine.setScript([](ScriptedEngine& engine, const ScriptedEngine::Call& call) {
        if (call.id == 2) engine.emit(call.id, Failed{ErrorCode::kInternal, "broken"});
    });
    const Response response = running.post(kChat, chat(R"("n":2,"temperature":1)"));
    CHECK(response.status == 500);
    CHECK(running.engine.waitForCancels(1));
}

TEST_CASE("bytes that are no UTF-8 do not break the JSON") {
    RunningServer running;
    running.engine.setScript(answer({"\xFF\xFE"}));
    CHECK(running.post(kChat, kHello).json()["choices"][0]["message"]["content"] == "\xEF\xBF\xBD\xEF\xBF\xBD");
}
