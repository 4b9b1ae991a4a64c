// Admission, order, memory and the end of requests.

#include <atomic>
#include <thread>

#include <catch2/catch.hpp>

#include "tests/serving/scheduler_machine.h"

using namespace step3;
using namespace step3::serving;
using namespace step3::serving::testing;

TEST_CASE("what can never fit is refused with figures") {
    Machine context(alphabet, {.maxPositions = 4, .kvTokens = 1000});
    CHECK_THROWS_WITH(
        context.submit("abcd"),
        "This model's maximum context length is 4 tokens, but the prompt has 4 and needs room for 1 more");
    Request demanding;
    demanding.sampling.minTokens = 3;
    CHECK_THROWS_WITH(
        context.submit("ab", demanding),
        "This model's maximum context length is 4 tokens, but the prompt has 2 and needs room for 3 more");
    Machine memory(alphabet, {.maxPositions = 1000, .kvTokens = 4});
    try {
        memory.submit("abcde");
        FAIL("accepted");
    } catch (const Error& error) {
        CHECK(error.code() == ErrorCode::kResourceExhausted);
        CHECK(std::string(error.what()) ==
              "The KV memory's size is 4 tokens, but the prompt has 5 and needs room for 1 more");
    }
}

TEST_CASE("a prompt is read in chunks while answers go on") {
    std::vector<std::vector<std::size_t>> steps;  // of the scheduler thread; read after its end
    Gate gate;
    {
        Machine machine(alphabet, {.maxPositions = 1000, .kvTokens = 1000, .prefillChunk = 4},
                        [&](FakePipeline& pipeline) {
                            pipeline.beforeStep = [&](const std::vector<std::size_t>& counts) {
                                steps.push_back(counts);
                                if (steps.size() == 2) gate.pass();
                            };
                        });
        machine.submit("u");
        gate.waitForGuest();  // the first request decodes
        machine.submit("aaaaaaaaau");
        gate.open();
        CHECK(textOf(machine.log.wait(0)) == "vwxyz");
        const auto events = machine.log.wait(1);
        CHECK(textOf(events) == "vwxyz");
        std::vector<std::int32_t> done;
        for (const Event& event : events) {
            if (const auto* progress = std::get_if<PrefillProgress>(&event)) done.push_back(progress->done);
        }
        CHECK(done == std::vector<std::int32_t>{0, 4, 8, 10});
    }
    REQUIRE(steps.size() >= 6);
    CHECK(steps[0] == std::vector<std::size_t>{1});
    CHECK(steps[2] == std::vector<std::size_t>{1, 4});
    CHECK(steps[3] == std::vector<std::size_t>{1, 4});
    CHECK(steps[4] == std::vector<std::size_t>{1, 2});
    CHECK(steps[5] == std::vector<std::size_t>{1, 1});
}

TEST_CASE("a prompt is read by the chunk, but beside an answer little at first") {
    std::vector<std::vector<std::size_t>> steps;
    Gate gate;
    {
        Machine machine(alphabet, {.maxPositions = 1000, .kvTokens = 1000, .prefillChunk = 30},
                        [&](FakePipeline& pipeline) {
                            pipeline.beforeStep = [&](const std::vector<std::size_t>& counts) {
                                steps.push_back(counts);
                                if (steps.size() == 3) gate.pass();
                            };
                        });
        machine.submit(std::string(40, 'a') + "u");
        gate.waitForGuest();  // the first request decodes
        machine.submit(std::string(40, 'b') + "u");
        gate.open();
        for (std::size_t i = 0; i < 2; ++i) CHECK(textOf(machine.log.wait(i)) == "vwxyz");
    }
    REQUIRE(steps.size() >= 4);
    CHECK(steps[0] == std::vector<std::size_t>{30});
    CHECK(steps[1] == std::vector<std::size_t>{11});
    CHECK(steps[3] == std::vector<std::size_t>{1, ReadingPace::kLeastTokens});
}

