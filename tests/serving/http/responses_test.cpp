// Responses: in one piece and streamed (spec openai-api sections 2 and 5).

#include <catch2/catch.hpp>

#include "tests/serving/http/running_server.h"

using namespace step3;
using namespace step3::serving::http;
using namespace step3::serving::http::testing;

namespace {

constexpr const char* kResponses = "/v1/responses";

Json ask(const RunningServer& running, const std::string& fields) {
    const Response response = running.post(kResponses, "{" + fields + "}");
    INFO(response.body);
    REQUIRE(response.status == 200);
    return response.json();
}

/// A thought, an answer and a call, as an engine reports them.
void thoughtAnswerAndCall(ScriptedEngine& engine, const ScriptedEngine::Call& call) {
    Usage usage;
    usage.promptTokens = 5;
    usage.completionTokens = 9;
    usage.reasoningTokens = 2;
    engine.emit(call.id, PrefillProgress{5, 5, {}, {}});
    engine.emit(call.id, ReasoningDelta{"Let me", {}, {}});
    engine.emit(call.id, ReasoningDelta{" see.", {}, {}});
    engine.emit(call.id, TextDelta{"I look.", {}, {}});
    for (std::int32_t i = 0; i < 2; ++i) {
        engine.emit(call.id, ToolCallDelta{i, "look", ""});
        engine.emit(call.id, ToolCallDelta{i, "", R"({"at": "sky"})"});
    }
    engine.emit(call.id, Finished{FinishReason::kToolCalls, {}, usage, -1});
}

constexpr const char* kTools = R"("tools":[{"type":"function","name":"look","parameters":{"type":"object"}}])";

std::string names(const Json& events) {
    std::string text;
    for (const Json& event : events) text += event.at("type").get<std::string>().substr(9) + " ";
    return text;
}

/// The events of a stream; each is named, numbered, and none is [DONE].
Json eventsOf(const Response& response) {
    CHECK(response.header("content-type") == "text/event-stream; charset=utf-8");
    Json events = Json::array();
    for (const std::string& data : sseData(response.body)) {
        events.push_back(Json::parse(data));
        CHECK(events.back()["sequence_number"] == events.size() - 1);
        const std::string type = events.back()["type"];
        CHECK(response.body.find("event: " + type + "\ndata: ") != std::string::npos);
    }
    return events;
}

}  // namespace

TEST_CASE("a response has the form of the API") {
    RunningServer running;
    const Json json = ask(running, R"("input":"hi","instructions":"be brief","metadata":{"a":"b"},"store":true)");
    CHECK(json["id"].get<std::string>().starts_with("resp_"));
    CHECK(json["object"] == "response");
    CHECK(json["status"] == "completed");
    CHECK(json["model"] == "scripted");
    CHECK(json["created_at"].get<std::int64_t>() > 1'700'000'000);
    CHECK(json["error"].is_null());
    CHECK(json["store"] == false);
    CHECK(json["instructions"] == "be brief");
    CHECK(json["metadata"] == Json{{"a", "b"}});
    CHECK(json["tool_choice"] == "auto");
    CHECK(json["tools"] == Json::array());
    CHECK(json["usage"] == Json::parse(R"({"input_tokens":5,"input_tokens_details":{"cached_tokens":0,
        "cache_write_tokens":0},"output_tokens":2,"output_tokens_details":{"reasoning_tokens":0},"total_tokens":7})"));
    REQUIRE(json["output"].size() == 1);
    const Json& item = json["output"][0];
    CHECK(item["type"] == "message");
    CHECK(item["role"] == "assistant");
    CHECK(item["status"] == "completed");
    CHECK(item["content"] ==
          Json::parse(R"([{"type":"output_text","text":"Hello world","annotations":[],"logprobs":[]}])"));
    const Request request = running.engine.call(0).request;
    REQUIRE(request.messages.size() == 2);
    CHECK(request.messages[0].role == "system");
    CHECK(request.messages[1].parts[0].text == "hi");
}

