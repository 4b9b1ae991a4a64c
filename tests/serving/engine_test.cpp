// The façade with the tiny golden checkpoints: random weights, real layout.

#include "engine/engine.h"

#include <algorithm>
#include <filesystem>
#include <fstream>

#include <catch2/catch.hpp>

#include "engine/json.h"
#include "engine/serving/markup_guard.h"
#include "tests/serving/fakes.h"

using namespace step3;
using namespace step3::serving::testing;

namespace {

const std::filesystem::path kGolden = std::filesystem::path(STEP3_TEST_DATA) / "golden";

OpenOptions options(const std::string& model) {
    OpenOptions result;
    result.model = kGolden / model;
    result.threads = 2;
    result.kvMemoryBytes = 256U << 20U;
    return result;
}

Request ask(const std::string& text, std::int32_t maxTokens = 12) {
    Request request;
    request.messages = {{"system", {{Message::Part::Kind::kText, "You are a helpful assistant.", nullptr}}, "", {}},
                        {"user", {{Message::Part::Kind::kText, text, nullptr}}, "", {}}};
    request.sampling.maxTokens = maxTokens;
    request.sampling.ignoreEos = true;
    return request;
}

Request askAbout(const std::string& file, std::int32_t maxTokens) {
    Request request = ask("Please describe.", maxTokens);
    auto picture = std::make_shared<const image::Image>(image::loadImage(kGolden / "images" / file));
    auto& parts = request.messages[1].parts;
    parts.insert(parts.begin(), {Message::Part::Kind::kImage, "", std::move(picture)});
    return request;
}

std::string wholeText(const std::vector<Event>& events) {
    return reasoningOf(events) + textOf(events);
}

}  // namespace

TEST_CASE("an opened model describes itself and reports its progress") {
    std::vector<double> fractions;
    const auto engine = Engine::open(options("tiny-bf16"), [&](double fraction) { fractions.push_back(fraction); });
    CHECK(engine->info().name == "tiny-bf16");
    CHECK(engine->info().vision);
    CHECK(engine->info().vocabSize > 0);
    CHECK(engine->info().maxContext > 0);
    CHECK(engine->info().parametersTotal > engine->info().parametersActive);
    CHECK(engine->info().parametersActive > 0);
    CHECK(engine->info().weightBytes > 0);
    CHECK(engine->tokenizer() != nullptr);
    REQUIRE_FALSE(fractions.empty());
    CHECK(std::is_sorted(fractions.begin(), fractions.end()));
    CHECK(fractions.back() == 1.0);
    CHECK(engine->defaultSampling().temperature == 0.0F);
}

TEST_CASE("opening can be cancelled and fails with a message") {
    std::stop_source stop;
    stop.request_stop();
    try {
        Engine::open(options("tiny-bf16"), {}, stop.get_token());
        FAIL("opened");
    } catch (const Error& error) {
        CHECK(error.code() == ErrorCode::kCancelled);
    }
    CHECK_THROWS_AS(Engine::open(options("no-such-model")), Error);
    OpenOptions noMemory = options("tiny-bf16");
    noMemory.kvMemoryBytes = 1000;
    CHECK_THROWS_WITH(Engine::open(noMemory), Catch::Contains("the KV memory has 1000 bytes"));
    OpenOptions noThreads = options("tiny-bf16");
    noThreads.threads = -1;
    CHECK_THROWS_WITH(Engine::open(noThreads), "threads must be at least 0, got -1");
}

TEST_CASE("the façade answers a picture as the reference does") {
    std::ifstream file(kGolden / "model" / "generation.json");
    const Json golden = Json::parse(file);
    EventLog log;
    for (const std::string model : {"tiny-bf16", "tiny-fp8"}) {
        OpenOptions exact = options(model);
        exact.kvFormat = kernels::KvFormat::kF32;
        const auto engine = Engine::open(exact);
        for (const auto& [name, expected] : golden[model].items()) {
            const bool isPicture = name.starts_with("image_") && name.find('+') == std::string::npos;
            if (!isPicture || !std::filesystem::exists(kGolden / "images" / name.substr(6)) || name.ends_with(".jpg"))
                continue;
            const auto tokens = expected["tokens"].get<std::vector<std::int32_t>>();
            const auto margins = expected["margins"].get<std::vector<double>>();
            const auto sure = static_cast<std::size_t>(
                std::find_if(margins.begin(), margins.end(), [](double margin) { return margin < 1e-3; }) -
                margins.begin());
            if (sure < 4) continue;
            INFO(model << " " << name);
            Request request = askAbout(name.substr(6), static_cast<std::int32_t>(sure));
            request.topLogprobs = 0;  // the ids, which text does not show
            EventLog own;
            engine->submit(request, own.sink());
            const auto events = own.wait();
            CHECK(finishedOf(events).usage.promptTokens == expected["prompt_tokens"].get<int>());
            CHECK(finishedOf(events).usage.imageTokens > 0);
            std::vector<std::int32_t> ids;
            for (const Event& event : events) {
                const std::vector<TokenLogprob>* logprobs = nullptr;
                if (const auto* text = std::get_if<TextDelta>(&event)) logprobs = &text->logprobs;
                if (const auto* reasoning = std::get_if<ReasoningDelta>(&event)) logprobs = &reasoning->logprobs;
                for (std::size_t i = 0; logprobs != nullptr && i < logprobs->size(); ++i)
                    ids.push_back((*logprobs)[i].id);
            }
            CHECK(ids == std::vector<std::int32_t>(tokens.begin(), tokens.begin() + static_cast<std::ptrdiff_t>(sure)));
        }
    }
}