TEST_CASE("two prompts share the chunk, the older first") {
    std::vector<std::vector<std::size_t>> steps;
    Gate gate;
    {
        Machine machine(alphabet, {.maxPositions = 1000, .kvTokens = 1000, .prefillChunk = 5},
                        [&](FakePipeline& pipeline) {
                            pipeline.beforeStep = [&](const std::vector<std::size_t>& counts) {
                                if (steps.empty()) gate.pass();
                                steps.push_back(counts);
                            };
                        });
        machine.submit("z");
        gate.waitForGuest();
        machine.submit("aaz");
        machine.submit("aaaaz");
        gate.open();
        for (std::size_t i = 0; i < 3; ++i) CHECK(textOf(machine.log.wait(i)).empty());
    }
    REQUIRE(steps.size() == 3);
    CHECK(steps[1] == std::vector<std::size_t>{3, 2});
    CHECK(steps[2] == std::vector<std::size_t>{3});
}

TEST_CASE("cancel ends a running answer within a token") {
    Machine* self = nullptr;
    std::atomic<int> texts = 0;
    RequestId id = 0;
    std::mutex idMutex;
    Machine machine(sameAgain, {.maxPositions = 1000000, .kvTokens = 1000000});
    self = &machine;
    std::unique_lock lock(idMutex);
    id = machine.submit("k", {}, [&](const Event& event) {  // cancels from its own sink, on the scheduler thread
        if (!std::holds_alternative<TextDelta>(event)) return;
        if (++texts == 3) {
            const std::lock_guard wait(idMutex);
            self->scheduler->cancel(id);
        }
    });
    lock.unlock();
    const auto events = machine.log.wait();
    CHECK(finishedOf(events).reason == FinishReason::kCancelled);
    CHECK(textOf(events) == "kkk");
    machine.scheduler->cancel(id);  // finished: ignored
    machine.scheduler->cancel(987654);
}

TEST_CASE("cancel while the prompt is being read, and while queued") {
    Gate gate;
    Machine machine(alphabet, {.maxPositions = 1000, .kvTokens = 1000, .maxRunning = 1, .prefillChunk = 2},
                    [&](FakePipeline& pipeline) { pipeline.beforeStep = [&](const auto&) { gate.pass(); }; });
    const RequestId reading = machine.submit("abcdefghij");
    gate.waitForGuest();
    const RequestId queued = machine.submit("a");
    machine.scheduler->cancel(queued);
    machine.scheduler->cancel(reading);
    gate.open();
    const auto events = machine.log.wait(0);
    CHECK(finishedOf(events).reason == FinishReason::kCancelled);
    CHECK(std::get<PrefillProgress>(events[events.size() - 2]).done == 2);  // one chunk, not the rest
    CHECK(finishedOf(machine.log.wait(1)).reason == FinishReason::kCancelled);
    CHECK(machine.log.wait(1).size() == 1);
    CHECK(finishedOf(machine.log.wait(1)).usage.completionTokens == 0);
}

TEST_CASE("a full queue refuses, then has room again") {
    Gate gate;
    Machine machine(alphabet, {.maxPositions = 100, .kvTokens = 100, .maxRunning = 1, .maxWaiting = 1},
                    [&](FakePipeline& pipeline) { pipeline.beforeStep = [&](const auto&) { gate.pass(); }; });
    machine.submit("y");
    gate.waitForGuest();
    machine.submit("y");
    CHECK(machine.scheduler->metrics().requestsWaiting == 1);
    CHECK(machine.scheduler->metrics().requestsRunning == 1);
    try {
        machine.submit("y");
        FAIL("accepted");
    } catch (const Error& error) {
        CHECK(error.code() == ErrorCode::kBusy);
        CHECK(std::string(error.what()) == "the queue is full: 2 requests are running or waiting");
    }
    gate.open();
    machine.log.wait(0);
    machine.log.wait(1);
    machine.submit("y");
    CHECK(textOf(machine.log.wait(3)) == "z");  // sink 2 belonged to the refused one
}

