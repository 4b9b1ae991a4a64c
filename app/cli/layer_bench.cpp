#include "app/cli/layer_bench.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <ctime>
#include <functional>
#include <random>
#include <set>
#include <span>

#include "app/cli/memory_bandwidth.h"
#include "app/cli/synthetic_checkpoint.h"
#include "engine/attention/cpu_attention.h"
#include "engine/error.h"
#include "engine/ffn/cpu_ffn.h"
#include "engine/model/load_plan.h"
#include "engine/model/memory.h"
#include "engine/model/weights.h"
#include "kernels/gemm/panels.h"

namespace step3::cli {
namespace {

constexpr std::int64_t kDense = 0;  // layer numbers of the cut model
constexpr std::int64_t kMoe = 1;
constexpr std::int64_t kHeadShare = 8;  // of the LM head's rows one part is held
constexpr std::int64_t kDenseLayers = 5, kMoeLayers = 56;
constexpr std::int64_t kPrefillChunk = 256;

/// Machines to imply a speed for; peak memory bandwidth in GB/s.
struct Machine {
    const char* name;
    double bandwidth;
};
constexpr Machine kMachines[] = {
    {"desktop, 2 channels DDR5-5600", 89.6},
    {"workstation, 8 channels DDR5-5200", 332.8},
    {"server, 12 channels DDR5-6400", 614.4},
};

/// Wall and CPU seconds of every run of one part of a step.
class Stopwatch {
public:
    void run(const std::function<void()>& work) {
        const auto start = std::chrono::steady_clock::now();
        const double cpu = processCpuSeconds();
        work();
        cpu_.push_back(processCpuSeconds() - cpu);
        wall_.push_back(std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
    }
    [[nodiscard]] double wall() const { return median(wall_); }
    [[nodiscard]] double cpu() const { return median(cpu_); }

private:
    static double median(std::vector<double> values) {
        std::sort(values.begin(), values.end());
        return values[values.size() / 2];
    }
    std::vector<double> wall_, cpu_;
};

std::uint64_t matrixBytes(const model::Checkpoint& weights, const std::string& name) {
    const kernels::WeightView view = weights.matrix(name);
    std::uint64_t bytes = static_cast<std::uint64_t>(view.n * view.k) * kernels::bytesPerElement(view.dtype);
    if (view.layout == kernels::Layout::kPanels)
        bytes = static_cast<std::uint64_t>(kernels::panelMatrixBytes(view.dtype, view.n, view.k));
    return bytes;
}

std::uint64_t sumOf(const model::Checkpoint& weights, const std::string& prefix,
                    std::initializer_list<const char*> names) {
    std::uint64_t bytes = 0;
    for (const char* name : names) bytes += matrixBytes(weights, prefix + name + ".weight");
    return bytes;
}

/// The layers in memory and the sequences that decode.
class Layers {
public:
    explicit Layers(const LayerBenchOptions& options)
        : options_(options),
          pool_(options.threads),
          weights_(load()),
          attention_(weights_, pool_, kernels::activeKernels(), {options.kvFormat}),
          ffn_(weights_, pool_, kernels::activeKernels()) {
        for (std::int64_t b = 0; b < options_.batch; ++b) sequences_.push_back(attention_.newSequence({}));
        for (const auto& sequence : sequences_) prefill(*sequence);
    }