TEST_CASE("requests at once answer as each does alone") {
    const auto engine = Engine::open(options("tiny-fp8"));
    const std::vector<std::string> questions{"Hello", "What is 2+2?", "天气如何？",
                                             "A somewhat longer question about nothing."};
    std::vector<std::string> alone;
    for (const std::string& question : questions) {
        EventLog log;
        engine->submit(ask(question), log.sink());
        alone.push_back(wholeText(log.wait()));
        CHECK_FALSE(alone.back().empty());
    }
    EventLog log;
    for (const std::string& question : questions) engine->submit(ask(question), log.sink());
    for (std::size_t i = 0; i < questions.size(); ++i) CHECK(wholeText(log.wait(i)) == alone[i]);
    const Metrics metrics = engine->metrics();
    CHECK(metrics.requestsFinished == 8);
    CHECK(metrics.generationTokens == 8 * 12);
    CHECK(metrics.attentionBusySeconds > 0);
    CHECK(metrics.ffnBusySeconds > 0);
    CHECK(metrics.kvTokensUsed == 0);
}

TEST_CASE("a small KV memory gives the same answers, later") {
    OpenOptions small = options("tiny-fp8");
    const auto roomy = Engine::open(small);
    small.kvMemoryBytes = roomy->info().kvBytesPerToken * 64 * 3;  // three pages
    const auto tight = Engine::open(small);
    EventLog log;
    for (int i = 0; i < 3; ++i) roomy->submit(ask("Hello", 40), log.sink());
    for (int i = 0; i < 3; ++i) tight->submit(ask("Hello", 40), log.sink());
    for (std::size_t i = 1; i < 6; ++i) CHECK(wholeText(log.wait(i)) == wholeText(log.wait(0)));
    CHECK(tight->metrics().kvTokensCapacity == 192);
}

TEST_CASE("the chunk size does not change the answer") {
    std::vector<std::string> answers;
    for (const std::int32_t chunk : {1, 7, 256}) {
        OpenOptions chunked = options("tiny-fp8");
        chunked.prefillChunk = chunk;
        const auto engine = Engine::open(chunked);
        EventLog log;
        engine->submit(askAbout("a_64x48.png", 8), log.sink());
        answers.push_back(wholeText(log.wait()));
    }
    CHECK(answers[0] == answers[2]);
    CHECK(answers[1] == answers[2]);
}

TEST_CASE("drafts change neither tokens nor log-probabilities of the golden prompts, in every format of the weights") {
    std::ifstream file(kGolden / "chat" / "prompts.json");
    const Json cases = Json::parse(file).at("cases");
    std::vector<Request> requests;
    for (const Json& one : cases) {
        if (one.at("rendered").get<std::string>().find("<im_patch>") != std::string::npos) continue;
        Request request;
        request.promptIds = one.at("tiny_ids").get<std::vector<std::int32_t>>();
        request.sampling.maxTokens = 24;
        request.sampling.ignoreEos = true;
        request.topLogprobs = 1;
        request.tokenIds = true;
        requests.push_back(request);
    }
    REQUIRE(requests.size() > 5);
    std::uint64_t drafts = 0;
    const auto answers = [&](const OpenOptions& open, bool together) {
        const auto engine = Engine::open(open);
        EventLog log;
        for (std::size_t i = 0; i < requests.size(); ++i) {
            engine->submit(requests[i], log.sink());
            if (!together) log.wait(i);
        }
        Json all = Json::array();
        for (std::size_t i = 0; i < requests.size(); ++i) {
            for (const Event& event : log.wait(i)) {
                const auto* delta = std::get_if<TextDelta>(&event);
                if (delta == nullptr) continue;
                for (const TokenLogprob& logprob : delta->logprobs) {
                    all.push_back({i, logprob.id, logprob.logprob, logprob.top.at(0).id, logprob.top.at(0).logprob});
                }
            }
        }
        CHECK(all.size() == 24 * requests.size());
        drafts += engine->metrics().drafts;
        return all.dump();
    };
    for (const char* format : {"bf16", "fp8", "int8", "int4"}) {
        OpenOptions open = options("tiny-bf16");
        open.weights.formats = model::WeightFormats::all(*model::parseWeightFormat(format));
        open.draft.mode = DraftMode::kOff;
        const std::string expected = answers(open, false);
        open.draft = {.mode = DraftMode::kPromptLookup, .tokens = 4, .always = true};
        for (const bool together : {false, true}) {
            CAPTURE(format, together);
            CHECK(answers(open, together) == expected);
        }
    }
    CHECK(drafts > 0);
}

