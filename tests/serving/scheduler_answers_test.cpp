// What the scheduler makes of a step's logits.

#include <cmath>
#include <stdexcept>

#include <catch2/catch.hpp>

#include "tests/serving/scheduler_machine.h"

using namespace step3;
using namespace step3::serving;
using namespace step3::serving::testing;

TEST_CASE("a request reports progress, text and one end, in this order") {
    Machine machine;
    machine.submit("uv");
    const auto events = machine.log.wait();
    CHECK(textOf(events) == "wxyz");
    std::size_t stage = 0;
    for (const Event& event : events) {
        const std::size_t now = std::holds_alternative<PrefillProgress>(event) ? 0
                                : std::holds_alternative<TextDelta>(event)     ? 1
                                                                               : 2;
        CHECK(now >= stage);
        stage = now;
    }
    const auto* first = std::get_if<PrefillProgress>(&events.front());
    REQUIRE(first != nullptr);
    CHECK(first->done == 0);
    CHECK(first->total == 2);
    const Finished finished = finishedOf(events);
    CHECK(finished.reason == FinishReason::kStop);
    CHECK(finished.usage.promptTokens == 2);
    CHECK(finished.usage.completionTokens == 5);  // the stop token counts
    CHECK(finished.usage.ttftSeconds > 0);
    CHECK(finished.usage.tpotSeconds >= 0);
}

TEST_CASE("the token limit ends an answer, and so does the context") {
    Machine machine(sameAgain, {.maxPositions = 12, .kvTokens = 1000});
    machine.submit("k", limited(3));
    CHECK(textOf(machine.log.wait(0)) == "kkk");
    CHECK(finishedOf(machine.log.wait(0)).reason == FinishReason::kLength);
    machine.submit("k");
    CHECK(textOf(machine.log.wait(1)) == std::string(11, 'k'));
    CHECK(finishedOf(machine.log.wait(1)).reason == FinishReason::kLength);
    machine.submit("kk", limited(500));  // an upper bound, not a demand
    CHECK(textOf(machine.log.wait(2)) == std::string(10, 'k'));
}

TEST_CASE("stop strings, found across tokens, are cut off") {
    Machine machine;
    Request request;
    request.sampling.stop = {"fgh"};
    machine.submit("a", request);
    CHECK(textOf(machine.log.wait(0)) == "bcde");
    const Finished finished = finishedOf(machine.log.wait(0));
    CHECK(finished.reason == FinishReason::kStop);
    CHECK(finished.stopString == "fgh");
    CHECK(finished.usage.completionTokens == 7);

    request.sampling.stop = {"xyq"};  // begins like the text, but does not come
    machine.submit("u", request);
    CHECK(textOf(machine.log.wait(1)) == "vwxyz");
    CHECK(finishedOf(machine.log.wait(1)).stopString.empty());
}

TEST_CASE("stop tokens, ignored EOS and the least number of tokens") {
    Machine machine;
    Request stop;
    stop.sampling.stopTokenIds = {3};  // d
    machine.submit("a", stop);
    CHECK(textOf(machine.log.wait(0)) == "bc");
    CHECK(finishedOf(machine.log.wait(0)).stopTokenId == 3);

    Request ignore = limited(4);
    ignore.sampling.ignoreEos = true;
    machine.submit("y", ignore);  // z, then EOS for ever: special, so without text
    CHECK(textOf(machine.log.wait(1)) == "z");
    CHECK(finishedOf(machine.log.wait(1)).reason == FinishReason::kLength);
    CHECK(finishedOf(machine.log.wait(1)).usage.completionTokens == 4);

    Request least = limited(6);
    least.sampling.minTokens = 3;
    machine.submit("z", least);  // EOS is banned three times: the lowest id of the rest, a, then its followers
    CHECK(textOf(machine.log.wait(2)) == "abcdef");
    CHECK(finishedOf(machine.log.wait(2)).stopTokenId == -1);
}