TEST_CASE("requests wait for KV memory and are admitted in order") {
    std::vector<std::size_t> widths;
    {
        // 26 letters make at most 27 cached tokens a request; 32 tokens of margin beside another: two do not fit.
        Machine machine(alphabet, {.maxPositions = 1000, .kvTokens = 40}, [&](FakePipeline& pipeline) {
            pipeline.beforeStep = [&](const auto& counts) { widths.push_back(counts.size()); };
        });
        for (int i = 0; i < 3; ++i) machine.submit("abcdefgh");
        for (std::size_t i = 0; i < 3; ++i) CHECK(textOf(machine.log.wait(i)) == "ijklmnopqrstuvwxyz");
        const Metrics metrics = machine.scheduler->metrics();
        CHECK(metrics.requestsFinished == 3);
        CHECK(metrics.kvTokensCapacity == 40);
    }
    CHECK(*std::max_element(widths.begin(), widths.end()) == 1);
}

TEST_CASE("when answers outgrow the KV memory the youngest reads again and its text goes on unbroken") {
    for (const std::int64_t page : {1, 4}) {
        Machine machine(alphabet, {.maxPositions = 1000, .kvTokens = 40, .kvPageTokens = page, .maxRunning = 2});
        Gate gate;  // the first answer waits for the second request, so that both grow side by side
        machine.submit("a", {}, [&](const Event&) { gate.pass(); });
        gate.waitForGuest();
        machine.submit("b");
        gate.open();
        CHECK(textOf(machine.log.wait(0)) == "bcdefghijklmnopqrstuvwxyz");
        CHECK(textOf(machine.log.wait(1)) == "cdefghijklmnopqrstuvwxyz");
        const Metrics metrics = machine.scheduler->metrics();
        CHECK(metrics.preemptions > 0);
        CHECK(metrics.promptTokens == 2);  // not counted again
        CHECK(metrics.generationTokens == 26 + 25);
        CHECK(metrics.kvTokensUsed == 0);
    }
}

TEST_CASE("image rows take the places of their tokens, chunk by chunk, in order") {
    std::vector<float> seen;
    std::atomic<int> encoded = 0;
    const auto picture = [](std::uint8_t value) {
        return std::make_shared<const image::Image>(image::Image{1, 1, {value, value, value}});
    };
    Machine machine([](const auto&) { return kEos; },
                    {.maxPositions = 100, .kvTokens = 100, .prefillChunk = 3, .imageCacheBytes = 1000},
                    [&](FakePipeline& pipeline) {
                        pipeline.onEmbeddings = [&](std::span<const float> rows) {
                            seen.insert(seen.end(), rows.begin(), rows.end());
                        };
                    },
                    [&](const image::Image& image) {
                        ++encoded;
                        const auto value = static_cast<float>(image.rgb[0]);
                        return std::vector<float>{value, value + 0.5F};
                    });
    const auto submit = [&] {
        Prompt prompt;
        prompt.tokens.ids = {0, kPatch, kPatch, 1, kPatch, kPatch, 2};
        prompt.tokens.rowPositions = {1, 2, 4, 5};
        prompt.tokens.pictureRows = {2, 2};
        prompt.tokens.imageTokens = 4;
        prompt.images = {picture(100), picture(200)};
        machine.scheduler->submit(std::move(prompt), {}, machine.log.sink());
    };
    submit();
    CHECK(finishedOf(machine.log.wait(0)).usage.imageTokens == 4);
    CHECK(seen == std::vector<float>{0, 100, 100.5F, 1, 200, 200.5F});  // the last chunk, {2}, has no rows
    CHECK(encoded == 2);
    seen.clear();
    submit();  // equal pixels in another object
    machine.log.wait(1);
    CHECK(seen.size() == 6);
    CHECK(encoded == 2);
    CHECK(machine.scheduler->metrics().imageCacheHits == 2);
    CHECK(machine.scheduler->metrics().imagesEncoded == 2);
}

