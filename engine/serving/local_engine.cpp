// The engine in this process: a checkpoint, its text and vision parts, and a scheduler.

#include <algorithm>

#include "engine/attention/kv_pool.h"
#include "engine/engine.h"
#include "engine/image/preprocess.h"
#include "engine/model/checkpoint.h"
#include "engine/model/expert_cache.h"
#include "engine/model/memory.h"
#include "engine/model/prediction_module.h"
#include "engine/model/summary.h"
#include "engine/model/weights.h"
#include "engine/sampling/structured/constraint_compiler.h"
#include "engine/serving/drafter.h"
#include "engine/serving/mtp_drafter.h"
#include "engine/serving/prompt.h"
#include "engine/serving/scheduler.h"
#include "engine/vision/vision_encoder.h"

namespace step3 {

namespace {

/// Share of the progress that mapping and checking the weights takes; the rest is tokenizer, template and vision
/// tables.
constexpr double kWeightsShare = 0.9;

void requirePositive(std::int64_t value, const char* name) {
    if (value < 1) {
        throw Error(ErrorCode::kInvalidArgument,
                    std::string(name) + " must be at least 1, got " + std::to_string(value));
    }
}

void validate(const OpenOptions& options) {
    if (options.threads < 0) {
        throw Error(ErrorCode::kInvalidArgument, "threads must be at least 0, got " + std::to_string(options.threads));
    }
    requirePositive(options.maxImageTokens, "maxImageTokens");
    requirePositive(options.maxRunning, "maxRunning");
    requirePositive(options.prefillChunk, "prefillChunk");
    if (options.draft.tokens < 1 || options.draft.tokens > kMostDraftTokens) {
        throw Error(ErrorCode::kInvalidArgument, "draft.tokens must be in [1, " + std::to_string(kMostDraftTokens) +
                                                     "], got " + std::to_string(options.draft.tokens));
    }
    if (options.maxWaiting < 0) {
        throw Error(ErrorCode::kInvalidArgument,
                    "maxWaiting must be at least 0, got " + std::to_string(options.maxWaiting));
    }
}

void throwIfStopped(const std::stop_token& stop) {
    if (stop.stop_requested()) throw Error(ErrorCode::kCancelled, "opening the model was cancelled");
}

std::string folderName(const std::filesystem::path& folder) {
    const auto path = std::filesystem::absolute(folder).lexically_normal();
    return path.has_filename() ? path.filename().string() : path.parent_path().filename().string();
}

class LocalEngine final : public Engine {
public:
    LocalEngine(const OpenOptions& options, const EngineProgress& progress, const std::stop_token& stop)
        : options_(options), pool_(options.threads) {
        checkpoint_ = model::openWeights(
            options.model, options.weights, pool_,
            [&](const model::OpenProgress& done) {
                if (progress && done.bytesTotal > 0) {
                    progress(kWeightsShare * static_cast<double>(done.bytesDone) /
                             static_cast<double>(done.bytesTotal));
                }
            },
            stop);
        const std::shared_ptr<const model::Checkpoint>& checkpoint = checkpoint_;
        const model::ModelConfig& config = checkpoint->config();
        throwIfStopped(stop);
        tokenizer_ = text::Tokenizer::fromFolder(options.model);
        prompts_ = std::make_unique<serving::PromptBuilder>(options.model, config, tokenizer_);
        if (progress) progress((1 + kWeightsShare) / 2);
        throwIfStopped(stop);
        const auto module = predictionModule(checkpoint);
        kvLayers_ = config.text.numLayers + (module ? module->config().text.numLayers : 0);
        describe(*checkpoint);
        forms_ = std::make_unique<sampling::structured::ConstraintCompiler>(tokenizer_, config.generation.eosTokenIds,
                                                                            config.text.vocabSize);

        serving::SchedulerModel parts;
        afd::CpuPipelineOptions pipeline;
        pipeline.kv = {options_.kvFormat, kvBlocks(config)};
        parts.pipeline = afd::Pipeline::createCpu(checkpoint, pool_, pipeline);
        if (config.vision) {
            const auto encoder = std::make_shared<const vision::VisionEncoder>(checkpoint, pool_);
            parts.encodeImage = [encoder, checkpoint](const image::Image& image) {
                const model::ModelConfig& c = checkpoint->config();
                return encoder->encode(image::preprocess(image, *c.preprocessor, c.vision->enablePatch));
            };
        }
        parts.tokenizer = tokenizer_;
        parts.eosTokenIds = config.generation.eosTokenIds;
        parts.hiddenSize = config.text.hiddenSize;
        parts.vocabSize = config.text.vocabSize;
        parts.experts = config.text.numExperts;
        parts.pool = &pool_;
        parts.drafter = drafter(module, pipeline.kv);
        throwIfStopped(stop);
        scheduler_ = std::make_unique<serving::Scheduler>(std::move(parts), limits());
        if (progress) progress(1.0);
    }

