#pragma once

#include <chrono>
#include <condition_variable>
#include <deque>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <unordered_map>
#include <vector>

#include "engine/afd/pipeline.h"
#include "engine/engine.h"
#include "engine/metrics/recorder.h"
#include "engine/serving/block_names.h"
#include "engine/serving/draft_policy.h"
#include "engine/serving/drafter.h"
#include "engine/serving/image_cache.h"
#include "engine/serving/prompt.h"
#include "engine/serving/reading_pace.h"
#include "kernels/cpu/thread_pool.h"

namespace step3::serving {

using Clock = std::chrono::steady_clock;

inline double seconds(Clock::duration duration) {
    return std::chrono::duration<double>(duration).count();
}

struct SchedulerLimits {
    std::int64_t maxPositions = 0;    // tokens of one sequence
    std::int32_t maxRunning = 32;     // sequences in one step
    std::int32_t maxWaiting = 256;    // beyond these submit() refuses
    std::int32_t prefillChunk = 256;  // prompt tokens in one step, fewer while answers go on
    std::uint64_t imageCacheBytes = 0;
    bool prefixCache = true;       // prompts begin with the blocks that others left of the same beginning
    std::int32_t draftTokens = 4;  // at most so many are drafted for a request
    bool draftAlways = false;      // so many whatever they cost: for measurements and tests
};

/// What runs the model; owned and used by the scheduler thread alone.
struct SchedulerModel {
    std::unique_ptr<afd::Pipeline> pipeline;
    std::function<std::vector<float>(const image::Image&)> encodeImage;  // [rows, H]; empty without a vision model
    std::shared_ptr<const text::Tokenizer> tokenizer;
    std::vector<std::int32_t> eosTokenIds;
    std::int64_t hiddenSize = 0;                 // H
    std::int64_t vocabSize = 0;                  // V
    std::unique_ptr<Drafter> drafter = nullptr;  // absent: tokens are taken one by one
    std::int64_t experts = 0;                    // E of a layer that has them
    kernels::ThreadPool* pool = nullptr;         // draws the tokens of a step; null: the scheduler's thread does
};

struct ActiveRequest;

/// Continuous batching on one thread, which owns pipeline and vision encoder. Every step takes the next token of all
/// running requests together and reads a piece of the prompts that are waiting, as long as ReadingPace has it; between
/// two steps it admits, cancels and encodes at most one picture.
///
/// With a drafter a decoding request may carry guesses of its next tokens into a step. The step then gives the logits
/// after each of them, and the request takes its tokens from these one after another exactly as it would step by step:
/// the same sampler, mask, penalties, stops and limits, until a token taken is not the one guessed. As every token
/// comes from the model's own distribution, drafting changes neither answers nor their probabilities, and with equal
/// seeds not even the tokens: for a guess that is certain (q is 1 at one token), drawing from p and comparing is
/// rejection sampling, which accepts with min(1, p / q) and else draws from what is left of p.
///
/// A request is admitted when its prompt fits into the blocks of the KV cache that nobody uses and nobody who runs is
/// about to need. If the running requests outgrow the cache, the last in order of priority and arrival gives its blocks
/// back and later reads prompt and answer again; its text goes on unbroken. A step that fails is repeated request by
/// request, so that a failed request fails alone.
class Scheduler {
public:
    Scheduler(SchedulerModel model, const SchedulerLimits& limits);
    ~Scheduler();  // cancels all requests and waits for the thread
    Scheduler(const Scheduler&) = delete;
    Scheduler& operator=(const Scheduler&) = delete;

    /// Queues a request whose sampling parameters are valid. Throws Error with figures: kResourceExhausted
    /// if it can never fit, kBusy if the queue is full.
    RequestId submit(Prompt prompt, const Request& request, EventSink sink, Clock::time_point submitted = Clock::now());
    /// Queues one request a sink. All but the first wait until the first has read the prompt, which they share.
    std::vector<RequestId> submit(Prompt prompt, const Request& request, std::vector<EventSink> sinks,
                                  Clock::time_point submitted = Clock::now());
    void cancel(RequestId id);
    [[nodiscard]] Metrics metrics() const;

private:
    void run();
    void turn();
    bool takeIncoming();
    void dropCancelled();
    void admit();
    bool encodeOnePicture();
    void gather(std::vector<ActiveRequest*>& batch, std::vector<std::size_t>& counts) const;
    void step();
    std::size_t draft(const std::vector<ActiveRequest*>& batch, std::vector<std::size_t>& counts);
    void prepareDrafts(ActiveRequest& request);
    void showTrunk(ActiveRequest& request, std::size_t begin, std::size_t row, std::span<const float> embeddings);
    [[nodiscard]] std::size_t draftRoom(const ActiveRequest& request, std::int64_t& freeBlocks) const;
    void runStep(const std::vector<ActiveRequest*>& batch, const std::vector<std::size_t>& counts);
    void makeRoom(std::vector<ActiveRequest*>& batch, std::vector<std::size_t>& counts);
    void reportPrompt(ActiveRequest& request, std::size_t begin, std::span<const float> logits, std::size_t rows);
    /// A token drawn for a request that is ready for it.
    struct Draw {
        ActiveRequest* request = nullptr;  // null: it still reads
        std::span<float> logits;           // [1 + drafted tokens, V]
        std::int32_t id = -1;
        std::optional<TokenLogprob> logprob;
        std::exception_ptr error;  // instead of id
    };
    void drawAll(std::vector<Draw>& draws, bool readsPrompt);
    void draw(Draw& draw) const;
    void takeTokens(Draw& first);
    void takeToken(Draw& draw);
    void appendStopIds(const ActiveRequest& request, std::vector<std::int32_t>& ids) const;
    [[nodiscard]] TokenLogprob logprobOf(std::span<const float> logits, std::int32_t id, std::int32_t top) const;
    void finish(ActiveRequest& request, FinishReason reason, std::int32_t stopTokenId = -1);
    void fail(ActiveRequest& request, ErrorCode code, const std::string& message);
    void emit(ActiveRequest& request, const Event& event);
    void retire(ActiveRequest& request);
    void removeRetired();
    void startSequence(ActiveRequest& request);
    void nameBlocks(ActiveRequest& request);
    void extendNames(ActiveRequest& request, std::size_t tokens) const;
    [[nodiscard]] std::int64_t missingBlocks(const ActiveRequest& request, std::size_t tokens) const;
    void publish();
    [[nodiscard]] metrics::RoleSeconds roleSeconds() const;
    void recordEnd(const ActiveRequest& request, FinishReason reason);

    SchedulerModel model_;
    const SchedulerLimits limits_;
    const std::int64_t kvTokens_;  // of all sequences together
    const BlockNames blockNames_;
    ImageCache imageCache_;
    metrics::Recorder recorder_;
    DraftPolicy draftPolicy_;
    ReadingPace readingPace_;

    // Of the scheduler thread.
    std::deque<std::shared_ptr<ActiveRequest>> waiting_;   // in order of ActiveRequest::before
    std::vector<std::shared_ptr<ActiveRequest>> running_;  // likewise

    // Shared, under mutex_.
    mutable std::mutex mutex_;
    std::condition_variable wake_;
    std::deque<std::shared_ptr<ActiveRequest>> incoming_;
    std::unordered_map<RequestId, std::shared_ptr<ActiveRequest>> known_;  // not finished
    bool stopping_ = false;
    RequestId nextId_ = 1;

    std::thread thread_;  // last: started when all else is there
};

}  // namespace step3::serving