TEST_CASE("a picture that cannot be encoded or has the wrong size fails its request only") {
    Machine machine([](const auto&) { return kEos; }, {.maxPositions = 100, .kvTokens = 100}, {},
                    [](const image::Image& image) -> std::vector<float> {
                        if (image.rgb[0] == 1) throw Error(ErrorCode::kInvalidData, "no picture");
                        return {1, 2, 3};
                    });
    for (const std::uint8_t value : {1, 2}) {
        Prompt prompt;
        prompt.tokens.ids = {kPatch};
        prompt.tokens.rowPositions = {0};
        prompt.tokens.pictureRows = {1};
        prompt.images = {std::make_shared<const image::Image>(image::Image{1, 1, {value, 0, 0}})};
        machine.scheduler->submit(std::move(prompt), {}, machine.log.sink());
    }
    CHECK(failedOf(machine.log.wait(0)).message == "no picture");
    CHECK(failedOf(machine.log.wait(0)).code == ErrorCode::kInvalidData);
    CHECK(failedOf(machine.log.wait(1)).message == "the vision encoder made 3 values, expected 1");
    machine.submit("a");
    CHECK(finishedOf(machine.log.wait(2)).reason == FinishReason::kStop);
}

TEST_CASE("cancel takes effect between two pictures") {
    Gate gate;
    std::atomic<int> encoded = 0;
    Machine machine([](const auto&) { return kEos; }, {.maxPositions = 100, .kvTokens = 100}, {},
                    [&](const image::Image&) {
                        ++encoded;
                        gate.pass();
                        return std::vector<float>{1};
                    });
    Prompt prompt;
    prompt.tokens.ids = {kPatch, kPatch};
    prompt.tokens.rowPositions = {0, 1};
    prompt.tokens.pictureRows = {1, 1};
    for (const std::uint8_t value : {1, 2}) {
        prompt.images.push_back(std::make_shared<const image::Image>(image::Image{1, 1, {value, 0, 0}}));
    }
    const RequestId id = machine.scheduler->submit(std::move(prompt), {}, machine.log.sink());
    gate.waitForGuest();
    machine.scheduler->cancel(id);
    gate.open();
    CHECK(finishedOf(machine.log.wait()).reason == FinishReason::kCancelled);
    CHECK(encoded == 1);
}

TEST_CASE("a picture being waited for does not hold up other answers") {
    Gate gate;
    Machine machine(alphabet, {.maxPositions = 100, .kvTokens = 100}, {}, [&](const image::Image& image) {
        if (image.rgb[0] == 2) gate.pass();
        return std::vector<float>{1};
    });
    Prompt prompt;
    prompt.tokens.ids = {kPatch, kPatch};
    prompt.tokens.rowPositions = {0, 1};
    prompt.tokens.pictureRows = {1, 1};
    for (const std::uint8_t value : {1, 2}) {
        prompt.images.push_back(std::make_shared<const image::Image>(image::Image{1, 1, {value, 0, 0}}));
    }
    machine.submit("u", {}, [&](const Event& event) {  // its first letter opens the way for the second picture
        const auto* delta = std::get_if<TextDelta>(&event);
        if (delta != nullptr && delta->text == "v") gate.open();
    });
    machine.scheduler->submit(std::move(prompt), {}, machine.log.sink());
    CHECK(textOf(machine.log.wait(0)) == "vwxyz");
    CHECK(finishedOf(machine.log.wait(1)).reason == FinishReason::kStop);
}

TEST_CASE("the end of the scheduler cancels what runs and what waits") {
    EventLog log;
    Gate gate;
    auto pipeline = std::make_unique<FakePipeline>(kVocab, sameAgain);
    pipeline->beforeStep = [&](const auto&) { gate.pass(); };
    auto scheduler = std::make_unique<Scheduler>(SchedulerModel{std::move(pipeline), {}, letters(), {kEos}, 1, kVocab},
                                                 SchedulerLimits{.maxPositions = 100000, .maxRunning = 1});
    const auto submit = [&] {
        Prompt prompt;
        prompt.tokens.ids = {1};
        scheduler->submit(std::move(prompt), {}, log.sink());
    };
    submit();
    gate.waitForGuest();
    submit();
    submit();
    gate.open();
    scheduler.reset();
    CHECK(log.finishedCount() == 3);
    for (std::size_t i = 0; i < 3; ++i) CHECK(finishedOf(log.wait(i)).reason == FinishReason::kCancelled);
}