TEST_CASE("a response lists reasoning, message and calls; one call if they may not be parallel") {
    RunningServer running;
    running.engine.setScript(&thoughtAnswerAndCall);
    const Json output = ask(running, std::string(R"("input":"hi",)") + kTools)["output"];
    REQUIRE(output.size() == 4);
    CHECK(output[0]["type"] == "reasoning");
    CHECK(output[0]["content"] == Json::parse(R"([{"type":"reasoning_text","text":"Let me see."}])"));
    CHECK(output[0]["summary"] == Json::array());
    CHECK(output[1]["content"][0]["text"] == "I look.");
    CHECK(output[3]["type"] == "function_call");
    CHECK(output[3]["name"] == "look");
    CHECK(output[3]["arguments"] == R"({"at": "sky"})");
    CHECK(output[3]["call_id"].get<std::string>().starts_with("call_"));
    CHECK(output[3]["call_id"] != output[2]["call_id"]);
    const Json one = ask(running, std::string(R"("input":"hi","parallel_tool_calls":false,)") + kTools);
    CHECK(one["output"].size() == 3);
    CHECK(one["parallel_tool_calls"] == false);
}

TEST_CASE("a streamed response: items open and close in order, the last event holds the whole") {
    RunningServer running;
    running.engine.setScript(&thoughtAnswerAndCall);
    const Json events =
        eventsOf(running.post(kResponses, std::string(R"({"input":"hi","stream":true,)") + kTools + "}"));
    CHECK(names(events) ==
          "created in_progress "
          "output_item.added content_part.added reasoning_text.delta reasoning_text.delta reasoning_text.done "
          "content_part.done output_item.done "
          "output_item.added content_part.added output_text.delta output_text.done content_part.done output_item.done "
          "output_item.added function_call_arguments.delta function_call_arguments.done output_item.done "
          "output_item.added function_call_arguments.delta function_call_arguments.done output_item.done "
          "completed ");
    CHECK(events[0]["response"]["status"] == "in_progress");
    CHECK(events[0]["response"]["output"] == Json::array());
    CHECK(events[2]["item"]["status"] == "in_progress");
    CHECK(events[4]["delta"] == "Let me");
    CHECK(events[4]["item_id"] == events[2]["item"]["id"]);
    CHECK(events[6]["text"] == "Let me see.");
    CHECK(events[11]["output_index"] == 1);
    CHECK(events[11]["content_index"] == 0);
    CHECK(events[11]["logprobs"] == Json::array());
    CHECK(events[17]["arguments"] == R"({"at": "sky"})");
    const Json whole = events.back()["response"];
    REQUIRE(whole["output"].size() == 4);
    CHECK(whole["output"][1] == events[14]["item"]);
    CHECK(whole["id"] == events[0]["response"]["id"]);
    CHECK(whole["usage"]["output_tokens_details"]["reasoning_tokens"] == 2);
}

TEST_CASE("a cut response is incomplete, a broken one has failed") {
    RunningServer running;
    running.engine.setScript(answer({"Hel"}, FinishReason::kLength));
    const Json cut = ask(running, R"("input":"hi","max_output_tokens":1)");
    CHECK(cut["status"] == "incomplete");
    CHECK(cut["incomplete_details"] == Json{{"reason", "max_output_tokens"}});
    CHECK(cut["output"][0]["status"] == "incomplete");
    CHECK(running.engine.call(0).request.sampling.maxTokens == 1);
    const Json events = eventsOf(running.post(kResponses, R"({"input":"hi","stream":true})"));
    CHECK(events.back()["type"] == "response.incomplete");
    running.engine.setScript([](ScriptedEngine& engine, const ScriptedEngine::Call& call) {
        engine.emit(call.id, TextDelta{"Hel", {}, {}});
        engine.emit(call.id, Failed{ErrorCode::kInternal, "the weights are gone"});
    });
    const Json failed = eventsOf(running.post(kResponses, R"({"input":"hi","stream":true})"));
    CHECK(failed.back()["type"] == "response.failed");
    CHECK(failed.back()["response"]["status"] == "failed");
    CHECK(failed.back()["response"]["error"] ==
          Json::parse(R"({"code":"server_error","message":"the weights are gone"})"));
    CHECK(running.post(kResponses, R"({"input":"hi"})").status == 500);
}

