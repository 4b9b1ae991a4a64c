#include "engine/serving/scheduler.h"

#include <algorithm>
#include <limits>
#include <numeric>
#include <utility>

#include "engine/sampling/logprobs.h"
#include "engine/serving/active_request.h"
#include "engine/serving/guarded.h"

namespace step3::serving {

namespace {

/// Room asked for beyond the prompt when others are running, so that an admitted request does not have to go again at
/// once.
constexpr std::int64_t kAdmissionMargin = 32;

constexpr const char* kCloseThink = "</think>";

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
      draftPolicy_(static_cast<std::size_t>(limits.draftTokens), limits.draftAlways) {
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
    const auto needed = promptTokens + std::max(1, request.sampling.minTokens);
    const auto refuse = [&](std::int64_t limit, const char* what) {
        throw Error(ErrorCode::kResourceExhausted, "the prompt has " + std::to_string(promptTokens) +
                                                       " tokens and needs room for " +
                                                       std::to_string(needed - promptTokens) + " more, but " + what +
                                                       " holds " + std::to_string(limit));
    };
    if (needed > limits_.maxPositions) refuse(limits_.maxPositions, "the context");
    if (needed > kvTokens_) refuse(kvTokens_, "the KV memory");
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
    for (std::size_t i = 0; i < sinks.size(); ++i) {
        Request choice = request;
        if (choice.sampling.seed) *choice.sampling.seed += i;
        choices.push_back(std::make_shared<ActiveRequest>(ids[i], prompt, choice, std::move(sinks[i]),
                                                          static_cast<std::int32_t>(room), model_.tokenizer,
                                                          model_.vocabSize));
        choices.back()->submitted = submitted;
        if (i > 0) choices.back()->leader = choices.front();
    }
    {
        const std::lock_guard lock(mutex_);
        // known_ holds what runs and what waits.
        if (known_.size() + choices.size() >
            static_cast<std::size_t>(limits_.maxWaiting) + static_cast<std::size_t>(limits_.maxRunning)) {
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
    const auto& experts = stats.expertTokens;
    const double all = std::accumulate(experts.begin(), experts.end(), 0.0);
    if (all > 0) {
        const auto most = static_cast<double>(*std::max_element(experts.begin(), experts.end()));
        result.expertImbalance = most * static_cast<double>(experts.size()) / all;
    }
    return result;
}

metrics::RoleSeconds Scheduler::roleSeconds() const {
    const afd::PipelineStats stats = model_.pipeline->stats();
    return {stats.attentionSeconds, stats.ffnSeconds, stats.linkSeconds};
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
        const auto start = Clock::now();
        wake_.wait(lock, hasWork);
        recorder_.idle(seconds(Clock::now() - start), roleSeconds());
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
            if (limits_.prefixCache) recorder_.admitted(request->promptTokens(), request->fed);
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
            recorder_.imageFound();
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

void Scheduler::step() {
    std::vector<ActiveRequest*> batch;
    std::vector<std::size_t> counts;  // tokens each feeds
    const auto lonely = std::find_if(running_.begin(), running_.end(),
                                     [](const auto& request) { return request->alone && !request->retired; });
    auto budget = static_cast<std::size_t>(limits_.prefillChunk);
    for (const auto& request : running_) {
        if (request->retired || !request->hasAllPictures()) continue;
        if (lonely != running_.end() && request != *lonely) continue;
        const std::size_t left = request->tokens.size() - request->fed;
        std::size_t count = left == 1 ? 1 : std::min(left, budget);  // answers go on whatever prompts are read
        if (request->wantsPromptLogits()) count = std::min(count, kLogitRows);
        if (count == 0) continue;
        if (left > 1) budget -= count;
        batch.push_back(request.get());
        counts.push_back(count);
    }
    makeRoom(batch, counts);
    if (batch.empty()) return;
    const auto start = Clock::now();
    const bool readsPrompt = !std::all_of(batch.begin(), batch.end(), [](const auto* r) { return r->isDecoding(); });
    const std::size_t drafted = model_.drafter ? draft(batch, counts) : 0;
    runStep(batch, counts);
    if (!readsPrompt) draftPolicy_.measured(batch.size(), drafted, seconds(Clock::now() - start));
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
    const bool readPrompt = !std::all_of(batch.begin(), batch.end(), [](const auto* r) { return r->isDecoding(); });
    recorder_.step(tokens, readPrompt, roleSeconds());
    const auto width = static_cast<std::size_t>(model_.vocabSize);
    std::span<float> rest(logits);
    std::size_t row = 0;  // of the step
    for (std::size_t i = 0; i < batch.size(); ++i) {
        ActiveRequest& request = *batch[i];
        const std::span<float> own = rest.first(logitRows[i] * width);
        rest = rest.subspan(own.size());
        reportPrompt(request, request.fed, own, counts[i]);
        const std::size_t before = request.fed;
        request.fed += counts[i];
        nameBlocks(request);
        if (request.fed == request.tokens.size() + request.draft.size()) {
            request.alone = false;
            const std::span<float> wanted = request.draft.empty() ? own.last(width) : own;
            guarded([&] { takeTokens(request, wanted); },
                    [&](ErrorCode code, const std::string& message) { fail(request, code, message); });
        }
        showTrunk(request, before, row, embeddings[i]);
        row += counts[i];
    }
}

/// The `count` tokens from `begin` on have been read; `logits` are theirs or only those of the last.
void Scheduler::reportPrompt(ActiveRequest& request, std::size_t begin, std::span<const float> logits,
                             std::size_t count) {
    const std::size_t read = std::min(begin + count, request.promptTokens());
    if (read <= request.promptRead) return;  // read before the request gave its cache back
    PrefillProgress progress{static_cast<std::int32_t>(read), static_cast<std::int32_t>(request.promptTokens())};
    if (request.promptLogprobs >= 0) {
        const auto& ids = request.prompt.tokens.ids;
        const auto width = static_cast<std::size_t>(model_.vocabSize);
        if (request.promptRead == 0) {
            progress.logprobs.push_back({ids.front(), model_.tokenizer->tokenBytes(ids.front())});
        }
        // The logits of a token are about the one after it, so that the one after promptRead has been reported.
        for (std::size_t t = request.promptRead + 1; t < std::min(read + 1, ids.size()); ++t) {
            const auto row = logits.subspan((t - 1 - begin) * width, width);
            progress.logprobs.push_back(logprobOf(row, ids[t], request.promptLogprobs));
        }
    }
    recorder_.promptRead(read - request.promptRead);
    request.promptRead = read;
    emit(request, progress);
}

TokenLogprob Scheduler::logprobOf(std::span<const float> logits, std::int32_t id, std::int32_t top) const {
    const auto entry = [&](const sampling::Logprob& value) {
        return TokenLogprob{value.id, model_.tokenizer->tokenBytes(value.id), value.logprob, {}, value.rank};
    };
    const auto values = sampling::logprobs(logits, id, static_cast<std::size_t>(top));
    TokenLogprob result = entry(values[0]);
    for (std::size_t i = 1; i < values.size(); ++i) result.top.push_back(entry(values[i]));
    return result;
}

/// Draws the next token and reports it; none if the request has been cancelled, which the next turn reports.
std::optional<std::int32_t> Scheduler::takeToken(ActiveRequest& request, std::span<float> logits) {
    if (request.cancelled) return std::nullopt;
    const auto start = Clock::now();
    std::vector<std::int32_t> stopIds = request.params.stopTokenIds;
    if (!request.params.ignoreEos) stopIds.insert(stopIds.end(), model_.eosTokenIds.begin(), model_.eosTokenIds.end());
    std::vector<float> raw;
    if (request.topLogprobs >= 0) raw.assign(logits.begin(), logits.end());
    if (request.thinkingBudget >= 0 && request.stream.inReasoning() &&
        request.stream.reasoningTokens() >= request.thinkingBudget) {
        std::fill(logits.begin(), logits.end(), -std::numeric_limits<float>::infinity());
        logits[static_cast<std::size_t>(*model_.tokenizer->idOf(kCloseThink))] = 0.0F;
    }
    const bool tooEarly = request.completionTokens < request.params.minTokens;
    const std::shared_ptr<const sampling::TokenMask> allowed =
        request.constraint ? request.constraint->allowed() : nullptr;
    std::span<const std::int32_t> banned;
    if (tooEarly)
        banned = stopIds;
    else if (allowed && request.params.ignoreEos)
        banned = model_.eosTokenIds;  // they have no place in the form
    const std::int32_t id = request.sampler.sample(logits, banned, allowed.get());
    std::optional<TokenLogprob> logprob;
    if (request.topLogprobs >= 0) logprob = logprobOf(raw, id, request.topLogprobs);
    const auto now = Clock::now();
    if (request.completionTokens++ == 0) {
        request.firstToken = now;
        recorder_.firstToken(seconds(now - request.submitted), seconds(now - start));
    } else {
        recorder_.nextToken(now, seconds(now - request.lastToken), seconds(now - start));
    }
    request.lastToken = now;

    if (std::find(stopIds.begin(), stopIds.end(), id) != stopIds.end()) {
        request.stream.pushSilent(id, std::move(logprob));
        const auto& own = request.params.stopTokenIds;
        finish(request, FinishReason::kStop, std::find(own.begin(), own.end(), id) != own.end() ? id : -1);
        return id;
    }
    request.tokens.push_back(id);
    for (const Event& event : request.stream.push(id, std::move(logprob))) emit(request, event);
    if (request.constraint && !request.constraint->accept(id)) {
        throw Error(ErrorCode::kInternal, "token " + std::to_string(id) + " is not of the form the answer must have");
    }
    if (request.stream.stopString() || (request.constraint && request.constraint->isComplete())) {
        finish(request, FinishReason::kStop);
    } else if (request.completionTokens >= request.maxTokens) {
        finish(request, FinishReason::kLength);
    }
    return id;
}

void Scheduler::finish(ActiveRequest& request, FinishReason reason, std::int32_t stopTokenId) {
    if (request.retired) return;
    for (const Event& event : request.stream.finish()) emit(request, event);
    if (reason == FinishReason::kStop && request.stream.toolCallCount() > 0) reason = FinishReason::kToolCalls;
    recordEnd(request, reason);
    retire(request);
    emit(request, Finished{reason, request.stream.stopString().value_or(""), request.usage(), stopTokenId});
}

void Scheduler::fail(ActiveRequest& request, ErrorCode code, const std::string& message) {
    if (request.retired) return;
    recordEnd(request, FinishReason::kError);
    retire(request);
    emit(request, Failed{code, message});
}

void Scheduler::recordEnd(const ActiveRequest& request, FinishReason reason) {
    recorder_.ended({reason, request.usage(), seconds(Clock::now() - request.submitted), request.admittedBefore,
                     request.maxTokens, request.preemptions});
}

/// The counters are published before the last event is sent, so that who has seen it also sees them.
void Scheduler::retire(ActiveRequest& request) {
    request.retired = true;
    request.sequence.reset();
    request.draftState.reset();
    request.fed = 0;
    {
        const std::lock_guard lock(mutex_);
        known_.erase(request.id);
    }
    publish();
}

void Scheduler::emit(ActiveRequest& request, const Event& event) {
    if (request.sinkBroken || !request.sink) return;
    try {
        request.sink(event);
    } catch (...) {  // nobody is left to tell; the request ends with the next turn
        request.sinkBroken = true;
        request.cancelled = true;
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