    Json measure() {
        double peak = readBandwidth(pool_);  // and once more at the end: other programs may disturb one of the two
        for (int i = 0; i <= options_.repeat; ++i) step(i > 0);  // the first is the warm-up
        const model::TextConfig& text = weights_->config().text;
        const std::string moe = "model.layers.1.";
        const auto experts = std::initializer_list<const char*>{"gate_proj", "up_proj", "down_proj"};
        const std::uint64_t cache = static_cast<std::uint64_t>(options_.batch * options_.depth) *
                                    attention::kvBytesPerToken(1, text.headDim, options_.kvFormat);
        const std::uint64_t attention =
            sumOf(*weights_, moe + "self_attn.", {"q_proj", "k_proj", "v_proj", "wq", "o_proj"}) + cache;
        const std::uint64_t dense = sumOf(*weights_, "model.layers.0.mlp.", experts);
        const double moeBytes =
            static_cast<double>(sumOf(*weights_, moe + "share_expert.", experts)) +
            hitExperts_ / options_.repeat * static_cast<double>(sumOf(*weights_, moe + "moe.", experts));
        const std::uint64_t head = matrixBytes(*weights_, "lm_head.weight") * kHeadShare;

        Json report = {{"isa", kernels::isaName(kernels::activeIsa())},
                       {"threads", pool_.threads()},
                       {"batch", options_.batch},
                       {"depth", options_.depth},
                       {"experts_hit", hitExperts_ / options_.repeat}};
        double wall = 0, cpu = 0, bytes = 0;
        const auto part = [&](const char* name, std::int64_t count, const Stopwatch& watch, double partBytes,
                              double times) {
            const double seconds = watch.wall() * times;
            report["parts"].push_back({{"name", name},
                                       {"layers", count},
                                       {"ms", 1e3 * seconds},
                                       {"cpu_ms", 1e3 * watch.cpu() * times},
                                       {"megabytes", partBytes / 1e6},
                                       {"gb_per_s", partBytes / seconds / 1e9}});
            wall += static_cast<double>(count) * seconds;
            cpu += static_cast<double>(count) * watch.cpu() * times;
            bytes += static_cast<double>(count) * partBytes;
        };
        part("attention", kDenseLayers + kMoeLayers, attend_, static_cast<double>(attention), 1);
        part("dense FFN", kDenseLayers, dense_, static_cast<double>(dense), 1);
        part("MoE FFN", kMoeLayers, moe_, moeBytes, 1);
        part("LM head", 1, head_, static_cast<double>(head), static_cast<double>(kHeadShare));

        const model::TextConfig whole = step3TextConfig(61, 5, 1);
        const double tokens = static_cast<double>(options_.batch);
        peak = std::max(peak, readBandwidth(pool_));
        const double fraction = std::min(1.0, bytes / wall / 1e9 / peak);
        report["whole_model"] = {
            {"layers", whole.numLayers},         {"ms_per_step", 1e3 * wall},
            {"tokens_per_s", tokens / wall},     {"tokens_per_s_cpu", tokens / cpu},
            {"gigabytes_per_step", bytes / 1e9}, {"weights_gigabytes", static_cast<double>(wholeBytes()) / 1e9}};
        report["read_gb_per_s"] = peak;
        report["fraction_of_read"] = fraction;
        for (const Machine& machine : kMachines)
            report["machines"].push_back({{"name", machine.name},
                                          {"gb_per_s", machine.bandwidth},
                                          {"tokens_per_s", tokens * machine.bandwidth * fraction * 1e9 / bytes}});
        return report;
    }

private:
    std::shared_ptr<const model::Checkpoint> load() {
        source_ = syntheticCheckpoint(step3TextConfig(2, kMoe, kHeadShare), !options_.bf16);
        model::planLoad({model::LoadMode::kRead, options_.formats}, model::loadNeeds(*source_, options_.formats),
                        model::availableMemory());
        return model::readWeights(source_, options_.formats, pool_, kernels::activeKernels());
    }

    /// Bytes of all of Step3's text matrices in these formats.
    [[nodiscard]] std::uint64_t wholeBytes() const {
        std::uint64_t bytes = 0;
        for (const model::TensorSpec& spec : source_->registry()) {
            if (spec.shape.size() < 2) continue;
            const std::int64_t matrices = spec.shape.size() == 3 ? spec.shape[0] : 1;
            const std::int64_t copies = !spec.layer ? kHeadShare : *spec.layer == kDense ? kDenseLayers : kMoeLayers;
            bytes += static_cast<std::uint64_t>(matrices * copies) * matrixBytes(*weights_, spec.name);
        }
        return bytes;
    }

    std::vector<std::int32_t> ids(std::int64_t count) {
        std::vector<std::int32_t> ids(static_cast<std::size_t>(count));
        const auto vocab = static_cast<std::uint64_t>(weights_->config().text.vocabSize);
        for (std::int32_t& id : ids) id = static_cast<std::int32_t>(random_() % vocab);
        return ids;
    }

    void prefill(afd::Sequence& sequence) {
        for (std::int64_t done = 0; done < options_.depth; done += kPrefillChunk) {
            const std::vector<std::int32_t> tokens = ids(std::min(kPrefillChunk, options_.depth - done));
            const attention::StepTokens entry{&sequence, tokens, {}};
            attention_.beginStep({&entry, 1});
            const afd::RowRange rows{0, static_cast<std::int64_t>(tokens.size())};
            attention_.attend(kDense, rows);
            attention_.attend(kMoe, rows);
            attention_.endStep();
        }
    }

