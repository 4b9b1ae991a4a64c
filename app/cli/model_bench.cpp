#include "app/cli/model_bench.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <span>

#include <sys/resource.h>

#include "app/cli/memory_bandwidth.h"
#include "app/cli/multiply_add_rate.h"
#include "engine/afd/pipeline.h"
#include "engine/model/expert_cache.h"
#include "engine/model/summary.h"
#include "engine/model/weights.h"
#include "kernels/gemm/panels.h"

namespace step3::cli {
namespace {

constexpr std::int64_t kChunk = 512;  // tokens a step when the context is filled
constexpr std::int64_t kWarmUp = 2;   // steps

struct Time {
    double wall = 0, cpu = 0;
};

template <typename Work>
Time timed(const Work& work) {
    const auto start = std::chrono::steady_clock::now();
    const double cpu = processCpuSeconds();
    work();
    return {std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count(), processCpuSeconds() - cpu};
}

/// Bytes of weights that a step of `batch` tokens reads if their experts are independent and equally likely.
double bytesOfStep(const model::Checkpoint& weights, std::int64_t batch) {
    const model::TextConfig& text = weights.config().text;
    const double missed = 1.0 - static_cast<double>(text.topK) / static_cast<double>(text.numExperts);
    const double hit = static_cast<double>(text.numExperts) * (1.0 - std::pow(missed, static_cast<double>(batch)));
    double bytes = 0;
    for (const model::TensorSpec& spec : weights.registry()) {
        const bool read = spec.role != model::TensorRole::kVision && spec.name != "model.embed_tokens.weight";
        if (!read || spec.shape.size() < 2) continue;
        const kernels::WeightView view = weights.matrix(spec.name);
        const double one =
            view.layout == kernels::Layout::kPanels
                ? static_cast<double>(kernels::panelMatrixBytes(view.dtype, view.n, view.k))
                : static_cast<double>(view.n * (kernels::rowBytes(view.dtype, view.k) +
                                                (view.groupScales != nullptr ? 2 * view.scaleStride : 0)));
        bytes += spec.shape.size() == 3 ? one * hit : one;
    }
    return bytes;
}

class ModelBench {
public:
    explicit ModelBench(const ModelBenchOptions& options) : options_(options), pool_(options.threads) {
        load_ = timed([&] {
            weights_ = model::openWeights(options.model, options.weights, pool_);
            const model::TextConfig& text = weights_->config().text;
            afd::CpuPipelineOptions pipeline;
            pipeline.kv.format = options.kvFormat;
            if (options.kvMemoryBytes > 0) {
                pipeline.kv.blocks =
                    attention::kvBlocksIn(options.kvMemoryBytes, text.numLayers, text.headDim, options.kvFormat);
            }
            pipeline_ = afd::Pipeline::createCpu(weights_, pool_, pipeline);
        });
    }

    Json run() {
        Json report = {{"isa", kernels::isaName(kernels::activeIsa())}, {"threads", pool_.threads()}};
        const model::TextConfig& text = weights_->config().text;
        report["kv_format"] = kernels::kvFormatName(options_.kvFormat);
        report["kv_bytes_per_token"] = attention::kvBytesPerToken(text.numLayers, text.headDim, options_.kvFormat);
        report["load_s"] = load_.wall;
        report["load_cpu_s"] = load_.cpu;
        double loadAverage = 0;
        if (::getloadavg(&loadAverage, 1) == 1) report["load_average"] = loadAverage;
        if (options_.prompt > 0) {
            const Time first = prompt();
            report["first_token_s"] = first.wall;
            setSpeed(report, "prompt_", options_.prompt, prompt());
        }
        if (options_.decode > 0) {
            const Time time = decode(report);
            setSpeed(report, "", options_.decode * options_.batch, time);
            const double seconds = time.wall / static_cast<double>(options_.decode);
            const double read = bytesOfStep(*weights_, options_.batch) / 1e9 / seconds;
            setExperts(report);
            setMemory(report);                                      // before the bandwidth test takes memory of its own
            if (weights_->expertCache() != nullptr) return report;  // not a matter of memory's bandwidth
            const double limit = readBandwidth(pool_);
            report["read_gb_per_s"] = read;
            report["roofline_fraction"] = read / limit;
            return report;
        }
        setMemory(report);
        setExperts(report);
        if (options_.prompt > 0) {
            setSpeed(report, "", options_.prompt, last_);
            const double reached = operationsOfPrompt() / 1e9 / last_.wall;
            report["gflop_per_s"] = reached;
            report["roofline_fraction"] = reached / multiplyAddRate(pool_);
        }
        return report;
    }

private:
    static void setMemory(Json& report) {
        rusage usage{};
        ::getrusage(RUSAGE_SELF, &usage);
        report["rss_mib"] = usage.ru_maxrss / 1024;
    }

    void setExperts(Json& report) const {
        if (weights_->expertCache() == nullptr) return;
        const model::ExpertCacheStats stats = weights_->expertCache()->stats();
        report["expert_cache"] = {{"places", stats.places},
                                  {"hits", stats.hits},
                                  {"misses", stats.misses},
                                  {"read_bytes", stats.bytesRead},
                                  {"wait_s", stats.waitSeconds}};
    }

    /// Multiplications and additions of the matrices, attention's scores left out; the LM head runs for the last token.
    [[nodiscard]] double operationsOfPrompt() const {
        const model::TextConfig& text = weights_->config().text;
        const auto head = static_cast<double>(text.vocabSize * text.hiddenSize);
        const auto active = static_cast<double>(model::summarize(*weights_).parametersActive);
        return 2 * ((active - head) * static_cast<double>(options_.prompt) + head);
    }

