// What the server refuses, word for word (spec openai-api section 6).

#include <catch2/catch.hpp>

#include "tests/serving/http/running_server.h"

using namespace step3;
using namespace step3::serving::http;
using namespace step3::serving::http::testing;

namespace {

struct Row {
    const char* path;
    std::string body;
    int status;
    const char* type;
    const char* param;  // null: null
    const char* message;
};

const char* const kCompletions = "/v1/completions";

/// A chat request with these fields besides its message.
std::string chat(const std::string& fields) {
    return R"({"messages":[{"role":"user","content":"hi"}],)" + fields + "}";
}
std::string messages(const std::string& list) {
    return R"({"messages":)" + list + "}";
}
std::string part(const std::string& json) {
    return R"({"messages":[{"role":"user","content":[)" + json + "]}]}";
}
std::string picture(const std::string& url) {
    return part(R"({"type":"image_url","image_url":{"url":")" + url + "\"}}");
}
std::string completion(const std::string& fields) {
    return R"({"prompt":"ab",)" + fields + "}";
}
std::string nested(int depth) {
    return R"({"messages":)" + std::string(static_cast<std::size_t>(depth), '[') +
           std::string(static_cast<std::size_t>(depth), ']') + "}";
}

constexpr const char* kSchema = "Bad Request";
constexpr const char* kRule = "BadRequestError";
constexpr const char* kMissing = "NotFoundError";

