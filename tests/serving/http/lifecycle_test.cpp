// What happens over time: loading, clients that leave or stick, backpressure, shutdown.

#include <catch2/catch.hpp>
#include <sys/socket.h>

#include "tests/serving/http/running_server.h"

using namespace step3;
using namespace step3::serving::http;
using namespace step3::serving::http::testing;
using namespace std::chrono_literals;

namespace {

const Finished kDone{FinishReason::kStop, {}, {}, -1};

/// Emits text until the request is cancelled, a megabyte at most a millisecond.
void flood(ScriptedEngine& engine, RequestId id, std::size_t bytes) {
    const std::string piece(16 << 10, 'x');
    for (std::size_t sent = 0; sent < bytes && engine.cancels() == 0; sent += piece.size()) {
        engine.emit(id, TextDelta{piece, {}, {}});
        std::this_thread::sleep_for(100us);
    }
}

}  // namespace

TEST_CASE("while the model is loaded the server says so") {
    RunningServer running({}, false);
    CHECK(running.get("/health").status == 503);
    CHECK(running.get("/ready").header("retry-after") == "1");
    CHECK(running.get("/version").status == 200);
    CHECK(running.get("/v1/models").status == 503);
    const Response response = running.post(kChat, kHello);
    CHECK(response.status == 503);
    CHECK(response.json()["error"]["message"] == "the model is being loaded");
    running.attach();
    auto client = running.connect();
    for (int i = 0;; ++i) {
        client.get("/health");
        if (client.read().status == 200) break;
        REQUIRE(i < 1000);
    }
    CHECK(running.post(kChat, kHello).status == 200);
}

TEST_CASE("a client that leaves aborts its request, streaming or not") {
    RunningServer running;
    running.engine.setScript(silent());
    {
        auto client = running.connect();
        client.post(kChat, kHello);
        running.engine.call(0);
    }
    CHECK(running.engine.waitForCancels(1));
    {
        auto client = running.connect();
        client.post(kChat, kHelloStream);
        const auto call = running.engine.call(1);
        running.engine.emit(call.id, TextDelta{"first words", {}, {}});
        client.readUntil("first words");
    }
    CHECK(running.engine.waitForCancels(2));
    {
        auto client = running.connect();
        client.post(kChat, R"({"messages":[{"role":"user","content":"hi"}],"n":3,"temperature":1})");
        running.engine.call(4);
    }
    CHECK(running.engine.waitForCancels(5));
    for (int i = 0; running.log().size() < 3 && i < 2000; ++i) std::this_thread::sleep_for(1ms);
    CHECK(Json::parse(running.log()[0])["status"] == 499);
    CHECK(Json::parse(running.log()[0])["error"] == "the client disconnected");
    CHECK(Json::parse(running.log()[1])["finish_reason"] == "abort");
    CHECK(running.get("/load").json()["server_load"] == 0);
}

TEST_CASE("load counts what is being answered") {
    RunningServer running;
    running.engine.setScript(silent());
    auto client = running.connect();
    client.post(kChat, kHello);
    running.engine.call(0);
    CHECK(running.get("/load").json()["server_load"] == 1);
    running.engine.emit(1, kDone);
    CHECK(client.read().status == 200);
    CHECK(running.get("/load").json()["server_load"] == 0);
}

TEST_CASE("a client that stops reading is cut off and its request aborted") {
    ServerOptions options;
    SECTION("because too much waits for it") {
        options.limits.queuedWriteBytes = 256 << 10;
    }
    SECTION("because nothing moves") {
        options.limits.write = 200ms;
    }
    RunningServer running(options);
    running.engine.setScript(silent());
    auto client = running.connect();
    client.post(kChat, kHelloStream);
    const auto call = running.engine.call(0);
    // More than the system's own buffers hold.
    flood(running.engine, call.id, 64 << 20);
    CHECK(running.engine.waitForCancels(1));
    CHECK(running.get("/version").status == 200);
}

