// HTTP itself: connections, bodies, limits, methods, keys, origins.

#include <catch2/catch.hpp>

#include "engine/serving/http/openapi.h"
#include "engine/serving/http/routes.h"
#include "tests/serving/http/running_server.h"

using namespace step3;
using namespace step3::serving::http;
using namespace step3::serving::http::testing;
using namespace std::chrono_literals;

TEST_CASE("small routes") {
    const RunningServer running;
    for (const char* path : {"/health", "/ready", "/ping"}) {
        const Response response = running.get(path);
        CHECK(response.status == 200);
        CHECK(response.body.empty());
    }
    auto client = running.connect();
    client.send("POST /ping HTTP/1.1\r\nHost: test\r\nContent-Length: 0\r\n\r\n");
    CHECK(client.read().status == 200);
    CHECK(running.get("/version").json() == Json{{"version", STEP3_VERSION}});
    const Response metrics = running.get("/metrics");
    CHECK(metrics.status == 200);
    CHECK(metrics.header("content-type") == "text/plain; version=0.0.4; charset=utf-8");
    CHECK_THAT(metrics.body,
               Catch::Contains("\nvllm:num_requests_running{engine=\"0\",model_name=\"scripted\"} 0.0\n"));
    // Routes that watch the server are not counted, the others are.
    CHECK_THAT(metrics.body, !Catch::Contains("handler=\"/ping\""));
    CHECK(running.get("/v1/nothing").status == 404);
    CHECK(running.post(kChat, kHello).status == 200);
    const std::string counted = running.get("/metrics").body;
    CHECK_THAT(counted, Catch::Contains("http_requests_total{handler=\"none\",method=\"GET\",status=\"4xx\"} 1.0\n"));
    CHECK_THAT(counted, Catch::Contains("http_request_size_bytes_sum{handler=\"/v1/chat/completions\"} " +
                                        std::to_string(std::string(kHello).size()) + ".0\n"));
    CHECK_THAT(counted, Catch::Contains("\nprocess_resident_memory_bytes "));
    CHECK(running.get("/v1/step3/stats").json().contains("kv"));
    CHECK(running.get("/load").json() == Json::parse(R"({"server_load":0})"));
    const Json list = running.get("/v1/models").json();
    CHECK(list["object"] == "list");
    CHECK(list["data"][0]["id"] == "scripted");
    CHECK(list["data"][0]["max_model_len"] == 100);
    CHECK(list["data"][0]["permission"].size() == 1);
    CHECK(running.get("/v1/models/scripted").json() == list["data"][0]);
    CHECK(running.get("/v1/models/%73cripted?x=1").status == 200);
    const Response missing = running.get("/v1/models/other");
    CHECK(missing.status == 404);
    CHECK(missing.json()["error"]["message"] == "The model `other` does not exist.");
}

TEST_CASE("the model can be served under another name, which may hold a slash") {
    ServerOptions options;
    options.modelName = "team/step3";
    const RunningServer running(options);
    CHECK(running.get("/v1/models").json()["data"][0]["id"] == "team/step3");
    CHECK(running.get("/v1/models/team/step3").status == 200);
    CHECK(running.get("/v1/models/team%2Fstep3").status == 200);
    CHECK(running.post(kChat, R"({"model":"team/step3","messages":[{"role":"user","content":"hi"}]})").status == 200);
    CHECK(running.post(kChat, R"({"model":"scripted","messages":[{"role":"user","content":"hi"}]})").status == 404);
}

TEST_CASE("unknown routes and methods") {
    const RunningServer running;
    for (const char* path : {"/", "/v1", "/v1/models/", "/v1/embeddings", "/v1/messages", "/healthz", "/V1/models"}) {
        const Response response = running.get(path);
        INFO(path);
        CHECK(response.status == 404);
        CHECK(response.body == R"({"detail":"Not Found"})");
    }
    const Response response = running.get(kChat);
    CHECK(response.status == 405);
    CHECK(response.body == R"({"detail":"Method Not Allowed"})");
    CHECK(response.header("allow") == "POST");
    auto client = running.connect();
    client.send("DELETE /v1/models HTTP/1.1\r\nHost: test\r\n\r\n");
    CHECK(client.read().status == 405);
}