const std::vector<Row>& rows() {
    static const std::vector<Row> kRows{
        {kChat, "", 400, kSchema, "body", "expected a JSON object, found an empty body"},
        {kChat, "{\"messages\":", 400, kSchema, "body.12", "the body is not valid JSON: error at character 12"},
        {kChat, "[]", 400, kSchema, "body", "expected a JSON object, found an array"},
        {kChat, "\"text\"", 400, kSchema, "body", "expected a JSON object, found a string"},
        {kChat, "{\"a\":\"\xFF\"}", 400, kSchema, "body.6", "the body is not valid JSON: error at character 6"},
        {kChat, R"({"temperature":1e999,"messages":[]})", 400, kSchema, "body",
         "the body is not valid JSON: a number is out of range"},
        {kChat, nested(70), 400, kSchema, "body", "JSON nested deeper than 64 levels"},
        {kChat, "{}", 400, kSchema, "body.messages", "body.messages: expected an array, found none"},
        {kChat, messages("\"hi\""), 400, kSchema, "body.messages", "body.messages: expected an array, found a string"},
        {kChat, messages("[]"), 400, kRule, nullptr, "messages must not be empty"},
        {kChat, messages("[1]"), 400, kSchema, "body.messages.0",
         "body.messages.0: expected an object, found an integer"},
        {kChat, messages(R"([{"content":"hi"}])"), 400, kSchema, "body.messages.0.role",
         "body.messages.0.role: expected a string, found none"},
        {kChat, messages(R"([{"role":"wizard","content":"hi"}])"), 400, kRule, "body.messages.0.role",
         "body.messages.0.role: expected system, developer, user, assistant or tool, found another"},
        {kChat, messages(R"([{"role":"user"}])"), 400, kSchema, "body.messages.0.content",
         "body.messages.0.content: expected a string or an array of parts, found none"},
        {kChat, messages(R"([{"role":"user","content":7}])"), 400, kSchema, "body.messages.0.content",
         "body.messages.0.content: expected a string or an array of parts, found an integer"},
        {kChat, part(R"({"type":"smell"})"), 400, kRule, "body.messages.0.content.0.type",
         "body.messages.0.content.0.type: expected text or image_url, found another"},
        {kChat, part(R"({"type":"input_audio","input_audio":{}})"), 400, kRule, "body.messages.0.content.0.type",
         "body.messages.0.content.0.type: \"input_audio\" is not supported: this server takes text and image_url"},
        {kChat, part(R"({"type":"video_url","video_url":{}})"), 400, kRule, "body.messages.0.content.0.type",
         "body.messages.0.content.0.type: \"video_url\" is not supported: this server takes text and image_url"},
        {kChat, part(R"({"type":"text"})"), 400, kSchema, "body.messages.0.content.0.text",
         "body.messages.0.content.0.text: expected a string, found none"},
        {kChat, part(R"({"type":"image_url"})"), 400, kSchema, "body.messages.0.content.0.image_url",
         "body.messages.0.content.0.image_url: expected an object, found none"},
        {kChat, picture("data:image/png;base64,AB!="), 400, kRule, "body.messages.0.content.0.image_url.url",
         "body.messages.0.content.0.image_url.url: bad base64: character 3 is not of the alphabet"},
        {kChat, picture("data:image/png;base64"), 400, kRule, "body.messages.0.content.0.image_url.url",
         "body.messages.0.content.0.image_url.url: expected a comma before the data of the data: URI, found none"},
        {kChat, picture("data:image/png,abc"), 501, "NotImplementedError", "body.messages.0.content.0.image_url.url",
         "body.messages.0.content.0.image_url.url: only base64 data: URIs are supported"},
        {kChat, picture("file:///etc/passwd"), 400, kRule, "body.messages.0.content.0.image_url.url",
         "body.messages.0.content.0.image_url.url: this server reads no local files: send a data: URI"},
        {kChat, chat(R"("model":"other")"), 404, kMissing, "model", "The model `other` does not exist."},
        {kChat, chat(R"("model":3)"), 400, kSchema, "body.model", "body.model: expected a string, found an integer"},
        {kChat, chat(R"("temperature":2.5)"), 400, kRule, "temperature",
         "temperature must be in [0, 2], got 2.5. (parameter=temperature, value=2.5)"},
        {kChat, chat(R"("temperature":-1)"), 400, kRule, "temperature",
         "temperature must be in [0, 2], got -1. (parameter=temperature, value=-1)"},
        {kChat, chat(R"("temperature":"hot")"), 400, kSchema, "body.temperature",
         "body.temperature: expected a number, found a string"},
        {kChat, chat(R"("top_p":0)"), 400, kRule, "top_p",
         "top_p must be in (0, 1], got 0. (parameter=top_p, value=0)"},
        {kChat, chat(R"("top_p":1.5)"), 400, kRule, "top_p",
         "top_p must be in (0, 1], got 1.5. (parameter=top_p, value=1.5)"},
        {kChat, chat(R"("top_k":-2)"), 400, kRule, nullptr,
         "top_k must be -1, 0 or the number of tokens to keep, got -2. (parameter=top_k, value=-2)"},
        {kChat, chat(R"("min_p":1.5)"), 400, kRule, nullptr,
         "min_p must be in [0, 1], got 1.5. (parameter=min_p, value=1.5)"},
        {kChat, chat(R"("repetition_penalty":0)"), 400, kRule, nullptr,
         "repetition_penalty must be greater than 0, got 0. (parameter=repetition_penalty, value=0)"},
        {kChat, chat(R"("presence_penalty":3)"), 400, kRule, nullptr,
         "presence_penalty must be in [-2, 2], got 3. (parameter=presence_penalty, value=3)"},
        {kChat, chat(R"("frequency_penalty":-3)"), 400, kRule, nullptr,
         "frequency_penalty must be in [-2, 2], got -3. (parameter=frequency_penalty, value=-3)"},
        {kChat, chat(R"("max_tokens":0)"), 400, kRule, "max_tokens",
         "max_tokens must be in [1, 100], got 0. (parameter=max_tokens, value=0)"},
        {kChat, chat(R"("max_completion_tokens":1,"max_tokens":0)"), 400, kRule, "max_tokens",
         "max_tokens must be at least 1, got 0. (parameter=max_tokens, value=0)"},
        {kChat, chat(R"("max_completion_tokens":101)"), 400, kRule, "max_completion_tokens",
         "max_completion_tokens must be in [1, 100], got 101. (parameter=max_completion_tokens, value=101)"},
        {kChat, chat(R"("max_tokens":2.5)"), 400, kSchema, "body.max_tokens",
         "body.max_tokens: expected an integer of 64 bits, found a number"},
        {kChat, chat(R"("max_tokens":5,"min_tokens":6)"), 400, kRule, nullptr,
         "min_tokens must be in [0, 5], got 6. (parameter=min_tokens, value=6)"},
        {kChat, chat(R"("seed":9223372036854775808)"), 400, kSchema, "body.seed",
         "body.seed: expected an integer of 64 bits, found an integer"},
        {kChat, chat(R"("n":0)"), 400, kRule, nullptr, "n must be at least 1, got 0."},
        {kChat, chat(R"("n":2,"temperature":0)"), 400, kRule, nullptr,
         "n must be 1 when using greedy sampling, got 2."},
        {kChat, chat(R"("n":16385,"temperature":1)"), 400, kRule, nullptr, "n must be at most 16384, got 16385."},
        {kChat, chat(R"("stop":[""])"), 400, kRule, nullptr, "stop cannot contain an empty string."},
        {kChat, chat(R"("stop":["a","b","c","d","e"])"), 400, kSchema, "body.stop",
         "body.stop: expected at most 4 strings, found 5"},
        {kChat, chat(R"("stop":5)"), 400, kSchema, "body.stop",
         "body.stop: expected a string or strings, found an integer"},
        {kChat, chat(R"("stop_token_ids":[99])"), 400, kRule, "stop_token_ids",
         "stop_token_ids: expected token ids in [0, 31), found another"},
        {kChat, R"({"model":"other","messages":"x"})", 400, kSchema, "body.messages",
         "body.messages: expected an array, found a string"},
        {kChat, R"({"model":"other","messages":[{"role":"user","content":"a"}],"temperature":9})", 404, kMissing,
         "model", "The model `other` does not exist."},
        {kChat, chat(R"("allowed_token_ids":[])"), 400, kRule, "allowed_token_ids",
         "allowed_token_ids is not None and empty!"},
        {kChat, chat(R"("allowed_token_ids":[31])"), 400, kRule, "allowed_token_ids",
         "allowed_token_ids contains out-of-vocab token id!"},
        {kChat, chat(R"("allowed_token_ids":[1,"2x"])"), 400, kSchema, "body.allowed_token_ids",
         "body.allowed_token_ids: expected token ids, found a string"},
        {kChat, chat(R"("bad_words":[""])"), 400, kRule, "bad_words", "bad_words cannot contain an empty string."},
        {kChat, chat(R"("bad_words":[3])"), 400, kSchema, "body.bad_words",
         "body.bad_words: expected strings, found an integer"},
        {kChat, chat(R"("bad_words":"red")"), 400, kSchema, "body.bad_words",
         "body.bad_words: expected an array, found a string"},
        {kChat, chat(R"("logit_bias":{"x":1})"), 400, kRule, "logit_bias",
         "logit_bias: keys must be token ids in [0, 31), found another"},
        {kChat, chat(R"("stop_token_ids":["x"])"), 400, kSchema, "body.stop_token_ids",
         "body.stop_token_ids: expected token ids, found a string"},
        {kChat, chat(R"("logit_bias":{"1":"x"})"), 400, kSchema, "body.logit_bias.1",
         "body.logit_bias.1: expected a number, found a string"},
        {kChat, chat(R"("logit_bias":[1])"), 400, kSchema, "body.logit_bias",
         "body.logit_bias: expected an object, found an array"},
        {kChat, chat(R"("top_logprobs":2)"), 400, kRule, "top_logprobs",
         "when using `top_logprobs`, `logprobs` must be set to true."},
        {kChat, chat(R"("logprobs":true,"top_logprobs":-2)"), 400, kRule, "top_logprobs",
         "top_logprobs must be at least 0, or -1 for all, got -2. (parameter=top_logprobs, value=-2)"},
        {kChat, chat(R"("logprobs":true,"top_logprobs":21)"), 400, kRule, "logprobs",
         "Requested sample logprobs of 21, which is greater than max allowed: 20"},
        {kChat, chat(R"("prompt_logprobs":2,"stream":true)"), 400, kRule, "prompt_logprobs",
         "`prompt_logprobs` are not available when `stream=True`."},
        {kChat, chat(R"("stream_options":{"include_usage":true})"), 400, kRule, "stream_options",
         "Stream options can only be defined when `stream=True`."},
        {kChat, chat(R"("stream":"yes")"), 400, kSchema, "body.stream",
         "body.stream: expected a boolean, found a string"},
        {kChat, chat(R"("tools":[])"), 400, kRule, "tools", "tools must not be an empty array"},
        {kChat, chat(R"("tools":[{"type":"code","function":{"name":"f"}}])"), 400, kSchema, "body.tools.0.type",
         "body.tools.0.type: expected \"function\", found another"},
        {kChat, chat(R"("tools":[{"type":"function"}])"), 400, kSchema, "body.tools.0.function",
         "body.tools.0.function: expected an object, found none"},
        {kChat, chat(R"("tools":[{"type":"function","function":{"name":""}}])"), 400, kRule, "tools",
         "body.tools.0.function.name must not be empty"},
        {kChat, chat(R"("tool_choice":"auto")"), 400, kRule, "tool_choice",
         "When using `tool_choice`, `tools` must be set."},
        {kChat, chat(R"("tools":[{"type":"function","function":{"name":"f"}}],"tool_choice":"maybe")"), 400, kRule,
         "tool_choice", "tool_choice: expected none, auto, required or a function, found another"},
        {kChat, chat(R"("response_format":{"type":"poem"})"), 400, kSchema, "body.response_format.type",
         "body.response_format.type: expected text, json_object, json_schema or structural_tag"},
        {kChat, chat(R"("response_format":{})"), 400, kSchema, "body.response_format.type",
         "body.response_format.type: expected a string, found none"},
        {kChat, chat(R"("reasoning_effort":"huge")"), 400, kSchema, "body.reasoning_effort",
         "body.reasoning_effort: expected none, minimal, low, medium, high, xhigh or max"},
        {kChat, chat(R"("continue_final_message":true)"), 400, kRule, nullptr,
         "Cannot set both `continue_final_message` and `add_generation_prompt` to True."},
        {kChat, chat(R"("thinking_token_budget":-2)"), 400, kRule, "thinking_token_budget",
         "thinking_token_budget must be at least 0, or -1 for no limit, got -2. (parameter=thinking_token_budget, "
         "value=-2)"},
        {kChat, chat(R"("use_beam_search":true)"), 400, kRule, "use_beam_search",
         "use_beam_search is not supported by this server"},
        {kChat, chat(R"("length_penalty":1.5)"), 400, kRule, "length_penalty",
         "length_penalty is not supported by this server"},
        {kChat, chat(R"("chat_template":"x")"), 400, kRule, "chat_template",
         "chat_template of a request is not trusted by this server"},
        {kChat, chat(R"("mm_processor_kwargs":{})"), 400, kRule, "mm_processor_kwargs",
         "mm_processor_kwargs of a request is not trusted by this server"},
        {kChat, chat(R"("cache_salt":"a/b")"), 400, kRule, "cache_salt",
         "cache_salt must have 1 to 128 characters, none of them @ / \\ or NUL"},
        {kChat, chat(R"("cache_salt":3)"), 400, kRule, "cache_salt",
         "cache_salt must have 1 to 128 characters, none of them @ / \\ or NUL"},
        {kChat, chat(R"("user":3)"), 400, kSchema, "body.user", "body.user: expected a string, found an integer"},
        {kChat, chat(R"("session_id":3)"), 400, kSchema, "body.session_id",
         "body.session_id: expected a string, found an integer"},
        {kChat, chat(R"("request_id":3)"), 400, kSchema, "body.request_id",
         "body.request_id: expected a string, found an integer"},
        {kChat, chat(R"("truncate_prompt_tokens":-2)"), 400, kSchema, "body.truncate_prompt_tokens",
         "body.truncate_prompt_tokens: expected -1 or more, found -2"},
        {kChat, chat(R"("response_format":{"type":"json_schema","json_schema":{"schema":{}}})"), 400, kSchema,
         "body.response_format.json_schema.name",
         "body.response_format.json_schema.name: expected a string, found none"},
        {kChat, chat(R"("tools":[{"type":"function","function":{"name":"f"}}],"tool_choice":{"type":"function"})"), 400,
         kRule, "tool_choice.function",
         "tool_choice: expected {\"type\": \"function\", \"function\": {\"name\": ...}}"},
        {kChat, chat(R"("tools":[{"function":{"name":"f"}}],"tool_choice":{"function":{}})"), 400, kRule,
         "tool_choice.function.name", "tool_choice: expected {\"type\": \"function\", \"function\": {\"name\": ...}}"},
        {kCompletions, "{}", 400, kRule, "prompt", "prompt must be given and not be empty"},
        {kChat, chat(R"("tools":[{"function":{"name":"f"}}],"tool_choice":{"function":{"name":"f"}},
             "structured_outputs":{"choice":["a"]})"),
         400, kRule, nullptr, "structured_outputs and a tool that is called by name exclude each other"},
        {kCompletions, R"({"prompt":""})", 400, kRule, "prompt", "prompt must be given and not be empty"},
        {kCompletions, R"({"prompt":"a","max_tokens":0})", 400, kRule, "max_tokens",
         "max_tokens must be in [1, 100], got 0. (parameter=max_tokens, value=0)"},
        {"/tokenize", R"({"messages":[{"role":"user","content":"a"}],"continue_final_message":true})", 400, kRule,
         nullptr, "Cannot set both `continue_final_message` and `add_generation_prompt` to True."},
        {kCompletions, R"({"prompt":{}})", 400, kSchema, "body.prompt",
         "body.prompt: expected a string or token ids, found an object"},
        {kCompletions, R"({"prompt":[]})", 400, kRule, "prompt", "prompt must not be empty"},
        {kCompletions, R"({"prompt":["a",1]})", 400, kSchema, "body.prompt.1",
         "body.prompt.1: expected a string or token ids, found an integer"},
        {kCompletions, R"({"prompt":[1,"a"]})", 400, kSchema, "body.prompt",
         "body.prompt: expected token ids, found a string"},
        {kCompletions, R"({"prompt":[99]})", 400, kRule, "prompt", "Token id 99 is out of vocabulary"},
        {kCompletions, completion(R"("suffix":"x")"), 400, kRule, "suffix", "suffix is not currently supported"},
        {kCompletions, completion(R"("logprobs":-1)"), 400, kRule, "logprobs",
         "logprobs must be at least 0, got -1. (parameter=logprobs, value=-1)"},
        {kCompletions, completion(R"("logprobs":true)"), 400, kSchema, "body.logprobs",
         "body.logprobs: expected an integer of 64 bits, found a boolean"},
        {kCompletions, completion(R"("logprobs":21)"), 400, kRule, "logprobs",
         "Requested sample logprobs of 21, which is greater than max allowed: 20"},
        {kCompletions, completion(R"("best_of":3)"), 400, kRule, "best_of",
         "best_of other than n is not supported by this server"},
        {kCompletions, completion(R"("model":"x")"), 404, kMissing, "model", "The model `x` does not exist."},
        {"/tokenize", "{}", 400, kSchema, "body.prompt", "body.prompt: expected a string, found none"},
        {"/detokenize", "{}", 400, kSchema, "body.tokens", "body.tokens: expected token ids, found none"},
        {"/detokenize", R"({"tokens":[1,"x"]})", 400, kSchema, "body.tokens.1",
         "body.tokens.1: expected a token id, found another"},
        {"/detokenize", R"({"tokens":[-1]})", 400, kSchema, "body.tokens.0",
         "body.tokens.0: expected a token id, found another"},
        {"/detokenize", R"({"tokens":[31]})", 400, kRule, "tokens", "Token id 31 is out of vocabulary"},
    };
    return kRows;
}

}  // namespace

