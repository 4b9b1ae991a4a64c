// What counting costs: the calls that record one decode step, against the time of such a step, for answers side by
// side; and what one reading of /metrics costs.
//   step3_metrics_bench MODEL_FOLDER [THREADS]

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <string>
#include <vector>

#include "engine/afd/pipeline.h"
#include "engine/engine.h"
#include "engine/metrics/prometheus.h"
#include "engine/metrics/recorder.h"

using namespace step3;

namespace {

using metrics::Clock;

constexpr std::int32_t kTokens = 400;  // of each answer
constexpr int kRounds = 5;

double microsecondsSince(Clock::time_point start) {
    return std::chrono::duration<double, std::micro>(Clock::now() - start).count();
}

double median(std::vector<double> values) {
    std::sort(values.begin(), values.end());
    return values[values.size() / 2];
}

/// Microseconds of a step that decodes `answers` tokens, reading the prompts left out.
double stepTime(Engine& engine, std::size_t answers) {
    Request request;
    request.rawPrompt = "The";
    request.sampling.maxTokens = kTokens;
    request.sampling.ignoreEos = true;
    request.sampling.temperature = 0;
    std::mutex mutex;
    std::condition_variable ended;
    std::size_t left = answers;
    std::size_t begun = 0;
    Clock::time_point start;
    std::vector<EventSink> sinks(answers, [&, seen = false](const Event& event) mutable {
        const std::lock_guard lock(mutex);
        if (!seen && std::holds_alternative<TextDelta>(event)) {
            seen = true;
            if (++begun == answers) start = Clock::now();
        }
        if (std::holds_alternative<Finished>(event) || std::holds_alternative<Failed>(event)) {
            if (--left == 0) ended.notify_all();
        }
    });
    const std::uint64_t before = engine.metrics().steps;
    engine.submitChoices(request, std::move(sinks));
    std::unique_lock lock(mutex);
    ended.wait(lock, [&] { return left == 0; });
    const double spent = microsecondsSince(start);
    return spent / static_cast<double>(engine.metrics().steps - before);
}

/// Microseconds of the calls with which the scheduler records a step (Scheduler::turn).
double recordTime(const ModelInfo& model, std::size_t answers) {
    metrics::Recorder recorder(model.maxContext);
    recorder.kvLayout(1000, 64);
    std::mutex mutex;
    afd::PipelineStats stats;
    const std::int64_t layers = model.moeLayers.empty() ? 0 : model.moeLayers.back() + 1;
    stats.expertTokens.resize(static_cast<std::size_t>(layers * model.experts));
    const auto roleSeconds = [&] {
        const std::lock_guard lock(mutex);
        const afd::PipelineStats copy = stats;
        return metrics::RoleSeconds{copy.attentionSeconds, copy.ffnSeconds, copy.linkSeconds, copy.lmHeadSeconds};
    };
    constexpr int kSteps = 20'000;
    const Clock::time_point start = Clock::now();
    for (int i = 0; i < kSteps; ++i) {
        recorder.load({answers, 0, 1000, answers, 0});
        stats.attentionSeconds += 1e-4;
        recorder.step(answers, false, roleSeconds());
        recorder.sampled(1e-5, false);
        for (std::size_t j = 0; j < answers; ++j) recorder.nextToken(Clock::now(), 1e-3);
        recorder.load({answers, 0, 1000, answers, 0});
    }
    return microsecondsSince(start) / kSteps;
}

void pageTime(const Engine& engine) {
    metrics::Reporter reporter;
    reporter.modelName = engine.info().name;
    constexpr int kPages = 200;
    std::size_t bytes = 0;
    const Clock::time_point start = Clock::now();
    for (int i = 0; i < kPages; ++i) {
        metrics::PrometheusWriter out;
        metrics::writeEngineMetrics(out, engine.metrics(), engine.info(), reporter);
        bytes = out.text().size();
    }
    std::printf("a reading of the engine's series: %.0f us, %zu bytes\n", microsecondsSince(start) / kPages, bytes);
}

void run(const char* folder, int threads) {
    OpenOptions options;
    options.model = folder;
    options.threads = threads;
    options.kvMemoryBytes = 256ULL << 20;
    options.draft.mode = DraftMode::kOff;
    const auto engine = Engine::open(options);
    std::printf("%s, %d threads; medians of %d rounds\n", engine->info().name.c_str(), threads, kRounds);
    for (const std::size_t answers : {std::size_t{1}, std::size_t{8}, std::size_t{32}}) {
        std::vector<double> step, record;
        for (int round = 0; round < kRounds; ++round) {
            step.push_back(stepTime(*engine, answers));
            record.push_back(recordTime(engine->info(), answers));
        }
        std::printf("%2zu answers: step %8.1f us, recording %6.2f us, %.2f %%\n", answers, median(step), median(record),
                    100 * median(record) / median(step));
    }
    pageTime(*engine);
}

}  // namespace

int main(int argc, char** argv) {
    if (argc < 2 || argc > 3) {
        std::fputs("usage: step3_metrics_bench MODEL_FOLDER [THREADS]\n", stderr);
        return 2;
    }
    try {
        run(argv[1], argc > 2 ? std::atoi(argv[2]) : 2);
    } catch (const Error& error) {
        std::fprintf(stderr, "%s\n", error.what());
        return 1;
    }
    return 0;
}