TEST_CASE("many threads submit, cancel and read metrics at once") {
    Machine machine(alphabet,
                    {.maxPositions = 1000, .kvTokens = 200, .maxRunning = 4, .maxWaiting = 100, .prefillChunk = 3});
    std::vector<EventSink> sinks;
    constexpr std::size_t kThreads = 4, kEach = 8;
    for (std::size_t i = 0; i < kThreads * kEach; ++i) sinks.push_back(machine.log.sink());
    std::vector<std::thread> threads;
    for (std::size_t t = 0; t < kThreads; ++t) {
        threads.emplace_back([&, t] {
            for (std::size_t i = 0; i < kEach; ++i) {
                Prompt prompt;
                prompt.tokens.ids = {static_cast<std::int32_t>(i), static_cast<std::int32_t>(t)};
                const RequestId id = machine.scheduler->submit(std::move(prompt), {}, sinks[t * kEach + i]);
                if (i % 3 == 0) machine.scheduler->cancel(id);
                static_cast<void>(machine.scheduler->metrics());
            }
        });
    }
    for (std::thread& thread : threads) thread.join();
    const std::string all = "abcdefghijklmnopqrstuvwxyz";
    for (std::size_t t = 0; t < kThreads; ++t) {
        for (std::size_t i = 0; i < kEach; ++i) {
            const auto events = machine.log.wait(t * kEach + i);
            const std::string expected = all.substr(t + 1);
            if (finishedOf(events).reason == FinishReason::kCancelled) {
                CHECK(i % 3 == 0);
                CHECK(expected.starts_with(textOf(events)));
            } else {
                CHECK(textOf(events) == expected);
            }
        }
    }
    CHECK(machine.scheduler->metrics().requestsFinished == kThreads * kEach);
}

TEST_CASE("a lower priority number goes first, equal ones in order of arrival") {
    std::vector<char> order;
    Gate gate;
    {
        Machine machine(alphabet, {.maxPositions = 100, .kvTokens = 100, .maxRunning = 1},
                        [&](FakePipeline& pipeline) { pipeline.beforeStep = [&](const auto&) { gate.pass(); }; });
        const auto submit = [&](const char* prompt, std::int32_t priority) {
            Request request;
            request.priority = priority;
            machine.submit(prompt, request, [&order, prompt](const Event& event) {
                if (std::holds_alternative<Finished>(event)) order.push_back(prompt[0]);
            });
        };
        submit("z", 0);
        gate.waitForGuest();
        submit("a", 5);
        submit("b", 0);
        submit("c", -1);
        submit("d", 0);
        gate.open();
        for (std::size_t i = 0; i < 5; ++i) machine.log.wait(i);
    }
    CHECK(order == std::vector<char>{'z', 'c', 'b', 'd', 'a'});
}

TEST_CASE("the less urgent request gives its memory back, though it came first") {
    Machine machine(alphabet, {.maxPositions = 1000, .kvTokens = 40, .maxRunning = 2});
    std::vector<char> order;
    Gate gate;  // the first answer waits for the second request, so that both grow side by side
    const auto submit = [&](const char* prompt, std::int32_t priority) {
        Request request;
        request.priority = priority;
        machine.submit(prompt, request, [&order, &gate, prompt](const Event& event) {
            gate.pass();
            if (std::holds_alternative<Finished>(event)) order.push_back(prompt[0]);
        });
    };
    submit("a", 1);
    gate.waitForGuest();
    submit("b", 0);
    gate.open();
    CHECK(textOf(machine.log.wait(0)) == "bcdefghijklmnopqrstuvwxyz");
    CHECK(textOf(machine.log.wait(1)) == "cdefghijklmnopqrstuvwxyz");
    machine.scheduler.reset();
    CHECK(order == std::vector<char>{'b', 'a'});
}