TEST_CASE("bad requests are refused with status, type, param and words") {
    const RunningServer running;
    auto client = running.connect();  // one connection: a refusal does not cost it
    for (const Row& row : rows()) {
        INFO(row.path << " " << row.body);
        client.post(row.path, row.body);
        const Response response = client.read();
        CHECK(response.status == row.status);
        CHECK(response.header("content-type") == "application/json");
        const Json error = response.json().at("error");
        CHECK(error.at("message") == row.message);
        CHECK(error.at("type") == row.type);
        CHECK(error.at("param") == (row.param != nullptr ? Json(row.param) : Json(nullptr)));
        CHECK(error.at("code") == row.status);
        CHECK(error.size() == 4);
    }
    CHECK(running.engine.calls() == 0);
}

TEST_CASE("a text-only model says so, and too many pictures are too many") {
    ServerOptions options;
    options.pictures.maxPictures = 1;
    RunningServer running(options, false);
    running.engine.info_.vision = false;
    running.attach();
    auto client = running.connect();
    client.post(kChat, picture("data:;base64,AAAA"));
    CHECK(client.read().json()["error"]["message"] == "scripted is not a multimodal model");

    const RunningServer seeing(options);
    const std::string png =
        "data:image/"
        "png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";
    const std::string one = R"({"type":"image_url","image_url":{"url":")" + png + "\"}}";
    CHECK(seeing.post(kChat, part(one)).status == 200);
    const Response two = seeing.post(kChat, part(one + "," + one));
    CHECK(two.status == 400);
    CHECK(two.json()["error"]["message"] == "At most 1 image(s) may be provided in one prompt.");
}

