#include "engine/serving/mtp_drafter.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "engine/afd/pipeline.h"
#include "engine/draft_options.h"
#include "kernels/cpu/kernel_table.h"
#include "kernels/gemm/linear.h"
#include "kernels/norm/rms_norm.h"

namespace step3::serving {

namespace {

/// Rows that wait for the next draft before they are fed by themselves.
constexpr std::size_t kMostWaiting = 64;

/// Rows are fed in pairs: the trunk's output at a token and the embedding of the token after it.
struct MtpState final : DraftState {
    std::unique_ptr<afd::Sequence> sequence;  // of the module; may begin at a later token than the request
    std::vector<float> trunk;                 // [waiting, H]
    std::vector<float> after;                 // [waiting - 1, H]: the last row's is not known yet
};

class MtpDrafter final : public Drafter {
public:
    MtpDrafter(const std::shared_ptr<const model::Checkpoint>& module, kernels::ThreadPool& pool,
               const attention::KvOptions& kv)
        : module_(module),
          pool_(pool),
          hidden_(static_cast<std::size_t>(module->config().text.hiddenSize)),
          vocab_(static_cast<std::size_t>(module->config().text.vocabSize)),
          eps_(module->config().text.rmsNormEps),
          embeddingNorm_(module->floats("enorm.weight")),
          trunkNorm_(module->floats("hnorm.weight")),
          join_(module->matrix("eh_proj.weight")),
          pipeline_(afd::Pipeline::createCpu(module, pool, options(kv))) {}

    [[nodiscard]] std::string_view name() const override { return draftModeName(DraftMode::kMtp); }
    [[nodiscard]] bool wantsTrunk() const override { return true; }
    [[nodiscard]] std::unique_ptr<DraftState> newState() override { return std::make_unique<MtpState>(); }

    void read(DraftState& draftState, const ReadRows& rows) override {
        auto& state = static_cast<MtpState&>(draftState);
        std::vector<float> own;
        std::span<const float> embeddings = rows.embeddings;
        if (embeddings.empty()) embeddings = own = pipeline_->embed(rows.tokens);
        // Without a row that waits, the first token is after none: at the start, or after a draft that has fed it.
        if (state.trunk.empty()) embeddings = embeddings.subspan(hidden_);
        state.after.insert(state.after.end(), embeddings.begin(), embeddings.end());
        state.trunk.insert(state.trunk.end(), rows.trunk.begin(), rows.trunk.end());
        if (state.trunk.size() > kMostWaiting * hidden_) feedWaiting(state);
    }

    void skip(DraftState& draftState, const ReadRows& rows) override {
        auto& state = static_cast<MtpState&>(draftState);
        state.sequence.reset();
        state.after.clear();
        const auto last = rows.trunk.last(hidden_);
        state.trunk.assign(last.begin(), last.end());
    }

    void draft(std::span<DraftTask> tasks) override {
        std::vector<Job> jobs;
        for (DraftTask& task : tasks) {
            auto& state = static_cast<MtpState&>(*task.state);
            if (task.count == 0 || state.trunk.empty()) continue;
            const std::vector<float> last = pipeline_->embed(task.tokens.last(1));
            state.after.insert(state.after.end(), last.begin(), last.end());
            if (!state.sequence) state.sequence = pipeline_->newSequence({});
            jobs.push_back({&task, &state, state.sequence->length(), std::exchange(state.trunk, {}),
                            std::exchange(state.after, {})});
            jobs.back().kept += static_cast<std::int64_t>(jobs.back().trunk.size() / hidden_);
        }
        while (!jobs.empty()) {
            guess(jobs);
            std::erase_if(jobs, [](const Job& job) {
                if (job.task->draft.size() < job.task->count) return false;
                job.state->sequence->truncate(job.kept);
                return true;
            });
        }
    }

private:
    /// A request's draft under way.
    struct Job {
        DraftTask* task;
        MtpState* state;
        std::int64_t kept;         // tokens of the module's sequence that are not guesses
        std::vector<float> trunk;  // [T, H] to be fed next
        std::vector<float> after;  // [T, H]
    };

