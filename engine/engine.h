#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <variant>
#include <vector>

#include "engine/draft_options.h"
#include "engine/error.h"
#include "engine/image/image.h"
#include "engine/metrics/histogram.h"
#include "engine/metrics/windows.h"
#include "engine/model/weight_options.h"
#include "engine/sampling/sampler.h"
#include "engine/sampling/structured/structured_output.h"
#include "engine/text/tokenizer.h"
#include "kernels/attention/kv_format.h"

/// The façade of the engine: open a model, submit requests, cancel, read metrics. Thread-safe, no Qt, no globals.
namespace step3 {

struct ToolCallMessage {
    std::string id;
    std::string name;
    std::string arguments;  // JSON text
};

/// One turn. `images` belong to the `<image>` parts of `parts` in order.
struct Message {
    struct Part {
        enum class Kind { kText, kImage } kind = Kind::kText;
        std::string text;                           // kText
        std::shared_ptr<const image::Image> image;  // kImage
    };
    std::string role;  // system, user, assistant, tool
    std::vector<Part> parts;
    std::string reasoning;  // of a past assistant turn; usually left empty
    std::vector<ToolCallMessage> toolCalls;
};

struct Request {
    std::vector<Message> messages;
    std::optional<std::string> rawPrompt;  // a plain completion: used as it is instead of `messages`, never reasons
    std::optional<std::vector<std::int32_t>> promptIds;  // the same as token ids; instead of both
    std::string toolsJson;                               // array of schemas as JSON text, or empty
    sampling::SamplingParams sampling;
    bool addGenerationPrompt = true;    // false: the answer goes on after the last message's end
    bool continueFinalMessage = false;  // the answer goes on inside the last message; excludes addGenerationPrompt
    bool think = true;                  // false: the reasoning part is closed before the first token
    std::int32_t thinkingBudget = -1;   // reasoning tokens after which </think> is forced; -1: no limit
    std::int32_t topLogprobs = -1;      // -1: no log-probabilities; 0..20: that many alternatives with each token
    std::int32_t promptLogprobs = -1;   // the same for the prompt's tokens, reported with PrefillProgress
    bool tokenIds = false;          // report ids: the prompt's with the first PrefillProgress, the answer's in deltas
    bool skipSpecialTokens = true;  // hide special tokens in the text; with tools they are never hidden
    /// At most so many of the prompt's last tokens are read; -1: as many as leave room for maxTokens. Not with
    /// pictures.
    std::optional<std::int32_t> truncatePrompt;
    bool roomForMaxTokens = false;  // refused unless the context holds maxTokens after the prompt; false: a bound only
    std::int32_t priority = 0;      // lower is admitted first and preempted last; equal: in order of arrival
    sampling::structured::StructuredOutput structured;  // the form of the answer
    sampling::structured::ToolChoice toolChoice;
};

enum class FinishReason { kStop, kLength, kToolCalls, kCancelled, kError };

struct Usage {
    std::int32_t promptTokens = 0;
    std::int32_t imageTokens = 0;   // part of promptTokens
    std::int32_t cachedTokens = 0;  // part of promptTokens: found in the prefix cache when the request was admitted
    std::int32_t completionTokens = 0;
    std::int32_t reasoningTokens = 0;  // part of completionTokens
    double queueSeconds = 0;
    double prefillSeconds = 0;  // admission to first token
    double decodeSeconds = 0;   // first to last token
    double ttftSeconds = 0;     // submit to first token
    double tpotSeconds = 0;     // mean time per output token after the first; 0 with fewer than two tokens
};

/// Of the model's own distribution, before penalties, bias and temperature.
struct TokenLogprob {
    std::int32_t id = -1;
    std::string bytes;  // may be part of a UTF-8 character
    float logprob = 0;
    std::vector<TokenLogprob> top = {};  // most likely first; empty inside `top`
    std::int32_t rank = 0;               // 1: the likeliest token of all; 0: none, for a prompt's first token
};
struct PrefillProgress {
    std::int32_t done = 0, total = 0;         // prompt tokens
    std::vector<std::int32_t> tokenIds = {};  // the whole prompt, in the first event, if asked for
    /// Of the prompt tokens read since the last event, if asked for. The first token of a prompt follows nothing: rank
    /// 0.
    std::vector<TokenLogprob> logprobs = {};
};
/// `logprobs` and `tokenIds` belong to the tokens sampled since the previous delta; only if asked for. With them every
/// token has a delta of its own, empty where its text is held back or it has none.
struct ReasoningDelta {
    std::string text;
    std::vector<TokenLogprob> logprobs = {};
    std::vector<std::int32_t> tokenIds = {};
};
struct TextDelta {
    std::string text;  // may be empty if only logprobs or ids are left to report
    std::vector<TokenLogprob> logprobs = {};
    std::vector<std::int32_t> tokenIds = {};
};
struct ToolCallDelta {
    std::int32_t index = 0;
    std::string name;       // set in the first delta of a call
    std::string arguments;  // JSON text
};
struct Finished {
    FinishReason reason = FinishReason::kStop;
    std::string stopString;  // the stop string that matched, if any
    Usage usage;
    std::int32_t stopTokenId = -1;  // the stop token that matched, if it is one of the request's own
};
struct Failed {
    ErrorCode code = ErrorCode::kInternal;
    std::string message;
};

/// What a request reports, in order: PrefillProgress*, (ReasoningDelta | TextDelta | ToolCallDelta)*, then exactly one
/// of Finished or Failed.
using Event = std::variant<PrefillProgress, ReasoningDelta, TextDelta, ToolCallDelta, Finished, Failed>;

/// Called on the engine's scheduler thread; must not block, must not throw (a request whose sink throws is dropped) and
/// must not destroy the engine. It may submit and cancel.
using EventSink = std::function<void(const Event&)>;
using RequestId = std::uint64_t;

struct OpenOptions {
    std::filesystem::path model;      // folder
    int threads = 0;                  // 0: all usable CPUs
    model::WeightOptions weights;     // where and in which formats the weights are kept
    std::uint64_t kvMemoryBytes = 0;  // 0: a quarter of the free memory
    kernels::KvFormat kvFormat = kernels::KvFormat::kBf16;
    bool prefixCache = true;  // keep K and V of ended requests for prompts that begin alike, while there is room
    std::int32_t maxImageTokens = 8192;            // per picture
    std::int32_t maxRunning = 32;                  // requests decoded together
    std::int32_t maxWaiting = 256;                 // requests beyond these are refused
    std::int32_t prefillChunk = 256;               // prompt tokens per step; bounds how long a cancel waits
    DraftOptions draft;                            // speculative decoding
    std::uint64_t imageCacheBytes = 256ULL << 20;  // encoded pictures kept for the next turn of a conversation
};

/// Shown while a model is opened: fraction 0..1.
using EngineProgress = std::function<void(double fraction)>;

/// Facts about the open model, for status lines, /v1/models and `inspect`.
struct ModelInfo {
    std::string name;  // folder name
    std::filesystem::path folder;
    std::string architecture;
    bool vision = false;
    std::int64_t vocabSize = 0;
    std::int64_t maxContext = 0;  // tokens
    std::uint64_t parametersTotal = 0, parametersActive = 0;
    std::uint64_t weightBytes = 0;  // in memory, once all have been used
    std::uint64_t kvBytesPerToken = 0;
    std::string kvFormat;  // as the command line names it: "bf16"
    bool prefixCache = false;
    std::vector<std::int64_t> moeLayers;  // their numbers
    std::int64_t experts = 0;             // of each of these
};

/// One consistent reading; counters since open.
struct Metrics {
    std::uint64_t requestsRunning = 0, requestsWaiting = 0;
    std::uint64_t requestsFinished = 0, requestsFailed = 0;
    // Of requestsFinished, by FinishReason; tool calls count as stop.
    std::uint64_t finishedStop = 0, finishedLength = 0, finishedCancelled = 0;
    std::uint64_t requestsRefused = 0;  // the queue was full
    std::uint64_t promptTokens = 0, generationTokens = 0;
    std::uint64_t promptCachedTokens = 0;                  // of promptTokens, found in the prefix cache
    std::uint64_t kvTokensUsed = 0, kvTokensCapacity = 0;  // used: in pages that belong to requests
    std::uint64_t kvBlocks = 0, kvBlocksUsed = 0;          // pages; kvBlocksCached of the unused hold a known prefix
    std::uint64_t kvBlocksCached = 0, kvBlockTokens = 0;
    double attentionBusySeconds = 0, ffnBusySeconds = 0, linkSeconds = 0;
    double visionSeconds = 0, samplingSeconds = 0;
    double idleSeconds = 0;    // the scheduler had nothing to do
    double lmHeadSeconds = 0;  // part of attentionBusySeconds
    // What the link carried to the FFN role and back; the seconds are those of linkSeconds.
    std::uint64_t toFfnBytes = 0, toAttentionBytes = 0;
    double toFfnSeconds = 0, toAttentionSeconds = 0;
    std::uint64_t microBatchesInFlight = 0;
    double expertImbalance = 1;               // most over mean tokens of an expert, all layers together
    std::vector<std::uint64_t> expertTokens;  // [L, E] tokens sent to each expert; 0 in dense layers
    // Offloaded experts: picked ones that were in memory when their layer began and that were not, bytes read from
    // disk for these, and the time that computing waited for them. 0 if all experts are in memory.
    std::uint64_t expertCacheHits = 0, expertCacheMisses = 0, expertCacheReadBytes = 0;
    double expertCacheWaitSeconds = 0;
    std::uint64_t memoryFreeBytes = 0;      // of this machine
    std::uint64_t memoryResidentBytes = 0;  // of this process
    std::uint64_t imagesEncoded = 0, imageCacheHits = 0, preemptions = 0;
    std::uint64_t prefixQueryTokens = 0, prefixHitTokens = 0;  // prompt tokens looked up and found at admission
    std::uint64_t steps = 0;
    // Speculative decoding, empty and 0 where it is off. A draft is one guess of one or more tokens for one request.
    std::string draftMethod;
    std::uint64_t drafts = 0, draftTokens = 0, draftTokensAccepted = 0;
    std::vector<std::uint64_t> draftAcceptedAt;  // of all drafts, how many had token 0, 1, ... accepted
    double lastTtftSeconds = 0, lastTpotSeconds = 0;
    double attentionShare = 0, ffnShare = 0, linkShare = 0;  // of the last second, 0 to 1
    std::vector<metrics::TokenTimes> tokenTimes;             // windows of rising length
    metrics::Histograms histograms;
};

class Engine {
public:
    /// Opens a checkpoint folder; blocks. Throws Error; kCancelled if `stop` is requested.
    static std::unique_ptr<Engine> open(const OpenOptions& options, const EngineProgress& progress = {},
                                        std::stop_token stop = {});
    virtual ~Engine() = default;  // cancels what is running