TEST_CASE("what only the engine can tell comes as a refusal, too") {
    RunningServer running;
    const auto refusing = [&](ErrorCode code) {
        running.engine.setScript(
            [code](ScriptedEngine&, const ScriptedEngine::Call&) { throw Error(code, "because"); });
        return running.post(kChat, kHello);
    };
    const Response tooLong = refusing(ErrorCode::kResourceExhausted);
    CHECK(tooLong.status == 400);
    CHECK(tooLong.json()["error"]["type"] == "BadRequestError");
    CHECK(tooLong.json()["error"]["param"] == "input_tokens");
    const Response busy = refusing(ErrorCode::kBusy);
    CHECK(busy.status == 503);
    CHECK(busy.json()["error"]["type"] == "ServiceUnavailableError");
    CHECK(busy.json()["error"]["param"].is_null());
    CHECK(busy.header("retry-after") == "1");
    const Response broken = refusing(ErrorCode::kInternal);
    CHECK(broken.status == 500);
    CHECK(broken.json()["error"]["type"] == "InternalServerError");
    // A defect's own words stay in the program.
    running.engine.setScript(
        [](ScriptedEngine&, const ScriptedEngine::Call&) { throw std::runtime_error("secret address 0x1234"); });
    const Response defect = running.post(kChat, kHello);
    CHECK(defect.status == 500);
    CHECK(defect.json()["error"]["message"] == "internal error");
}