    /// One decode step of both layers and the head.
    void step(bool counted) {
        const std::vector<std::int32_t> tokens = ids(options_.batch);
        std::vector<attention::StepTokens> entries;
        for (std::size_t b = 0; b < sequences_.size(); ++b)
            entries.push_back({sequences_[b].get(), std::span(tokens).subspan(b, 1), {}});
        const model::TextConfig& text = weights_->config().text;
        const afd::RowRange rows{0, options_.batch};
        std::vector<float> out(static_cast<std::size_t>(options_.batch * text.hiddenSize));
        std::vector<float> logits(static_cast<std::size_t>(options_.batch * text.vocabSize));
        std::vector<std::int64_t> all;
        for (std::int64_t b = 0; b < options_.batch; ++b) all.push_back(b);
        const auto timed = [counted](Stopwatch& watch, const std::function<void()>& work) {
            if (counted)
                watch.run(work);
            else
                work();
        };
        attention_.beginStep(entries);
        for (const std::int64_t layer : {kDense, kMoe}) {
            afd::FfnRequest request;
            timed(attend_, [&] { request = attention_.attend(layer, rows); });
            if (counted && request.expertIds != nullptr) {
                const std::set<std::int32_t> hit(request.expertIds, request.expertIds + options_.batch * text.topK);
                hitExperts_ += static_cast<double>(hit.size());
            }
            timed(layer == kMoe ? moe_ : dense_, [&] { ffn_.run(request, out.data()); });
            attention_.addFfn(rows, out.data());
        }
        timed(head_, [&] { attention_.logits(all, logits.data()); });
        attention_.endStep();
    }

    LayerBenchOptions options_;
    kernels::ThreadPool pool_;
    std::shared_ptr<const model::Checkpoint> source_;
    std::shared_ptr<const model::Checkpoint> weights_;
    attention::CpuAttention attention_;
    ffn::CpuFfn ffn_;
    std::vector<std::unique_ptr<afd::Sequence>> sequences_;
    std::mt19937_64 random_{3};
    Stopwatch attend_, dense_, moe_, head_;
    double hitExperts_ = 0;  // distinct experts of all counted steps
};

std::string line(const char* format, auto... values) {
    char text[200];
    std::snprintf(text, sizeof text, format, values...);
    return text;
}

}  // namespace

Json benchRealLayers(const LayerBenchOptions& options) {
    return Layers(options).measure();
}

std::string layerBenchText(const Json& report) {
    const auto number = [](const Json& object, const char* field) { return object[field].get<double>(); };
    std::string text = line("Step3's layers at full size: %s, %d threads, batch %d at %d tokens of context\n",
                            report["isa"].get<std::string>().c_str(), report["threads"].get<int>(),
                            report["batch"].get<int>(), report["depth"].get<int>());
    for (const Json& part : report["parts"]) {
        text += line("  %-10s x %2d  %9.2f ms  %9.2f ms CPU  %8.1f MB  %6.1f GB/s\n",
                     part["name"].get<std::string>().c_str(), part["layers"].get<int>(), number(part, "ms"),
                     number(part, "cpu_ms"), number(part, "megabytes"), number(part, "gb_per_s"));
    }
    const Json& whole = report["whole_model"];
    text +=
        line("  all 61 layers: %.0f ms a step, %.2f tokens/s (%.2f per CPU second), %.1f GB read a step of %.0f GB\n",
             number(whole, "ms_per_step"), number(whole, "tokens_per_s"), number(whole, "tokens_per_s_cpu"),
             number(whole, "gigabytes_per_step"), number(whole, "weights_gigabytes"));
    text += line("  this machine reads %.1f GB/s; the step uses %.0f %% of it\n", number(report, "read_gb_per_s"),
                 100 * number(report, "fraction_of_read"));
    for (const Json& machine : report["machines"])
        text += line("  at that fraction, %s (%.0f GB/s): %.1f tokens/s\n", machine["name"].get<std::string>().c_str(),
                     number(machine, "gb_per_s"), number(machine, "tokens_per_s"));
    return text;
}

}  // namespace step3::cli