    void setSpeed(Json& report, const std::string& prefix, std::int64_t tokens, const Time& time) {
        last_ = time;
        report[prefix + "tokens_per_s"] = static_cast<double>(tokens) / time.wall;
        report[prefix + "tokens_per_s_cpu"] = static_cast<double>(tokens) / time.cpu;
        report[prefix + "wall_s"] = time.wall;
        report[prefix + "cpu_s"] = time.cpu;
    }

    std::vector<std::int32_t> ids(std::int64_t count) {
        std::vector<std::int32_t> ids(static_cast<std::size_t>(count));
        const auto vocab = static_cast<std::uint64_t>(weights_->config().text.vocabSize);
        for (std::int32_t& id : ids) id = static_cast<std::int32_t>(random_() % vocab);
        return ids;
    }

    void append(afd::Sequence& sequence, std::int64_t count) {
        const std::vector<std::int32_t> tokens = ids(count);
        const afd::StepEntry entry{&sequence, tokens, {}, false};
        pipeline_->step({&entry, 1});
    }

    Time prompt() {
        const auto sequence = pipeline_->newSequence({});
        return timed([&] { append(*sequence, options_.prompt); });
    }

    Time decode(Json& report) {
        std::vector<std::unique_ptr<afd::Sequence>> sequences;
        for (std::int64_t b = 0; b < options_.batch; ++b) {
            sequences.push_back(pipeline_->newSequence({}));
            for (std::int64_t done = 0; done < options_.depth; done += kChunk)
                append(*sequences.back(), std::min(kChunk, options_.depth - done));
        }
        const auto step = [&] {
            const std::vector<std::int32_t> tokens = ids(options_.batch);
            std::vector<afd::StepEntry> entries;
            for (std::size_t b = 0; b < sequences.size(); ++b)
                entries.push_back({sequences[b].get(), std::span(tokens).subspan(b, 1), {}, false});
            pipeline_->step(entries);
        };
        const Time first = timed(step);
        if (!report.contains("first_token_s")) report["first_token_s"] = first.wall;
        for (std::int64_t i = 1; i < kWarmUp; ++i) step();
        return timed([&] {
            for (std::int64_t i = 0; i < options_.decode; ++i) step();
        });
    }

    ModelBenchOptions options_;
    kernels::ThreadPool pool_;
    std::shared_ptr<const model::Checkpoint> weights_;
    std::unique_ptr<afd::Pipeline> pipeline_;
    Time load_, last_;
    std::mt19937_64 random_{5};
};

}  // namespace

OpenOptions engineOptions(const ModelBenchOptions& options) {
    OpenOptions open;
    open.model = options.model;
    open.weights = options.weights;
    open.threads = options.threads;
    open.kvMemoryBytes = options.kvMemoryBytes;
    open.kvFormat = options.kvFormat;
    open.prefixCache = options.prefixCache;
    return open;
}

Json benchModel(const ModelBenchOptions& options) {
    return ModelBench(options).run();
}

std::string modelBenchText(const Json& report) {
    std::string text;
    const auto add = [&](const char* field, const char* format) {
        if (!report.contains(field) || !report[field].is_number()) return;
        char line[120];
        std::snprintf(line, sizeof line, format, report[field].get<double>());
        text += line;
    };
    text += "instruction set " + report["isa"].get<std::string>() + ", " + report["threads"].dump() + " threads";
    add("load_average", ", load average %.1f");
    text += '\n';
    add("open_s", "open            %.2f s\n");
    add("image_first_token_s", "picture asked   %.3f s to the first token");
    add("image_tokens", " (%.0f tokens of the picture)\n");
    add("first_turn_first_token_s", "conversation    %.3f s to the first token of the first turn");
    add("second_turn_first_token_s", ", %.3f s of the second\n");
    if (report.contains("draft_method")) {
        text += "drafts          " + report["draft_method"].get<std::string>();
        add("plain_tokens_per_s", ": %.0f tokens/s");
        add("plain_tokens_per_s_cpu", " (%.0f per CPU second) without,");
        add("draft_tokens_per_s", " %.0f");
        add("draft_tokens_per_s_cpu", " (%.0f) with,");
        add("draft_tokens_per_step", " %.2f tokens a step");
        add("draft_acceptance", ", %.2f of the guesses right");
        add("repeat_plain_tokens_per_s", "\nrepetitive text %.0f tokens/s");
        add("repeat_plain_tokens_per_s_cpu", " (%.0f per CPU second) without,");
        add("repeat_draft_tokens_per_s", " %.0f");
        add("repeat_draft_tokens_per_s_cpu", " (%.0f) with,");
        add("repeat_draft_tokens_per_step", " %.2f tokens a step");
        add("repeat_draft_acceptance", ", %.2f of the guesses right");
        text += '\n';
    }
    add("load_s", "load            %.2f s\n");
    add("first_token_s", "first token     %.3f s\n");
    add("prompt_tokens_per_s", "prompt          %.1f tokens/s");
    add("prompt_tokens_per_s_cpu", " (%.1f per CPU second)\n");
    if (report.contains("read_gb_per_s")) {
        add("tokens_per_s", "decode          %.1f tokens/s");
        add("tokens_per_s_cpu", " (%.1f per CPU second)\n");
        add("read_gb_per_s", "weights read    %.1f GB/s");
        add("roofline_fraction", ", %.2f of what the memory gives\n");
    } else {
        add("gflop_per_s", "arithmetic      %.1f GFLOP/s");
        add("roofline_fraction", ", %.2f of what the registers give\n");
    }
    add("rss_mib", "memory at most  %.0f MiB\n");
    return text;
}

}  // namespace step3::cli