    [[nodiscard]] const ModelInfo& info() const override { return info_; }
    [[nodiscard]] sampling::SamplingParams defaultSampling() const override { return defaults_; }
    [[nodiscard]] std::shared_ptr<const text::Tokenizer> tokenizer() const override { return tokenizer_; }

    [[nodiscard]] std::vector<std::int32_t> promptTokens(const Request& request) const override {
        return prompts_->build(request, options_.maxImageTokens).tokens.ids;
    }
    RequestId submit(Request request, EventSink sink) override {
        const auto submitted = serving::Clock::now();
        check(request);
        return scheduler_->submit(build(request), request, std::move(sink), submitted);
    }
    std::vector<RequestId> submitChoices(const Request& request, std::vector<EventSink> sinks) override {
        const auto submitted = serving::Clock::now();
        check(request);
        return scheduler_->submit(build(request), request, std::move(sinks), submitted);
    }
    void cancel(RequestId id) override { scheduler_->cancel(id); }
    [[nodiscard]] Metrics metrics() const override {
        Metrics metrics = scheduler_->metrics();
        metrics.memoryFreeBytes = model::availableMemory();
        metrics.memoryResidentBytes = model::residentMemory();
        if (const model::ExpertCache* experts = checkpoint_->expertCache()) {
            const model::ExpertCacheStats stats = experts->stats();
            metrics.expertCacheHits = stats.hits;
            metrics.expertCacheMisses = stats.misses;
            metrics.expertCacheReadBytes = stats.bytesRead;
            metrics.expertCacheWaitSeconds = stats.waitSeconds;
        }
        return metrics;
    }

private:
    [[nodiscard]] serving::Prompt build(const Request& request) const {
        serving::Prompt prompt = prompts_->build(request, options_.maxImageTokens);
        if (request.truncatePrompt) {
            const std::int64_t most = info_.maxContext - std::max(1, request.sampling.maxTokens);
            serving::truncatePrompt(prompt, *request.truncatePrompt < 0 ? most : *request.truncatePrompt);
        }
        prompt.form = forms_->compile(
            {request.structured, serving::parseTools(request.toolsJson), request.toolChoice, prompt.startsInReasoning});
        return prompt;
    }

    void check(const Request& request) const {
        const auto reject = [](const std::string& message) { throw Error(ErrorCode::kInvalidArgument, message); };
        sampling::validate(request.sampling, info_.vocabSize);
        const auto requireTop = [&](std::int32_t top, const char* name) {
            if (top >= -1 && top <= kMaxTopLogprobs) return;
            reject(std::string(name) + " must be in [0, " + std::to_string(kMaxTopLogprobs) +
                   "], or -1 for none, got " + std::to_string(top));
        };
        requireTop(request.topLogprobs, "top_logprobs");
        requireTop(request.promptLogprobs, "prompt_logprobs");
        if (request.thinkingBudget < -1) {
            reject("thinking_token_budget must be at least 0, or -1 for no limit, got " +
                   std::to_string(request.thinkingBudget));
        }
    }

    /// The prediction module if it is to draft, else null.
    [[nodiscard]] std::shared_ptr<const model::Checkpoint> predictionModule(
        const std::shared_ptr<const model::Checkpoint>& checkpoint) {
        const DraftMode mode = options_.draft.mode;
        if (mode != DraftMode::kAuto && mode != DraftMode::kMtp) return nullptr;
        auto module = model::openPredictionModule(checkpoint, options_.weights.formats, pool_);
        if (!module && mode == DraftMode::kMtp) {
            throw Error(ErrorCode::kNotFound, (checkpoint->folder() / model::kPredictionFile).string() +
                                                  ": expected a prediction module to draft with, found no such file");
        }
        return module;
    }