TEST_CASE("a failed request fails alone") {
    Machine machine(alphabet, {.maxPositions = 100, .kvTokens = 100},
                    [&](FakePipeline& pipeline) { pipeline.poison = kPoison; });
    machine.submit("m");
    machine.submit("ab<poison>");
    machine.submit("n");
    CHECK(textOf(machine.log.wait(0)) == "nopqrstuvwxyz");
    CHECK(failedOf(machine.log.wait(1)).message == "poisoned");
    CHECK(textOf(machine.log.wait(2)) == "opqrstuvwxyz");
    machine.submit("y");
    CHECK(textOf(machine.log.wait(3)) == "z");
    const Metrics metrics = machine.scheduler->metrics();
    CHECK(metrics.requestsFailed == 1);
    CHECK(metrics.requestsFinished == 3);
    CHECK(metrics.requestsRunning == 0);
}

TEST_CASE("an exception from a sink ends only that request") {
    Machine machine;
    machine.submit("a", {}, [](const Event& event) {
        if (std::holds_alternative<TextDelta>(event)) throw std::runtime_error("the reader is gone");
    });
    machine.submit("y");
    CHECK(textOf(machine.log.wait(1)) == "z");
    machine.submit("x");
    CHECK(textOf(machine.log.wait(2)) == "yz");
    CHECK(machine.log.finishedCount() == 2);  // the first got nothing after its exception
}

TEST_CASE("log-probabilities come with the text, one for each token") {
    Machine machine;
    Request request;
    request.topLogprobs = 2;
    request.sampling.stop = {"zz"};  // holds the last letter back
    machine.submit("w", request);
    const auto events = machine.log.wait();
    std::vector<TokenLogprob> all;
    for (const Event& event : events) {
        if (const auto* delta = std::get_if<TextDelta>(&event))
            all.insert(all.end(), delta->logprobs.begin(), delta->logprobs.end());
    }
    REQUIRE(all.size() == 4);  // x, y, z and the end
    CHECK(all[0].bytes == "x");
    CHECK(all[3].id == kEos);
    REQUIRE(all[0].top.size() == 2);
    CHECK(all[0].top[0].id == all[0].id);
    CHECK(all[0].logprob == Approx(10 - std::log(std::exp(10.0) + kVocab - 1)));
    CHECK(all[0].top[1].logprob < -9);
}

TEST_CASE("several answers share a prompt that is read once, each with its own end") {
    std::vector<std::vector<std::size_t>> steps;
    {
        Machine machine(alphabet, {.maxPositions = 1000, .kvTokens = 1000, .prefillChunk = 4},
                        [&](FakePipeline& pipeline) {
                            pipeline.beforeStep = [&](const auto& counts) { steps.push_back(counts); };
                        });
        Prompt prompt;
        prompt.tokens.ids = letters()->encode("abcdewx");
        std::vector<EventSink> sinks;
        for (int i = 0; i < 3; ++i) sinks.push_back(machine.log.sink());
        const auto ids = machine.scheduler->submit(prompt, Request{}, std::move(sinks));
        CHECK(ids.size() == 3);
        for (std::size_t i = 0; i < 3; ++i) {
            CHECK(textOf(machine.log.wait(i)) == "yz");
            CHECK(finishedOf(machine.log.wait(i)).usage.promptTokens == 7);
        }
        const Metrics metrics = machine.scheduler->metrics();
        CHECK(metrics.finishedStop == 3);
        CHECK(metrics.histograms.choices.count() == 1);  // one question for three answers
        CHECK(metrics.histograms.choices.sum() == 3);
        CHECK(metrics.histograms.mostGenerated.sum() == 3);  // y, z and the end
    }
    CHECK(steps[0] == std::vector<std::size_t>{4});  // the others wait for the first
    CHECK(steps[1] == std::vector<std::size_t>{3});
}

TEST_CASE("answers to one prompt draw with seeds of their own") {
    // Every token as likely as any other, so that the text shows the seed.
    Machine machine([](const auto& history) { return static_cast<std::int32_t>(history.size() % 26); });
    Request request = limited(30);
    request.sampling.temperature = 2.0F;
    request.sampling.ignoreEos = true;
    for (std::int32_t id = 0; id < 26; ++id) request.sampling.logitBias[id] = 20.0F;
    request.sampling.seed = 5;
    Prompt prompt;
    prompt.tokens.ids = {1};
    std::vector<EventSink> sinks{machine.log.sink(), machine.log.sink()};
    machine.scheduler->submit(prompt, request, std::move(sinks));
    request.sampling.seed = 6;
    machine.submit("b", request);
    CHECK(textOf(machine.log.wait(0)) != textOf(machine.log.wait(1)));
    CHECK(textOf(machine.log.wait(1)) == textOf(machine.log.wait(2)));
}