TEST_CASE("the same seed gives the same text, another seed another") {
    const auto engine = Engine::open(options("tiny-fp8"));
    const auto answer = [&](std::uint64_t seed) {
        Request request = ask("Hello", 20);
        request.sampling.temperature = 1.5F;
        request.sampling.seed = seed;
        EventLog log;
        engine->submit(request, log.sink());
        return wholeText(log.wait());
    };
    CHECK(answer(1) == answer(1));
    CHECK(answer(1) != answer(2));
}

TEST_CASE("a picture sent again is not encoded again") {
    OpenOptions noPrefixes = options("tiny-fp8");  // or its rows would not even be needed
    noPrefixes.prefixCache = false;
    const auto engine = Engine::open(noPrefixes);
    EventLog log;
    engine->submit(askAbout("a_64x48.png", 3), log.sink());
    const std::string first = wholeText(log.wait(0));
    engine->submit(askAbout("a_64x48.png", 3), log.sink());
    CHECK(wholeText(log.wait(1)) == first);
    CHECK(engine->metrics().imagesEncoded == 1);
    CHECK(engine->metrics().imageCacheHits == 1);
}

TEST_CASE("what can be told at once is told at once") {
    const auto engine = Engine::open(options("tiny-fp8"));
    const auto submit = [&](const std::function<void(Request&)>& change) {
        Request request = ask("Hello");
        change(request);
        engine->submit(std::move(request), {});
    };
    CHECK_THROWS_WITH(submit([](Request& r) { r.sampling.temperature = 3; }), "temperature must be in [0, 2], got 3");
    CHECK_THROWS_WITH(submit([](Request& r) { r.topLogprobs = 21; }),
                      "top_logprobs must be in [0, 20], or -1 for none, got 21");
    CHECK_THROWS_WITH(submit([](Request& r) { r.messages.clear(); }), "messages must not be empty");
    CHECK_THROWS_WITH(submit([&](Request& r) { r.messages[1].parts[0].text = std::string(40000, 'x'); }),
                      Catch::Contains("maximum context length is " + std::to_string(engine->info().maxContext)));
    CHECK_NOTHROW(submit([](Request&) {}));  // a request without a reader
}

TEST_CASE("the tokens of a prompt can be asked for, and be the prompt") {
    const auto engine = Engine::open(options("tiny-fp8"));
    const auto ids = engine->promptTokens(ask("Hello"));
    EventLog log;
    engine->submit(ask("Hello"), log.sink());
    CHECK(finishedOf(log.wait(0)).usage.promptTokens == static_cast<std::int32_t>(ids.size()));
    Request request;
    request.promptIds = ids;
    request.sampling = ask("Hello").sampling;
    engine->submit(request, log.sink());
    CHECK(textOf(log.wait(1)) == reasoningOf(log.wait(0)) + textOf(log.wait(0)));
}

TEST_CASE("without thinking the answer is content") {
    const auto engine = Engine::open(options("tiny-fp8"));
    Request request = ask("Hello");
    EventLog log;
    engine->submit(request, log.sink());
    request.think = false;
    engine->submit(request, log.sink());
    CHECK_FALSE(reasoningOf(log.wait(0)).empty());
    CHECK(finishedOf(log.wait(0)).usage.reasoningTokens > 0);
    CHECK(reasoningOf(log.wait(1)).empty());
    CHECK_FALSE(textOf(log.wait(1)).empty());
    CHECK(finishedOf(log.wait(1)).usage.reasoningTokens == 0);
}

TEST_CASE("an engine that is destroyed ends its requests") {
    EventLog log;
    auto engine = Engine::open(options("tiny-fp8"));
    for (int i = 0; i < 4; ++i) engine->submit(ask("Hello", 0), log.sink());
    engine.reset();
    CHECK(log.finishedCount() == 4);
    for (std::size_t i = 0; i < 4; ++i) static_cast<void>(finishedOf(log.wait(i)));
}
