#include "engine/metrics/recorder.h"

#include <atomic>
#include <thread>

#include <catch2/catch.hpp>

using namespace step3;
using namespace step3::metrics;

TEST_CASE("recorder: what ended, by reason, and its times") {
    Recorder recorder(1000);
    EndedRequest ended;
    ended.usage = {.promptTokens = 100,
                   .cachedTokens = 64,
                   .completionTokens = 5,
                   .queueSeconds = 1,
                   .prefillSeconds = 2,
                   .decodeSeconds = 4,
                   .ttftSeconds = 3,
                   .tpotSeconds = 1};
    ended.totalSeconds = 7;
    ended.admitted = true;
    ended.maxTokens = 50;
    for (const FinishReason reason : {FinishReason::kStop, FinishReason::kToolCalls, FinishReason::kLength,
                                      FinishReason::kCancelled, FinishReason::kError}) {
        ended.reason = reason;
        recorder.ended(ended);
    }
    EndedRequest neverAdmitted;
    neverAdmitted.reason = FinishReason::kCancelled;
    neverAdmitted.usage.promptTokens = 10;
    recorder.ended(neverAdmitted);
    const Metrics metrics = recorder.read();
    CHECK(metrics.requestsFinished == 5);
    CHECK(metrics.requestsFailed == 1);
    CHECK(metrics.finishedStop == 2);
    CHECK(metrics.finishedLength == 1);
    CHECK(metrics.finishedCancelled == 2);
    CHECK(metrics.lastTpotSeconds == 1);
    const Histograms& h = metrics.histograms;
    CHECK(h.endToEnd.count() == 6);
    CHECK(h.inference.count() == 5);
    CHECK(h.inference.sum() == Approx(5 * 6));
    CHECK(h.prefill.sum() == Approx(5 * 2));
    CHECK(h.decode.sum() == Approx(5 * 4));
    CHECK(h.prefillComputed.sum() == Approx(5 * 36));
    CHECK(h.timePerToken.count() == 5);
    CHECK(h.choices.count() == 0);
    recorder.answered(3, 40);
    CHECK(recorder.read().histograms.choices.count() == 1);
    CHECK(recorder.read().histograms.choices.sum() == 3);
    CHECK(recorder.read().histograms.mostGenerated.sum() == 40);
}

TEST_CASE("recorder: idle time grows while it lasts") {
    Recorder recorder(1000);
    const auto waitBeyond = [&](double before) {
        double now = before;
        while (now <= before) now = recorder.read().idleSeconds;
        return now;
    };
    CHECK(recorder.read().idleSeconds == 0);
    recorder.idleBegins();
    const double during = waitBeyond(waitBeyond(0));
    recorder.idleEnds({});
    const double after = recorder.read().idleSeconds;
    CHECK(after >= during);
    CHECK(recorder.read().idleSeconds == after);
}

TEST_CASE("recorder: tokens, steps and load") {
    Recorder recorder(1000);
    recorder.kvLayout(10, 64);
    recorder.submitted(3);
    CHECK(recorder.read().requestsWaiting == 3);
    recorder.load({1, 2, 10, 4, 5});
    recorder.admitted(200, 128);
    recorder.promptRead(200, 128);
    recorder.firstToken(0.5);
    recorder.nextToken(Clock::now(), 0.02);
    recorder.nextToken(Clock::now(), 0.04);
    recorder.step(200, true, {0.1, 0.2, 0, 0.02});
    recorder.sampled(0.003, true);
    recorder.step(1, false, {0.11, 0.23, 0, 0.024});
    recorder.sampled(0.001, false);
    recorder.imageEncoded(0.3);
    recorder.imagesFound(2);
    recorder.refused();
    recorder.preempted();
    recorder.drafting("mtp", 3);
    recorder.drafted(3);
    for (const std::size_t place : {0, 1, 2}) recorder.draftAccepted(place);
    recorder.drafted(3);
    recorder.drafted(2);
    recorder.draftAccepted(0);
    const Metrics m = recorder.read();
    CHECK(m.draftMethod == "mtp");
    CHECK(m.drafts == 3);
    CHECK(m.draftTokens == 8);
    CHECK(m.draftTokensAccepted == 4);
    CHECK(m.draftAcceptedAt == std::vector<std::uint64_t>{2, 1, 1});
    CHECK(m.requestsRunning == 1);
    CHECK(m.requestsWaiting == 2);
    CHECK(m.kvTokensCapacity == 640);
    CHECK(m.kvTokensUsed == 256);
    CHECK(m.kvBlocksCached == 5);
    CHECK(m.prefixQueryTokens == 200);
    CHECK(m.prefixHitTokens == 128);
    CHECK(m.promptTokens == 200);
    CHECK(m.promptCachedTokens == 128);
    CHECK(m.generationTokens == 3);
    CHECK(m.lastTtftSeconds == 0.5);
    CHECK(m.histograms.interToken.count() == 2);
    CHECK(m.histograms.timeToFirstToken.count() == 1);
    CHECK(m.histograms.iterationTokens.sum() == 201);
    CHECK(m.histograms.attentionStage[0].sum() == Approx(0.08));  // without the LM head
    CHECK(m.histograms.attentionStage[1].sum() == Approx(0.006));
    CHECK(m.histograms.lmHeadStage[0].sum() == Approx(0.02));
    CHECK(m.histograms.lmHeadStage[1].sum() == Approx(0.004));
    CHECK(m.histograms.samplingStage[0].sum() == Approx(0.003));
    CHECK(m.histograms.samplingStage[1].sum() == Approx(0.001));
    CHECK(m.samplingSeconds == Approx(0.004));
    CHECK(m.histograms.visionStage.sum() == Approx(0.3));
    CHECK(m.histograms.ffnStage[1].sum() == Approx(0.03));
    REQUIRE(m.tokenTimes.size() == 2);
    CHECK(m.tokenTimes[0].count == 2);
    CHECK(m.tokenTimes[0].p99 == Approx(0.04));
    CHECK(m.imagesEncoded == 1);
    CHECK(m.imageCacheHits == 2);
    CHECK(m.requestsRefused == 1);
    CHECK(m.preemptions == 1);
    CHECK(m.steps == 2);
}

TEST_CASE("recorder: readers and writers at once lose nothing") {
    Recorder recorder(1000);
    std::atomic<bool> done = false;
    std::thread reader([&] {
        while (!done) {
            const Metrics m = recorder.read();
            // A token is counted in both places or in neither.
            if (m.generationTokens != m.histograms.interToken.count()) std::abort();
        }
    });
    std::vector<std::thread> writers;
    for (int t = 0; t < 3; ++t) {
        writers.emplace_back([&] {
            for (int i = 0; i < 2000; ++i) recorder.nextToken(Clock::now(), 0.01);
        });
    }
    for (std::thread& writer : writers) writer.join();
    done = true;
    reader.join();
    CHECK(recorder.read().generationTokens == 6000);
}