    [[nodiscard]] std::unique_ptr<serving::Drafter> drafter(const std::shared_ptr<const model::Checkpoint>& module,
                                                            const attention::KvOptions& kv) {
        if (options_.draft.mode == DraftMode::kOff) return nullptr;
        return module ? serving::makeMtpDrafter(module, pool_, kv) : serving::makePromptLookupDrafter();
    }

    void describe(const model::Checkpoint& checkpoint) {
        const model::ModelConfig& config = checkpoint.config();
        info_.name = folderName(options_.model);
        info_.folder = options_.model;
        info_.architecture = config.architecture;
        info_.vision = config.vision.has_value();
        info_.vocabSize = config.text.vocabSize;
        info_.maxContext = config.text.maxPositions;
        const model::CheckpointSummary summary = model::summarize(checkpoint);
        info_.parametersTotal = summary.parametersTotal;
        info_.parametersActive = summary.parametersActive;
        info_.weightBytes = checkpoint.memoryBytes();
        info_.kvBytesPerToken = attention::kvBytesPerToken(kvLayers_, config.text.headDim, options_.kvFormat);
        info_.kvFormat = kernels::kvFormatName(options_.kvFormat);
        info_.prefixCache = options_.prefixCache;
        for (std::size_t layer = 0; layer < config.text.isMoeLayer.size(); ++layer) {
            if (config.text.isMoeLayer[layer]) info_.moeLayers.push_back(static_cast<std::int64_t>(layer));
        }
        info_.experts = config.text.numExperts;

        const model::GenerationConfig& generation = config.generation;
        if (generation.doSample) defaults_.temperature = std::clamp(generation.temperature.value_or(1.0F), 0.0F, 2.0F);
        if (generation.topP && *generation.topP > 0.0F && *generation.topP <= 1.0F) defaults_.topP = *generation.topP;
        if (generation.topK && *generation.topK >= -1) defaults_.topK = *generation.topK;
        if (generation.repetitionPenalty && *generation.repetitionPenalty > 0.0F) {
            defaults_.repetitionPenalty = *generation.repetitionPenalty;
        }
    }

    /// Pages that fit into the KV memory, but no more than maxRunning full contexts can use.
    [[nodiscard]] std::int64_t kvBlocks(const model::ModelConfig& config) const {
        const std::uint64_t bytes = options_.kvMemoryBytes > 0 ? options_.kvMemoryBytes : model::availableMemory() / 4;
        const model::TextConfig& text = config.text;
        const std::int64_t page = attention::kKvPageTokens;
        const std::int64_t usable = (text.maxPositions + page - 1) / page * options_.maxRunning;
        return std::min(attention::kvBlocksIn(bytes, kvLayers_, text.headDim, options_.kvFormat), usable);
    }

    [[nodiscard]] serving::SchedulerLimits limits() const {
        serving::SchedulerLimits limits;
        limits.maxPositions = info_.maxContext;
        limits.maxRunning = options_.maxRunning;
        limits.maxWaiting = options_.maxWaiting;
        limits.prefillChunk = options_.prefillChunk;
        limits.imageCacheBytes = options_.imageCacheBytes;
        limits.prefixCache = options_.prefixCache;
        limits.draftTokens = options_.draft.tokens;
        limits.draftAlways = options_.draft.always;
        return limits;
    }

    static constexpr std::int32_t kMaxTopLogprobs = 20;  // as vLLM

    const OpenOptions options_;
    kernels::ThreadPool pool_;
    std::shared_ptr<const model::Checkpoint> checkpoint_;
    std::int64_t kvLayers_ = 0;  // layers whose K and V are kept: the model's and the prediction module's
    ModelInfo info_;
    sampling::SamplingParams defaults_;
    std::shared_ptr<const text::Tokenizer> tokenizer_;
    std::unique_ptr<serving::PromptBuilder> prompts_;
    std::unique_ptr<sampling::structured::ConstraintCompiler> forms_;
    std::unique_ptr<serving::Scheduler> scheduler_;  // last: its thread uses all of the above
};

}  // namespace

std::unique_ptr<Engine> Engine::open(const OpenOptions& options, const EngineProgress& progress, std::stop_token stop) {
    validate(options);
    return std::make_unique<LocalEngine>(options, progress, stop);
}

}  // namespace step3