TEST_CASE("all answers to a prompt are queued or none") {
    Gate gate;
    Machine machine(alphabet, {.maxPositions = 100, .kvTokens = 100, .maxRunning = 1, .maxWaiting = 1},
                    [&](FakePipeline& pipeline) { pipeline.beforeStep = [&](const auto&) { gate.pass(); }; });
    Prompt prompt;
    prompt.tokens.ids = {24};
    CHECK_THROWS_AS(machine.scheduler->submit(prompt, Request{}, std::vector<EventSink>(3)), Error);
    CHECK(machine.scheduler->metrics().requestsWaiting == 0);
    gate.open();
    machine.submit("y");
    CHECK(textOf(machine.log.wait()) == "z");
}

TEST_CASE("when the first of several answers is cancelled the others read the prompt") {
    Gate gate;
    Machine machine(alphabet, {.maxPositions = 100, .kvTokens = 100, .prefillChunk = 1},
                    [&](FakePipeline& pipeline) { pipeline.beforeStep = [&](const auto&) { gate.pass(); }; });
    Prompt prompt;
    prompt.tokens.ids = {0, 1, 24};
    std::vector<EventSink> sinks{machine.log.sink(), machine.log.sink()};
    const auto ids = machine.scheduler->submit(prompt, Request{}, std::move(sinks));
    gate.waitForGuest();
    machine.scheduler->cancel(ids[0]);
    gate.open();
    CHECK(finishedOf(machine.log.wait(0)).reason == FinishReason::kCancelled);
    CHECK(textOf(machine.log.wait(1)) == "z");
}

TEST_CASE("thinking ends when its budget is spent") {
    Machine machine(sameAgain);
    for (const std::int32_t budget : {0, 3}) {
        Request request = limited(8);
        request.thinkingBudget = budget;
        Prompt prompt;
        prompt.tokens.ids = {10};
        prompt.startsInReasoning = true;
        machine.scheduler->submit(prompt, request, machine.log.sink());
        const auto events = machine.log.wait(budget == 0 ? 0 : 1);
        CHECK(reasoningOf(events) == std::string(static_cast<std::size_t>(budget), 'k'));
        CHECK(textOf(events) == std::string(static_cast<std::size_t>(7 - budget), 'k'));
        CHECK(finishedOf(events).usage.reasoningTokens == budget);
        CHECK(finishedOf(events).usage.completionTokens == 8);
    }
}

TEST_CASE("log-probabilities of the prompt come with its progress, over chunks and after preemption") {
    for (const std::int64_t memory : {1000, 30}) {
        Machine machine(alphabet, {.maxPositions = 1000, .kvTokens = memory, .maxRunning = 2, .prefillChunk = 3});
        machine.submit("a", limited(20));
        Request request = limited(2);
        request.promptLogprobs = 1;
        request.tokenIds = true;
        machine.submit("abcdefgz", request);
        const auto events = machine.log.wait(1);
        std::vector<TokenLogprob> all;
        std::vector<std::int32_t> ids;
        for (const Event& event : events) {
            if (const auto* progress = std::get_if<PrefillProgress>(&event)) {
                all.insert(all.end(), progress->logprobs.begin(), progress->logprobs.end());
                ids.insert(ids.end(), progress->tokenIds.begin(), progress->tokenIds.end());
            }
        }
        CHECK(ids == std::vector<std::int32_t>{0, 1, 2, 3, 4, 5, 6, 25});
        REQUIRE(all.size() == 8);
        CHECK(all[0].rank == 0);
        CHECK(all[0].bytes == "a");
        for (std::size_t i = 1; i < 8; ++i) {
            CHECK(all[i].id == ids[i]);
            CHECK(all[i].rank == (i < 7 ? 1 : 2));  // z does not follow g; all that do not are equal
            CHECK(all[i].top.size() == 1);
        }
        CHECK(all[7].top[0].bytes == "h");
    }
}