TEST_CASE("the document of the API lists the routes there are, and no others") {
    const Json& paths = openApi().at("paths");
    std::size_t methods = 0;
    for (const RouteEntry& entry : routeEntries()) {
        INFO(entry.path);
        REQUIRE(paths.contains(std::string(entry.path)));
        for (const auto& [method, operation] : paths.at(std::string(entry.path)).items()) {
            std::string upper;
            for (const char c : method) upper += static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
            CHECK(entry.methods.find(upper) != std::string_view::npos);
            CHECK(operation.contains("requestBody") == entry.takesJson);
            ++methods;
        }
    }
    CHECK(paths.size() == routeEntries().size());
    CHECK(methods == routeEntries().size() + 1);  // /ping has two
    const RunningServer running;
    CHECK(running.get("/openapi.json").json() == openApi());
}

TEST_CASE("HEAD has the header of GET and no body") {
    const RunningServer running;
    auto client = running.connect();
    client.send("HEAD /v1/models HTTP/1.1\r\nHost: test\r\n\r\n");
    const Response head = client.read(true);
    CHECK(head.status == 200);
    client.get("/v1/models");
    const Response get = client.read();
    CHECK(head.header("content-length") == std::to_string(get.body.size()));
}

TEST_CASE("a connection is kept and requests may be sent ahead") {
    RunningServer running;
    auto client = running.connect();
    for (int i = 0; i < 3; ++i) {
        client.get("/version");
        CHECK(client.read().status == 200);
    }
    // Three at once: answers come in order, whatever takes longer.
    running.engine.setScript(silent());
    client.post(kChat, kHello);
    client.get("/version");
    client.post(kChat, kHelloStream);
    const auto first = running.engine.call(0);
    answer({"one"})(running.engine, first);
    CHECK(client.read().json()["choices"][0]["message"]["content"] == "one");
    CHECK(client.read().json().contains("version"));
    answer({"two"})(running.engine, running.engine.call(1));
    CHECK(client.read().body.find("two") != std::string::npos);
    client.get("/version", "Connection: close\r\n");
    CHECK(client.read().header("connection") == "close");
    CHECK(client.ended());
}