TEST_CASE("a stream that waits for its turn says that it lives") {
    ServerOptions options;
    options.limits.ping = 30ms;
    RunningServer running(options);
    running.engine.setScript(silent());
    auto client = running.connect();
    client.post(kChat, kHelloStream);
    client.readUntil(": keep-alive\n\n");
    client.readUntil(": keep-alive\n\n");
    running.engine.emit(1, TextDelta{"now", {}, {}});
    client.readUntil("now");
    running.engine.emit(1, kDone);
    client.readUntil("[DONE]");
}

TEST_CASE("a stopping server ends answers under way, takes nothing new, and is gone") {
    RunningServer running;
    running.engine.setScript(silent());
    auto idle = running.connect();
    idle.get("/version");
    CHECK(idle.read().status == 200);
    auto client = running.connect();
    client.post(kChat, kHelloStream);
    const auto call = running.engine.call(0);
    running.engine.emit(call.id, TextDelta{"begin", {}, {}});
    client.readUntil("begin");
    running.stop();
    CHECK(idle.ended());
    running.engine.emit(call.id, TextDelta{" end", {}, {}});
    client.readUntil(" end");
    running.engine.emit(call.id, kDone);
    client.readUntil("[DONE]\n\n\r\n0\r\n\r\n");
    CHECK(client.ended());
    running.join();
    CHECK(running.engine.cancels() == 0);
}

TEST_CASE("while answers end a stopping server says on new connections that it stops") {
    RunningServer running;
    running.engine.setScript(silent());
    auto client = running.connect();
    client.post(kChat, kHelloStream);
    const auto call = running.engine.call(0);
    running.engine.emit(call.id, TextDelta{"begin", {}, {}});
    client.readUntil("begin");
    running.stop();
    auto probe = running.connect();
    probe.get("/health");
    CHECK(probe.read().status == 503);
    CHECK(probe.ended());
    auto late = running.connect();
    late.post(kChat, kHello);
    const Response refused = late.read();
    CHECK(refused.status == 503);
    CHECK(refused.headers.at("retry-after") == "1");
    CHECK(refused.json()["error"]["message"] == "the server is stopping");
    auto silentOne = running.connect();  // never asks for anything
    running.engine.emit(call.id, kDone);
    client.readUntil("[DONE]");
    running.join();  // waits for no connection without a request
    CHECK(silentOne.ended());
}

TEST_CASE("after the time of grace answers are cut short and say so") {
    ServerOptions options;
    options.limits.stopGrace = 50ms;
    RunningServer running(options);
    running.engine.setScript(silent());
    auto stream = running.connect();
    stream.post(kChat, kHelloStream);
    running.engine.call(0);
    auto whole = running.connect();
    whole.post(kChat, kHello);
    running.engine.call(1);
    running.stop();
    const std::string rest = stream.readUntil("[DONE]");
    CHECK(rest.find(R"("finish_reason":"abort")") != std::string::npos);
    const Response response = whole.read();
    CHECK(response.status == 503);
    CHECK(response.json()["error"]["message"] == "the server stopped before the answer ended");
    running.join();
    CHECK(running.engine.cancels() == 2);
}

TEST_CASE("a second stop does not wait, not even for a client that is stuck") {
    ServerOptions options;
    options.limits.stopGrace = 1h;
    options.limits.write = 1h;
    options.limits.queuedWriteBytes = 1U << 30;
    RunningServer running(options);
    running.engine.setScript(silent());
    auto client = running.connect();
    client.post(kChat, kHelloStream);
    const auto call = running.engine.call(0);
    for (int i = 0; i < 1024; ++i) running.engine.emit(call.id, TextDelta{std::string(16 << 10, 'x'), {}, {}});
    running.stop();
    running.stop();
    running.join();  // hangs if it does wait
    CHECK(running.engine.cancels() == 1);
}

TEST_CASE("a server that never ran ends") {
    ScriptedEngine engine;
    ServerOptions options;
    options.port = 0;
    Server server(options);
    server.attach(engine);
    CHECK(server.port() != 0);
    CHECK(server.url() == "http://127.0.0.1:" + std::to_string(server.port()));
    ServerOptions taken;
    taken.port = server.port();
    CHECK_THROWS_WITH(Server(taken), Catch::Contains("cannot listen on 127.0.0.1, port " + std::to_string(taken.port)));
}