    static afd::CpuPipelineOptions options(const attention::KvOptions& kv) {
        afd::CpuPipelineOptions options;
        options.kv = kv;
        return options;
    }

    /// The module's input: eh_proj of both rows, normalised and side by side, [T, H].
    std::vector<float> join(std::span<const float> trunk, std::span<const float> after) {
        const std::size_t rows = trunk.size() / hidden_;
        std::vector<float> both(2 * trunk.size());
        const kernels::KernelTable& kernels = kernels::activeKernels();
        const auto width = static_cast<std::int64_t>(hidden_);
        for (std::size_t t = 0; t < rows; ++t) {
            float* to = both.data() + 2 * t * hidden_;
            kernels.rmsNorm(after.data() + t * hidden_, embeddingNorm_.data(), width, eps_, to);
            kernels.rmsNorm(trunk.data() + t * hidden_, trunkNorm_.data(), width, eps_, to + hidden_);
        }
        std::vector<float> joined(trunk.size());
        kernels::linear(kernels, pool_, linear_, both.data(), static_cast<std::int64_t>(rows), join_, nullptr,
                        joined.data());
        return joined;
    }

    /// All rows but the last, whose next token is not known.
    void feedWaiting(MtpState& state) {
        if (!state.sequence) state.sequence = pipeline_->newSequence({});
        const std::vector<float> joined = join(std::span(state.trunk).first(state.after.size()), state.after);
        const std::vector<std::int32_t> ids(state.after.size() / hidden_, 0);  // not looked at: embeddings are given
        const afd::StepEntry entry{state.sequence.get(), ids, joined, false};
        pipeline_->step({&entry, 1});
        state.after.clear();
        state.trunk.erase(state.trunk.begin(), state.trunk.end() - static_cast<std::ptrdiff_t>(hidden_));
    }

    /// One more token for every job; what it needs for the next is then in it.
    void guess(std::vector<Job>& jobs) {
        std::vector<std::vector<float>> joined;
        std::vector<std::vector<std::int32_t>> ids;
        std::vector<afd::StepEntry> entries;
        for (const Job& job : jobs) {
            joined.push_back(join(job.trunk, job.after));
            ids.emplace_back(job.trunk.size() / hidden_, 0);
        }
        for (std::size_t i = 0; i < jobs.size(); ++i) {
            entries.push_back({jobs[i].state->sequence.get(), ids[i], joined[i], false});
        }
        const std::vector<float> logits = pipeline_->step(entries);
        std::span<const float> outputs = pipeline_->trunk();
        for (std::size_t i = 0; i < jobs.size(); ++i) {
            Job& job = jobs[i];
            const auto own = std::span(logits).subspan(i * vocab_, vocab_);
            job.task->draft.push_back(
                static_cast<std::int32_t>(std::max_element(own.begin(), own.end()) - own.begin()));
            const auto output = outputs.subspan(job.trunk.size() - hidden_, hidden_);
            outputs = outputs.subspan(job.trunk.size());
            job.trunk.assign(output.begin(), output.end());
            job.after = pipeline_->embed(std::span(job.task->draft).last(1));
        }
    }

    std::shared_ptr<const model::Checkpoint> module_;
    kernels::ThreadPool& pool_;
    std::size_t hidden_;  // H
    std::size_t vocab_;   // V
    float eps_;
    std::vector<float> embeddingNorm_;  // [H]
    std::vector<float> trunkNorm_;      // [H]
    kernels::WeightView join_;          // [H, 2H]
    std::unique_ptr<afd::Pipeline> pipeline_;
    kernels::LinearWorkspace linear_;
};

}  // namespace

std::unique_ptr<Drafter> makeMtpDrafter(std::shared_ptr<const model::Checkpoint> module, kernels::ThreadPool& pool,
                                        const attention::KvOptions& kv) {
    return std::make_unique<MtpDrafter>(module, pool, kv);
}

}  // namespace step3::serving