TEST_CASE("HTTP/1.0 gets an answer and the end of the connection") {
    const RunningServer running;
    auto client = running.connect();
    client.send(
        std::string("POST /v1/chat/completions HTTP/1.0\r\nContent-Type: application/json\r\nContent-Length: ") +
        std::to_string(std::string(kHelloStream).size()) + "\r\n\r\n" + kHelloStream);
    const Response response = client.read();
    CHECK(response.header("transfer-encoding").empty());
    CHECK(sseData(response.body).back() == "[DONE]");
    auto kept = running.connect();
    kept.send("GET /version HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    CHECK(kept.read().header("connection") == "keep-alive");
    kept.send("GET /version HTTP/1.0\r\n\r\n");
    CHECK(kept.read().status == 200);
    CHECK(kept.ended());
}

TEST_CASE("chunked bodies, bodies in pieces, and Expect") {
    const RunningServer running;
    auto client = running.connect();
    client.send(
        "POST /detokenize HTTP/1.1\r\nHost: test\r\nContent-Type: Application/JSON; charset=utf-8\r\n"
        "Transfer-Encoding: chunked\r\n\r\n");
    for (const char* piece : {"7\r\n{\"token\r\n", "3\r\ns\":\r\n", "6\r\n[2,3]}\r\n", "0\r\n\r\n"}) client.send(piece);
    CHECK(client.read().json()["prompt"] == "ab");
    const std::string body = R"({"tokens":[4]})";
    client.send(
        "POST /detokenize HTTP/1.1\r\nHost: test\r\nContent-Type: application/json\r\nExpect: 100-continue\r\n"
        "Content-Length: " +
        std::to_string(body.size()) + "\r\n\r\n");
    CHECK(client.read().status == 100);
    for (const char c : body) client.send(std::string(1, c));
    CHECK(client.read().json()["prompt"] == "c");
}

TEST_CASE("the content type must be JSON") {
    const RunningServer running;
    auto client = running.connect();
    client.send(
        "POST /v1/chat/completions HTTP/1.1\r\nHost: test\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\n{}");
    const Response response = client.read();
    CHECK(response.status == 400);
    CHECK(response.json()["error"] ==
          Json::parse(R"({"message":"expected the Content-Type application/json, found another or none",
        "type":"Bad Request","param":null,"code":400})"));
}

TEST_CASE("what is too large is refused before it is read") {
    ServerOptions options;
    options.limits.bodyBytes = 1000;
    options.limits.headerBytes = 2000;
    const RunningServer running(options);
    const Response declared = running.post(kChat, std::string(1001, ' '));
    CHECK(declared.status == 413);
    CHECK(declared.json()["error"]["message"] == "the request body has 1001 bytes, this server takes at most 1000");
    auto chunked = running.connect();
    chunked.send(
        "POST /v1/chat/completions HTTP/1.1\r\nHost: t\r\nContent-Type: application/json\r\n"
        "Transfer-Encoding: chunked\r\n\r\n3e9\r\n" +
        std::string(1001, ' ') + "\r\n0\r\n\r\n");
    CHECK(chunked.read().status == 413);
    CHECK(chunked.ended());
    const Response header = running.get("/version", "X-Long: " + std::string(3000, 'x') + "\r\n");
    CHECK(header.status == 431);
    CHECK(header.json()["error"]["message"] == "the header is larger than 2000 bytes");
    auto garbage = running.connect();
    garbage.send("\x16\x03\x01 this is no HTTP\r\n\r\n");
    CHECK(garbage.read().status == 400);
    CHECK(garbage.ended());
}

TEST_CASE("bodies together take no more memory than they may") {
    ServerOptions options;
    options.limits.allBodiesBytes = 1500;
    RunningServer running(options);
    auto slow = running.connect();
    slow.send(
        "POST /detokenize HTTP/1.1\r\nHost: t\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{");
    auto other = running.connect();
    for (int i = 0;; ++i) {  // until the first header has been read
        other.post("/detokenize", R"({"tokens":[)" + std::string(900, ' ') + "]}");
        const Response response = other.read();
        if (response.status == 503) {
            CHECK(response.json()["error"]["type"] == "ServiceUnavailableError");
            CHECK(response.header("retry-after") == "1");
            break;
        }
        REQUIRE(i < 1000);
        std::this_thread::sleep_for(5ms);
    }
    slow.send(R"("tokens":[2])" + std::string(1000 - 14, ' ') + "}");
    CHECK(slow.read().status == 200);
    CHECK(running.post("/detokenize", R"({"tokens":[)" + std::string(900, ' ') + "]}").status == 200);
}

TEST_CASE("clients that dawdle are cut off: header, body, idle") {
    ServerOptions options;
    options.limits.header = 100ms;
    options.limits.body = 100ms;
    options.limits.idle = 100ms;
    options.limits.wholeBody = 400ms;
    const RunningServer running(options);
    auto silentOne = running.connect();
    CHECK(silentOne.ended());
    auto header = running.connect();
    header.send("GET /version HTTP/1.1\r\nHost:");
    CHECK(header.ended());
    auto body = running.connect();
    body.send("POST /tokenize HTTP/1.1\r\nHost: t\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{");
    CHECK(body.ended());
    // A byte now and then does not help: header and body have a deadline as a whole.
    auto drip = running.connect();
    drip.send(
        "POST /tokenize HTTP/1.1\r\nHost: t\r\nContent-Type: application/json\r\nContent-Length: 1000000\r\n\r\n");
    std::thread feeder([&] {
        for (int i = 0; i < 100; ++i) {
            drip.send(" ");
            std::this_thread::sleep_for(20ms);
        }
    });
    CHECK(drip.ended());
    feeder.join();
}

TEST_CASE("connections beyond the limit are closed, and there is room again") {
    ServerOptions options;
    options.limits.connections = 2;
    const RunningServer running(options);
    auto first = running.connect();
    first.get("/version");
    CHECK(first.read().status == 200);
    {
        auto second = running.connect();
        second.get("/version");
        CHECK(second.read().status == 200);
        auto third = running.connect();
        CHECK(third.ended());
    }
    for (int i = 0; i < 1000; ++i) {
        auto fourth = running.connect();
        fourth.get("/version");
        if (!fourth.ended()) return;
        std::this_thread::sleep_for(5ms);
    }
    FAIL("no room again");
}

TEST_CASE("many idle connections are held at once") {
    const RunningServer running;
    std::vector<std::unique_ptr<HttpClient>> idle;
    for (int i = 0; i < 400; ++i) {
        idle.push_back(std::make_unique<HttpClient>(running.server().port()));
        idle.back()->get("/version");
        CHECK(idle.back()->read().status == 200);
    }
    for (const auto& client : idle) {
        client->get("/version");
        CHECK(client->read().status == 200);
    }
}

TEST_CASE("keys: any of several, constant routes stay open, nothing is shown in the log") {
    ServerOptions options;
    options.apiKeys = {"alpha-key", "beta-key"};
    const RunningServer running(options);
    const auto with = [&](const std::string& authorization) {
        return running.get("/v1/models", "Authorization: " + authorization + "\r\n").status;
    };
    CHECK(with("Bearer alpha-key") == 200);
    CHECK(with("bearer beta-key") == 200);
    CHECK(with("BEARER  beta-key") == 200);
    for (const char* wrong : {"Bearer", "Bearer ", "Bearer alpha-ke", "Bearer alpha-key2", "Basic alpha-key",
                              "alpha-key", "Bearer ALPHA-KEY"}) {
        INFO(wrong);
        CHECK(with(wrong) == 401);
    }
    const Response response = running.post(kChat, kHello);
    CHECK(response.status == 401);
    CHECK(response.body == R"({"error":"Unauthorized"})");
    CHECK(response.header("www-authenticate") == "Bearer");
    for (const char* guarded : {"/v1/nothing", "/v1", "/v2/models", "/inference/v1", "/cohere/v2/embed"}) {
        CHECK(running.get(guarded).status == 401);
    }
    CHECK(running.get("/v12").status == 404);
    auto asking = running.connect();
    asking.send("OPTIONS /v1/models HTTP/1.1\r\nHost: t\r\n\r\n");
    CHECK(asking.read().status == 405);
    for (const char* open : {"/health", "/version", "/load", "/metrics", "/openapi.json"})
        CHECK(running.get(open).status == 200);
    CHECK(running.post("/detokenize", R"({"tokens":[2]})").status == 200);
    CHECK(running.post(kChat, kHello, "Authorization: Bearer alpha-key\r\n").status == 200);
    for (const std::string& line : running.log()) CHECK(line.find("-key") == std::string::npos);
    options.apiKeys = {""};
    CHECK_THROWS_WITH(RunningServer(options), "API key: expected text, found none");
    options.apiKeys = {"a b"};
    CHECK_THROWS_WITH(RunningServer(options), "API key: expected printable ASCII without spaces");
}

TEST_CASE("other origins are shut out unless they are named") {
    const std::string preflight =
        "OPTIONS /v1/chat/completions HTTP/1.1\r\nHost: t\r\nOrigin: https://page.example\r\n"
        "Access-Control-Request-Method: POST\r\n\r\n";
    const auto ask = [&](const RunningServer& running) {
        auto client = running.connect();
        client.send(preflight);
        return client.read();
    };
    const RunningServer closed;
    CHECK(ask(closed).status == 400);
    CHECK(ask(closed).body == "Disallowed CORS origin");
    CHECK(closed.get("/version", "Origin: https://page.example\r\n").header("access-control-allow-origin").empty());

    ServerOptions options;
    options.allowedOrigins = {"https://page.example"};
    options.apiKeys = {"k"};
    const RunningServer open(options);
    const Response allowed = ask(open);  // never needs a key
    CHECK(allowed.status == 200);
    CHECK(allowed.header("access-control-allow-origin") == "https://page.example");
    CHECK(allowed.header("access-control-allow-methods") == "GET, POST");
    CHECK(allowed.header("access-control-allow-headers") == "*, Authorization");
    CHECK(allowed.header("vary") == "Origin");
    CHECK(open.get("/version", "Origin: https://page.example\r\n").header("access-control-allow-origin") ==
          "https://page.example");
    CHECK(open.get("/version", "Origin: https://evil.example\r\n").header("access-control-allow-origin").empty());
    options.allowedOrigins = {"*"};
    CHECK(ask(RunningServer(options)).header("access-control-allow-origin") == "*");
    options.allowedOrigins = {"page.example"};
    CHECK_THROWS_WITH(RunningServer(options),
                      "allowed origin: expected \"*\" or scheme://host[:port], found \"page.example\"");
}

TEST_CASE("request ids are echoed if they are plain, else made") {
    const RunningServer running;
    CHECK(running.get("/version", "X-Request-Id: a-1.B_2\r\n").header("x-request-id") == "a-1.B_2");
    CHECK(running.get("/version", "X-Request-Id: t:1/{\"x\"}\r\n").header("x-request-id") == "t:1/{\"x\"}");
    const std::string made = running.get("/version", "X-Request-Id: a b\r\n").header("x-request-id");
    CHECK(made.size() == 32);
    CHECK(running.get("/version").header("x-request-id") != made);
}

TEST_CASE("one line of JSON a request, without what was said") {
    ServerOptions options;
    RunningServer running(options);
    const std::string secret = R"({"messages":[{"role":"user","content":"my secret"}]})";
    running.post(kChat, secret, "X-Request-Id: r1\r\n");
    running.get("/nowhere/my%20secret");
    running.post(kChat, R"({"messages":[]})");
    running.post(kChat, R"({"messages":[],"model":")" + std::string(100'000, 'm') + R"("})");
    std::vector<std::string> lines;
    for (int i = 0; lines.size() < 4 && i < 2000; ++i) {
        lines = running.log();
        std::this_thread::sleep_for(1ms);
    }
    REQUIRE(lines.size() == 4);
    const Json first = Json::parse(lines[0]);
    CHECK(first["request_id"] == "r1");
    CHECK(first["remote"] == "127.0.0.1");
    CHECK(first["method"] == "POST");
    CHECK(first["route"] == kChat);
    CHECK(first["status"] == 200);
    CHECK(first["finish_reason"] == "stop");
    CHECK(first["prompt_tokens"] == 5);
    CHECK(first["completion_tokens"] == 2);
    CHECK(first["stream"] == false);
    CHECK(Json::parse(lines[1])["route"] == "unknown");
    CHECK(Json::parse(lines[2])["error"] == "messages must not be empty");
    CHECK(Json::parse(lines[3])["error"].get<std::string>().size() == kLoggedErrorBytes);
    for (const std::string& line : lines) {
        CHECK(line.find("secret") == std::string::npos);
        CHECK(line.find('\n') == std::string::npos);
    }
    options.logPrompts = true;
    RunningServer open(options);
    open.post(kChat, secret);
    for (int i = 0; open.log().empty() && i < 2000; ++i) std::this_thread::sleep_for(1ms);
    CHECK(Json::parse(open.log().at(0))["body"] == secret);
}