    [[nodiscard]] virtual const ModelInfo& info() const = 0;
    /// What the checkpoint's generation_config.json asks for; greedy where it does not sample. Callers start from this
    /// and overwrite what their user chose.
    [[nodiscard]] virtual sampling::SamplingParams defaultSampling() const { return {}; }
    /// The open model's tokenizer, for token counts and /tokenize; null if the engine has none.
    [[nodiscard]] virtual std::shared_ptr<const text::Tokenizer> tokenizer() const { return nullptr; }
    /// The tokens that a request's prompt becomes: template, tools and pictures included. Throws Error as submit().
    [[nodiscard]] virtual std::vector<std::int32_t> promptTokens(const Request& request) const {
        static_cast<void>(request);
        throw Error(ErrorCode::kUnsupported, "this engine does not tell the tokens of a prompt");
    }
    /// Queues a request. Throws Error for what can be told at once (bad parameters, an image without a vision model, a
    /// form of the answer that is not supported, kBusy if the queue is full); what fails later is reported as Failed.
    virtual RequestId submit(Request request, EventSink sink) = 0;
    /// Queues one request a sink, n answers to the same prompt (the API's `n`), each with its own events and id. They
    /// share the prompt: it is read once. Answer i draws with seed + i if there is a seed. Either all are queued or
    /// none.
    virtual std::vector<RequestId> submitChoices(const Request& request, std::vector<EventSink> sinks);
    /// Takes effect within one token; unknown or finished ids are ignored. Finished{kCancelled} is still reported.
    virtual void cancel(RequestId id) = 0;
    [[nodiscard]] virtual Metrics metrics() const = 0;
};

/// For engines that cannot share a prompt: one submit an answer.
inline std::vector<RequestId> Engine::submitChoices(const Request& request, std::vector<EventSink> sinks) {
    std::vector<RequestId> ids;
    try {
        for (std::size_t i = 0; i < sinks.size(); ++i) {
            Request choice = request;
            if (choice.sampling.seed) *choice.sampling.seed += i;
            ids.push_back(submit(std::move(choice), std::move(sinks[i])));
        }
    } catch (...) {
        for (const RequestId id : ids) cancel(id);
        throw;
    }
    return ids;
}

}  // namespace step3