TEST_CASE("a response's input: turns, past reasoning, calls and their results, pictures") {
    RunningServer running;
    ask(running, R"("input":[{"role":"developer","content":"brief"},
        {"type":"message","role":"user","content":[{"type":"input_text","text":"a"}]},
        {"type":"reasoning","summary":[],"content":[{"type":"reasoning_text","text":"hm"}]},
        {"type":"message","role":"assistant","content":[{"type":"output_text","text":"b"}]},
        {"type":"function_call","call_id":"c1","name":"look","arguments":"{}"},
        {"type":"function_call","call_id":"c2","name":"look"},
        {"type":"function_call_output","call_id":"c1","output":"7"}],
        "reasoning":{"effort":"none"},"temperature":0.5,"top_logprobs":2,"tool_choice":"required",
        "text":{"format":{"type":"text"}},)" +
                     std::string(kTools));
    const Request request = running.engine.call(0).request;
    REQUIRE(request.messages.size() == 4);
    CHECK(request.messages[0].role == "system");
    CHECK(request.messages[2].role == "assistant");
    CHECK(request.messages[2].reasoning == "hm");
    CHECK(request.messages[2].parts[0].text == "b");
    REQUIRE(request.messages[2].toolCalls.size() == 2);
    CHECK(request.messages[2].toolCalls[1].id == "c2");
    CHECK(request.messages[3].role == "tool");
    CHECK(request.messages[3].parts[0].text == "7");
    CHECK_FALSE(request.think);
    CHECK(request.sampling.temperature == 0.5F);
    CHECK(request.topLogprobs == 2);
    CHECK(request.toolChoice.kind == sampling::structured::ToolChoice::Kind::kRequired);
    CHECK(Json::parse(request.toolsJson)[0]["function"]["name"] == "look");
    ask(running, R"("input":"hi","text":{"format":{"type":"json_schema","name":"x","schema":{"type":"integer"}}})");
    CHECK(running.engine.call(1).request.structured.text == R"({"type":"integer"})");
}

TEST_CASE("a response's log-probabilities are told if they are asked for") {
    RunningServer running;
    const Json json = ask(running, R"("input":"hi","include":["message.output_text.logprobs"])");
    const Json logprobs = json["output"][0]["content"][0]["logprobs"];
    REQUIRE(logprobs.size() == 2);
    CHECK(logprobs[1]["token"] == " world");
}

TEST_CASE("responses that cannot be are refused") {
    const RunningServer running;
    struct Case {
        const char* body;
        int status;
        const char* param;
    };
    const Case cases[] = {
        {R"({})", 400, "body.input"},
        {R"({"input":3})", 400, "body.input"},
        {R"({"input":[]})", 400, "input"},
        {R"({"input":[3]})", 400, "body.input.0"},
        {R"({"input":[{"type":"item_reference","id":"x"}]})", 400, "body.input.0.type"},
        {R"({"input":[{"role":"user","content":[{"type":"input_file"}]}]})", 400, "body.input.0.content.0.type"},
        {R"({"input":[{"role":"user","content":[{"type":"input_image","image_url":"data:,x"}]}]})", 501,
         "body.input.0.content.0.image_url"},
        {R"({"input":[{"type":"function_call","name":"look"}]})", 400, "body.input.0.call_id"},
        {R"({"input":[{"type":"function_call_output","call_id":true,"output":"a"}]})", 400, "body.input.0.call_id"},
        {R"({"input":[{"type":"function_call_output","output":"a"}]})", 400, "body.input.0.call_id"},
        {R"({"input":"a","model":"other"})", 404, "model"},
        {R"({"input":"a","previous_response_id":"resp_1"})", 404, "previous_response_id"},
        {R"({"input":"a","background":true})", 400, "background"},
        {R"({"input":"a","conversation":"c"})", 400, "conversation"},
        {R"({"input":"a","max_output_tokens":0})", 400, "max_output_tokens"},
        {R"({"input":"a","temperature":3})", 400, "temperature"},
        {R"({"input":"a","top_logprobs":21})", 400, "top_logprobs"},
        {R"({"input":"a","reasoning":{"effort":"huge"}})", 400, "body.reasoning.effort"},
        {R"({"input":"a","text":{"format":{"type":"poem"}}})", 400, "body.text.format.type"},
        {R"({"input":"a","tools":[{"type":"web_search"}]})", 400, "tools"},
        {R"({"input":"a","tool_choice":"required"})", 400, "tool_choice"},
    };
    for (const Case& each : cases) {
        INFO(each.body);
        const Response response = running.post(kResponses, each.body);
        CHECK(response.status == each.status);
        CHECK(response.json()["error"]["param"] == each.param);
    }
    const Response missing = running.get("/v1/responses/resp_1");
    CHECK(missing.status == 404);
    CHECK(missing.json()["error"]["message"] == "Response with id 'resp_1' not found.");
    auto client = running.connect();
    client.send("POST /v1/responses/resp_1/cancel HTTP/1.1\r\nHost: t\r\nContent-Length: 0\r\n\r\n");
    CHECK(client.read().status == 404);
}
