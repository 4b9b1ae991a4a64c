#include "engine/serving/scheduler.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "engine/serving/active_request.h"
#include "engine/serving/guarded.h"

namespace step3::serving {

namespace {

/// Room asked for beyond the prompt when others are running, so that an admitted request does not have to go again at
/// once.
constexpr std::int64_t kAdmissionMargin = 32;

/// Prompt tokens a step whose logits are all wanted: each takes a row as long as the vocabulary.
constexpr std::size_t kLogitRows = 32;

using Queued = std::shared_ptr<ActiveRequest>;

bool inOrder(const Queued& a, const Queued& b) {
    return a->before(*b);
}

template <typename Queue>
void insertInOrder(Queue& queue, Queued request) {
    queue.insert(std::upper_bound(queue.begin(), queue.end(), request, inOrder), std::move(request));
}

/// How many of `batch` take the next token of their answer; the others read.
std::size_t answering(const std::vector<ActiveRequest*>& batch) {
    return static_cast<std::size_t>(
        std::count_if(batch.begin(), batch.end(), [](const auto* request) { return request->isDecoding(); }));
}

std::int64_t capacity(const afd::KvUsage& kv) {
    return kv.blocks * kv.blockTokens;
}

}  // namespace

Scheduler::Scheduler(SchedulerModel model, const SchedulerLimits& limits)
    : model_(std::move(model)),
      limits_(limits),
      kvTokens_(capacity(model_.pipeline->kvUsage())),
      blockNames_(model_.pipeline->kvUsage().blockTokens),
      imageCache_(limits.imageCacheBytes),
      recorder_(limits.maxPositions),
      draftPolicy_(static_cast<std::size_t>(limits.draftTokens), limits.draftAlways),
      readingPace_(static_cast<std::size_t>(limits.prefillChunk)) {
    const afd::KvUsage kv = model_.pipeline->kvUsage();
    recorder_.kvLayout(static_cast<std::uint64_t>(kv.blocks), static_cast<std::uint64_t>(kv.blockTokens));
    if (model_.drafter) {
        recorder_.drafting(std::string(model_.drafter->name()), static_cast<std::size_t>(limits_.draftTokens));
    }
    thread_ = std::thread([this] { run(); });
}

Scheduler::~Scheduler() {
    {
        const std::lock_guard lock(mutex_);
        stopping_ = true;
    }
    wake_.notify_all();
    thread_.join();
}

RequestId Scheduler::submit(Prompt prompt, const Request& request, EventSink sink, Clock::time_point submitted) {
    std::vector<EventSink> sinks;
    sinks.push_back(std::move(sink));
    return submit(std::move(prompt), request, std::move(sinks), submitted).front();
}

std::vector<RequestId> Scheduler::submit(Prompt prompt, const Request& request, std::vector<EventSink> sinks,
                                         Clock::time_point submitted) {
    const auto promptTokens = static_cast<std::int64_t>(prompt.tokens.ids.size());
    const auto requireRoom = [&](std::int32_t more, std::int64_t limit, const std::string& what) {
        if (promptTokens + more <= limit) return;
        throw Error(ErrorCode::kResourceExhausted, what + " is " + std::to_string(limit) +
                                                       " tokens, but the prompt has " + std::to_string(promptTokens) +
                                                       " and needs room for " + std::to_string(more) + " more");
    };
    const std::int32_t least = std::max(1, request.sampling.minTokens);
    requireRoom(request.roomForMaxTokens ? std::max(least, request.sampling.maxTokens) : least, limits_.maxPositions,
                "This model's maximum context length");  // words that clients of vLLM look for
    requireRoom(least, kvTokens_, "The KV memory's size");
    const std::size_t most =
        static_cast<std::size_t>(limits_.maxWaiting) + static_cast<std::size_t>(limits_.maxRunning);
    if (sinks.size() > most) {
        throw Error(ErrorCode::kInvalidArgument, "n: expected at most " + std::to_string(most) +
                                                     ", as many requests as can run and wait, found " +
                                                     std::to_string(sinks.size()));
    }
    if (request.thinkingBudget >= 0 && !model_.tokenizer->idOf(kCloseThink)) {
        throw Error(ErrorCode::kInvalidArgument, "thinking_token_budget needs a model whose vocabulary has " +
                                                     std::string(kCloseThink) + ", this one has it not");
    }
    std::int64_t room = std::min(limits_.maxPositions, kvTokens_) - promptTokens;
    if (request.sampling.maxTokens > 0) room = std::min<std::int64_t>(room, request.sampling.maxTokens);

    std::vector<RequestId> ids(sinks.size());
    {
        const std::lock_guard lock(mutex_);
        for (RequestId& id : ids) id = nextId_++;
    }
    std::vector<Queued> choices;
    const auto together = std::make_shared<Choices>(Choices{sinks.size()});
    for (std::size_t i = 0; i < sinks.size(); ++i) {
        Request choice = request;
        if (choice.sampling.seed) *choice.sampling.seed += i;
        if (choice.thinkingBudget >= 0 && !choice.sampling.allowedTokenIds.empty())
            choice.sampling.allowedTokenIds.push_back(*model_.tokenizer->idOf(kCloseThink));  // what a budget ends with
        choices.push_back(std::make_shared<ActiveRequest>(ids[i], prompt, choice, std::move(sinks[i]),
                                                          static_cast<std::int32_t>(room), model_.tokenizer,
                                                          model_.vocabSize));
        choices.back()->submitted = submitted;
        choices.back()->choices = together;
        choices.back()->isFirst = i == 0;
        if (i > 0) choices.back()->leader = choices.front();
    }
    {
        const std::lock_guard lock(mutex_);
        // known_ holds what runs and what waits.
        if (known_.size() + choices.size() > most) {
            recorder_.refused();
            throw Error(ErrorCode::kBusy,
                        "the queue is full: " + std::to_string(known_.size()) + " requests are running or waiting");
        }
        for (Queued& choice : choices) {
            known_.emplace(choice->id, choice);
            incoming_.push_back(std::move(choice));
        }
        recorder_.submitted(choices.size());
    }
    wake_.notify_all();
    return ids;
}

void Scheduler::cancel(RequestId id) {
    const std::lock_guard lock(mutex_);
    const auto found = known_.find(id);
    if (found == known_.end()) return;
    found->second->cancelled = true;
    wake_.notify_all();
}

Metrics Scheduler::metrics() const {
    Metrics result = recorder_.read();
    const afd::PipelineStats stats = model_.pipeline->stats();
    result.attentionBusySeconds = stats.attentionSeconds;
    result.ffnBusySeconds = stats.ffnSeconds;
    result.linkSeconds = stats.linkSeconds;
    result.lmHeadSeconds = stats.lmHeadSeconds;
    result.toFfnBytes = stats.toFfnBytes;
    result.toAttentionBytes = stats.toAttentionBytes;
    result.toFfnSeconds = stats.linkSeconds - stats.receiveSeconds;
    result.toAttentionSeconds = stats.receiveSeconds;
    result.microBatchesInFlight = static_cast<std::uint64_t>(stats.microBatchesInFlight);
    result.expertTokens = stats.expertTokens;
    std::vector<double> experts(static_cast<std::size_t>(model_.experts));  // of all layers together
    for (std::size_t i = 0; i < stats.expertTokens.size(); ++i) {
        experts[i % experts.size()] += static_cast<double>(stats.expertTokens[i]);
    }
    const double all = std::accumulate(experts.begin(), experts.end(), 0.0);
    if (all > 0) {
        result.expertImbalance =
            *std::max_element(experts.begin(), experts.end()) * static_cast<double>(experts.size()) / all;
    }
    return result;
}

metrics::RoleSeconds Scheduler::roleSeconds() const {
    const afd::PipelineStats stats = model_.pipeline->stats();
    return {stats.attentionSeconds, stats.ffnSeconds, stats.linkSeconds, stats.lmHeadSeconds};
}

void Scheduler::run() {
    while (takeIncoming()) {
        guarded([&] { turn(); },
                [&](ErrorCode code, const std::string& message) {  // a defect outside of any one request
                    for (const auto& request : running_) fail(*request, code, message);
                });
        removeRetired();
        publish();
    }
    for (const auto& request : running_) finish(*request, FinishReason::kCancelled);
    for (const auto& request : waiting_) finish(*request, FinishReason::kCancelled);
    running_.clear();
    waiting_.clear();
}

/// Waits until there is something to do; false when the scheduler is to end.
bool Scheduler::takeIncoming() {
    std::unique_lock lock(mutex_);
    const auto hasWork = [&] { return stopping_ || !incoming_.empty() || !running_.empty() || !waiting_.empty(); };
    if (!hasWork()) {
        recorder_.idleBegins();
        wake_.wait(lock, hasWork);
        recorder_.idleEnds(roleSeconds());
    }
    for (Queued& request : incoming_) insertInOrder(waiting_, std::move(request));
    incoming_.clear();
    return !stopping_;
}

void Scheduler::turn() {
    dropCancelled();
    admit();
    publish();  // a step may take long: what runs is to be seen meanwhile
    // A picture takes as long as many tokens: one at a time, so that the others go on and a cancel is seen in between.
    encodeOnePicture();
    dropCancelled();
    step();
}

void Scheduler::dropCancelled() {
    for (const auto& request : waiting_) {
        if (request->cancelled) finish(*request, FinishReason::kCancelled);
    }
    for (const auto& request : running_) {
        if (request->cancelled) finish(*request, FinishReason::kCancelled);
    }
    removeRetired();
}

/// Blocks that a request lacks to have `tokens` tokens in its cache.
std::int64_t Scheduler::missingBlocks(const ActiveRequest& request, std::size_t tokens) const {
    const afd::KvUsage kv = model_.pipeline->kvUsage();
    const std::int64_t held = request.sequence ? kv.blocksFor(request.sequence->length()) : 0;
    return std::max<std::int64_t>(kv.blocksFor(static_cast<std::int64_t>(tokens)) - held, 0);
}

/// Names of the full blocks of the request's first `tokens` tokens.
void Scheduler::extendNames(ActiveRequest& request, std::size_t tokens) const {
    for (std::size_t i = request.pictureNames.size(); i < request.prompt.images.size(); ++i) {
        request.pictureNames.push_back(blockNames_.ofPicture(*request.prompt.images[i]));
    }
    blockNames_.extend(request.blockNames, std::span(request.tokens).first(tokens), request.prompt.tokens,
                       request.pictureNames);
}

/// A sequence that begins with what is known of the request's tokens; at least one is left to read, for its logits.
void Scheduler::startSequence(ActiveRequest& request) {
    std::span<const afd::BlockName> prefix;
    if (limits_.prefixCache && !request.wantsPromptLogits()) {
        const std::size_t most = request.tokens.size() - 1;
        extendNames(request, most);
        const auto block = static_cast<std::size_t>(model_.pipeline->kvUsage().blockTokens);
        prefix = std::span<const afd::BlockName>(request.blockNames).first(most / block);
    }
    request.sequence = model_.pipeline->newSequence(prefix);
    request.fed = static_cast<std::size_t>(request.sequence->length());
}

/// Lets later requests find the blocks that are full; drafted tokens are not among `tokens`.
void Scheduler::nameBlocks(ActiveRequest& request) {
    if (!limits_.prefixCache) return;
    extendNames(request, std::min(request.fed, request.tokens.size()));
    request.sequence->nameBlocks(request.blockNames);
}

/// In order, so that no long prompt is overtaken for ever. Only answers that wait for their leader to read the prompt
/// are passed over.
void Scheduler::admit() {
    std::int64_t promised = 0;
    for (const auto& request : running_) promised += missingBlocks(*request, request->tokens.size() + 1);
    for (auto next = waiting_.begin();
         next != waiting_.end() && running_.size() < static_cast<std::size_t>(limits_.maxRunning);) {
        const Queued request = *next;
        if (request->leader && !request->leader->retired && !request->leader->hasReadPrompt()) {
            ++next;
            continue;
        }
        startSequence(*request);
        const afd::KvUsage kv = model_.pipeline->kvUsage();
        const std::int64_t need = missingBlocks(*request, request->tokens.size() + 1);
        const std::int64_t margin = running_.empty() ? 0 : kv.blocksFor(kAdmissionMargin);
        if (promised + need + margin > kv.available()) {
            request->sequence.reset();
            request->fed = 0;
            break;
        }
        promised += need;
        request->leader.reset();
        if (!request->admittedBefore) {
            request->admittedBefore = true;
            request->admitted = Clock::now();
            request->cachedTokens = static_cast<std::int32_t>(request->fed);
            if (limits_.prefixCache && !request->wantsPromptLogits()) {
                recorder_.admitted(request->promptTokens(), request->fed);
            }
            // A picture is looked up once for all answers.
            if (request->isFirst) recorder_.imagesFound(request->cachedPictures());
            emit(*request,
                 PrefillProgress{0, static_cast<std::int32_t>(request->promptTokens()),
                                 request->tokenIds ? request->prompt.tokens.ids : std::vector<std::int32_t>{}});
        }
        next = waiting_.erase(next);
        insertInOrder(running_, request);
    }
}

bool Scheduler::encodeOnePicture() {
    for (const auto& request : running_) {
        if (request->retired || request->hasAllPictures()) continue;
        const std::size_t index = request->missingPicture();
        const auto& picture = request->prompt.images[index];
        ImageRows rows = imageCache_.find(picture);
        if (rows) {
            if (request->isFirst) recorder_.imagesFound(1);
        } else {
            const auto start = Clock::now();
            const bool ok = guarded(
                [&] {
                    rows = std::make_shared<const std::vector<float>>(model_.encodeImage(*picture));
                    imageCache_.insert(picture, rows);
                },
                [&](ErrorCode code, const std::string& message) { fail(*request, code, message); });
            const double spent = seconds(Clock::now() - start);
            if (!ok) {
                recorder_.imageFailed(spent);
                return true;
            }
            recorder_.imageEncoded(spent);
        }
        const auto expected = static_cast<std::size_t>(request->prompt.tokens.pictureRows[index] * model_.hiddenSize);
        if (rows->size() != expected) {
            fail(*request, ErrorCode::kInternal,
                 "the vision encoder made " + std::to_string(rows->size()) + " values, expected " +
                     std::to_string(expected));
        }
        request->pictures[index] = std::move(rows);
        return true;
    }
    return false;
}

/// Who takes part in the next step, and how many tokens each feeds.
void Scheduler::gather(std::vector<ActiveRequest*>& batch, std::vector<std::size_t>& counts) const {
    const auto lonely = std::find_if(running_.begin(), running_.end(),
                                     [](const auto& request) { return request->alone && !request->retired; });
    for (const auto& request : running_) {
        if (request->retired || !request->hasAllPictures()) continue;
        if (lonely == running_.end() || request == *lonely) batch.push_back(request.get());
    }
    const std::size_t answers = answering(batch);
    std::size_t budget = readingPace_.tokens(answers, batch.size() - answers);
    for (ActiveRequest* request : batch) {
        const std::size_t left = request->tokens.size() - request->fed;
        std::size_t count = request->isDecoding() ? 1 : std::min(left, budget);
        if (request->wantsPromptLogits()) count = std::min(count, kLogitRows);
        if (!request->isDecoding()) budget -= count;
        counts.push_back(count);
    }
    for (std::size_t i = batch.size(); i-- > 0;) {
        if (counts[i] > 0) continue;
        batch.erase(batch.begin() + static_cast<std::ptrdiff_t>(i));
        counts.erase(counts.begin() + static_cast<std::ptrdiff_t>(i));
    }
}

void Scheduler::step() {
    std::vector<ActiveRequest*> batch;
    std::vector<std::size_t> counts;
    gather(batch, counts);
    makeRoom(batch, counts);
    if (batch.empty()) return;
    const auto start = Clock::now();
    const std::size_t answers = answering(batch);
    const std::size_t read = std::accumulate(counts.begin(), counts.end(), std::size_t{0}) - answers;
    const std::size_t drafted = model_.drafter ? draft(batch, counts) : 0;
    runStep(batch, counts);
    const double spent = seconds(Clock::now() - start);
    if (read == 0) draftPolicy_.measured(batch.size(), drafted, spent);
    readingPace_.measured(answers, read, spent);
}

/// Takes the cache from the last requests until what the others are about to feed fits.
void Scheduler::makeRoom(std::vector<ActiveRequest*>& batch, std::vector<std::size_t>& counts) {
    const auto needed = [&] {
        std::int64_t blocks = 0;
        for (std::size_t i = 0; i < batch.size(); ++i) blocks += missingBlocks(*batch[i], batch[i]->fed + counts[i]);
        return blocks;
    };
    while (running_.size() > 1 && needed() > model_.pipeline->kvUsage().available()) {
        const Queued last = running_.back();
        running_.pop_back();
        last->sequence.reset();
        last->draftState.reset();
        last->fed = 0;
        insertInOrder(waiting_, last);
        recorder_.preempted();
        ++last->preemptions;
        const auto found = std::find(batch.begin(), batch.end(), last.get());
        if (found != batch.end()) {
            counts.erase(counts.begin() + (found - batch.begin()));
            batch.erase(found);
        }
    }
}

void Scheduler::runStep(const std::vector<ActiveRequest*>& batch, const std::vector<std::size_t>& counts) {
    std::vector<float> logits;
    std::vector<std::size_t> logitRows(batch.size(), 1);
    std::vector<std::vector<float>> embeddings(batch.size());
    const bool ok = guarded(
        [&] {
            std::vector<std::vector<std::int32_t>> guessed(batch.size());  // the last token and the draft
            std::vector<afd::StepEntry> entries;
            std::size_t rows = 0;
            for (std::size_t i = 0; i < batch.size(); ++i) {
                ActiveRequest& request = *batch[i];
                if (!request.sequence) request.sequence = model_.pipeline->newSequence({});
                if (!request.draft.empty()) {
                    guessed[i] = request.draft;
                    guessed[i].insert(guessed[i].begin(), request.tokens.back());
                    logitRows[i] = counts[i];
                    rows += counts[i];
                    entries.push_back({request.sequence.get(), guessed[i], {}, true});
                    continue;
                }
                embeddings[i] = request.splice(*model_.pipeline, request.fed, request.fed + counts[i],
                                               static_cast<std::size_t>(model_.hiddenSize));
                if (request.wantsPromptLogits()) logitRows[i] = counts[i];
                rows += logitRows[i];
                entries.push_back({request.sequence.get(), std::span(request.tokens).subspan(request.fed, counts[i]),
                                   embeddings[i], request.wantsPromptLogits()});
            }
            logits = model_.pipeline->step(entries);
            if (logits.size() != rows * static_cast<std::size_t>(model_.vocabSize)) {
                throw Error(ErrorCode::kInternal, "the pipeline returned " + std::to_string(logits.size()) +
                                                      " logits for " + std::to_string(rows) + " tokens");
            }
        },
        [&](ErrorCode code, const std::string& message) {
            for (ActiveRequest* request : batch) {
                // The caches may be half written. One request failed; which one shows when each is run by itself.
                request->sequence.reset();
                request->fed = 0;
                if (batch.size() == 1 && request->draft.empty()) {
                    fail(*request, code, message);
                } else {
                    request->alone = true;
                }
                request->draft.clear();
                request->draftState.reset();
            }
        });
    if (!ok) return;
    const auto tokens = std::accumulate(counts.begin(), counts.end(), std::size_t{0});
    const bool readsPrompt = answering(batch) < batch.size();
    recorder_.step(tokens, readsPrompt, roleSeconds());
    const auto width = static_cast<std::size_t>(model_.vocabSize);
    std::span<float> rest(logits);
    std::vector<Draw> draws(batch.size());
    std::vector<std::size_t> before(batch.size());  // tokens fed
    for (std::size_t i = 0; i < batch.size(); ++i) {
        ActiveRequest& request = *batch[i];
        const std::span<float> own = rest.first(logitRows[i] * width);
        rest = rest.subspan(own.size());
        reportPrompt(request, request.fed, own, counts[i]);
        before[i] = request.fed;
        request.fed += counts[i];
        nameBlocks(request);
        if (request.fed < request.tokens.size() + request.draft.size()) continue;
        request.alone = false;
        draws[i].request = &request;
        draws[i].logits = request.draft.empty() ? own.last(width) : own;
    }
    drawAll(draws, readsPrompt);
    std::size_t row = 0;  // of the step
    for (std::size_t i = 0; i < batch.size(); ++i) {
        ActiveRequest& request = *batch[i];
        if (draws[i].request != nullptr) {
            guarded([&] { takeTokens(draws[i]); },
                    [&](ErrorCode code, const std::string& message) { fail(request, code, message); });
        }
        showTrunk(request, before[i], row, embeddings[i]);
        row += counts[i];
    }
}

void Scheduler::removeRetired() {
    std::erase_if(running_, [](const auto& request) { return request->retired; });
    std::erase_if(waiting_, [](const auto& request) { return request->retired; });
}

void Scheduler::publish() {
    const auto live = [](const auto& queue) {
        return static_cast<std::uint64_t>(
            std::count_if(queue.begin(), queue.end(), [](const auto& request) { return !request->retired; }));
    };
    metrics::Load load;
    const afd::KvUsage kv = model_.pipeline->kvUsage();
    load.kvBlocksUsed = static_cast<std::uint64_t>(kv.used);
    load.kvBlocksCached = static_cast<std::uint64_t>(kv.cached);
    load.running = live(running_);
    const std::lock_guard lock(mutex_);
    load.waiting = live(waiting_) + incoming_.size();
    recorder_.load(load);
}

}  // namespace step3::serving
