#include "engine/serving/scheduler.h"

#include <algorithm>
#include <exception>

#include "engine/sampling/logprobs.h"
#include "engine/serving/active_request.h"

namespace step3::serving {

namespace {

double seconds(Clock::duration duration) {
    return std::chrono::duration<double>(duration).count();
}

/// Room asked for beyond the prompt when others are running, so that an admitted request does not have to go again at
/// once.
constexpr std::int64_t kAdmissionMargin = 32;

/// Runs `body` and hands whatever it throws to `onError(code, message)`.
template <typename Body, typename OnError>
bool guarded(const Body& body, const OnError& onError) {
    try {
        body();
        return true;
    } catch (const Error& error) {
        onError(error.code(), error.what());
    } catch (const std::bad_alloc&) {
        onError(ErrorCode::kResourceExhausted, std::string("out of memory"));
    } catch (const std::exception& error) {
        onError(ErrorCode::kInternal, error.what());
    }
    return false;
}

}  // namespace

Scheduler::Scheduler(SchedulerModel model, const SchedulerLimits& limits)
    : model_(std::move(model)), limits_(limits), imageCache_(limits.imageCacheBytes) {
    counters_.kvTokensCapacity = static_cast<std::uint64_t>(limits_.kvTokens);
    published_ = counters_;
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
    const auto promptTokens = static_cast<std::int64_t>(prompt.tokens.ids.size());
    const auto needed = promptTokens + std::max(1, request.sampling.minTokens);
    const auto refuse = [&](std::int64_t limit, const char* what) {
        throw Error(ErrorCode::kResourceExhausted, "the prompt has " + std::to_string(promptTokens) +
                                                       " tokens and needs room for " +
                                                       std::to_string(needed - promptTokens) + " more, but " + what +
                                                       " holds " + std::to_string(limit));
    };
    if (needed > limits_.maxPositions) refuse(limits_.maxPositions, "the context");
    if (needed > limits_.kvTokens) refuse(limits_.kvTokens, "the KV memory");
    std::int64_t room = std::min(limits_.maxPositions, limits_.kvTokens) - promptTokens;
    if (request.sampling.maxTokens > 0) room = std::min<std::int64_t>(room, request.sampling.maxTokens);

    RequestId id = 0;
    {
        const std::lock_guard lock(mutex_);
        id = nextId_++;
    }
    auto active = std::make_shared<ActiveRequest>(id, std::move(prompt), request, std::move(sink),
                                                  static_cast<std::int32_t>(room), model_.tokenizer, model_.vocabSize);
    active->submitted = submitted;
    {
        const std::lock_guard lock(mutex_);
        // known_ holds what runs and what waits.
        if (known_.size() >=
            static_cast<std::size_t>(limits_.maxWaiting) + static_cast<std::size_t>(limits_.maxRunning)) {
            throw Error(ErrorCode::kBusy,
                        "the queue is full: " + std::to_string(known_.size()) + " requests are running or waiting");
        }
        known_.emplace(id, active);
        incoming_.push_back(std::move(active));
        ++published_.requestsWaiting;
    }
    wake_.notify_all();
    return id;
}

void Scheduler::cancel(RequestId id) {
    const std::lock_guard lock(mutex_);
    const auto found = known_.find(id);
    if (found == known_.end()) return;
    found->second->cancelled = true;
    wake_.notify_all();
}

Metrics Scheduler::metrics() const {
    Metrics result;
    {
        const std::lock_guard lock(mutex_);
        result = published_;
    }
    const afd::PipelineStats stats = model_.pipeline->stats();
    result.attentionBusySeconds = stats.attentionSeconds;
    result.ffnBusySeconds = stats.ffnSeconds;
    result.linkSeconds = stats.linkSeconds;
    return result;
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
    wake_.wait(lock, [&] { return stopping_ || !incoming_.empty() || !running_.empty() || !waiting_.empty(); });
    std::move(incoming_.begin(), incoming_.end(), std::back_inserter(waiting_));
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

/// KV memory of a sequence of so many tokens, in tokens.
std::int64_t Scheduler::pagedTokens(std::size_t tokens) const {
    const std::int64_t page = limits_.kvPageTokens;
    return (static_cast<std::int64_t>(tokens) + page - 1) / page * page;
}

void Scheduler::admit() {
    std::int64_t promised = 0;
    for (const auto& request : running_) promised += pagedTokens(request->tokens.size() + 1);
    while (!waiting_.empty() && running_.size() < static_cast<std::size_t>(limits_.maxRunning)) {
        const auto& request = waiting_.front();
        const std::int64_t need = pagedTokens(request->tokens.size() + 1);
        const std::int64_t margin = running_.empty() ? 0 : kAdmissionMargin;
        if (promised + need + margin > limits_.kvTokens) break;  // in order: no long prompt is overtaken for ever
        promised += need;
        if (!request->admittedBefore) {
            request->admittedBefore = true;
            request->admitted = Clock::now();
            emit(*request, PrefillProgress{0, static_cast<std::int32_t>(request->prompt.tokens.ids.size())});
        }
        running_.push_back(request);
        waiting_.pop_front();
    }
}

bool Scheduler::encodeOnePicture() {
    for (const auto& request : running_) {
        if (request->retired || request->hasAllPictures()) continue;
        const auto& picture = request->prompt.images[request->pictures.size()];
        ImageRows rows = imageCache_.find(picture);
        if (rows) {
            ++counters_.imageCacheHits;
        } else {
            const auto start = Clock::now();
            const bool ok = guarded(
                [&] {
                    rows = std::make_shared<const std::vector<float>>(model_.encodeImage(*picture));
                    imageCache_.insert(picture, rows);
                },
                [&](ErrorCode code, const std::string& message) { fail(*request, code, message); });
            counters_.visionSeconds += seconds(Clock::now() - start);
            if (!ok) return true;
            ++counters_.imagesEncoded;
        }
        request->pictures.push_back(std::move(rows));
        std::size_t values = 0;
        for (const ImageRows& done : request->pictures) values += done->size();
        const std::size_t expected =
            request->prompt.tokens.rowPositions.size() * static_cast<std::size_t>(model_.hiddenSize);
        if (request->hasAllPictures() && values != expected) {
            fail(*request, ErrorCode::kInternal,
                 "the vision encoder made " + std::to_string(values) + " values, expected " + std::to_string(expected));
        }
        return true;
    }
    return false;
}

/// Embeddings [end - begin, H] of tokens [begin, end) with the image rows in their places; empty if no image row is
/// there.
std::vector<float> Scheduler::splice(const ActiveRequest& request, std::size_t begin, std::size_t end) {
    const auto& positions = request.prompt.tokens.rowPositions;
    const auto first = std::lower_bound(positions.begin(), positions.end(), static_cast<std::int32_t>(begin));
    const auto last = std::lower_bound(first, positions.end(), static_cast<std::int32_t>(end));
    if (first == last) return {};
    std::vector<float> rows = model_.pipeline->embed(std::span(request.tokens).subspan(begin, end - begin));
    const auto width = static_cast<std::size_t>(model_.hiddenSize);
    auto row = static_cast<std::size_t>(first - positions.begin());  // over all pictures of the request
    std::size_t picture = 0;
    while (row >= request.pictures[picture]->size() / width) row -= request.pictures[picture++]->size() / width;
    for (auto position = first; position != last; ++position, ++row) {
        while (row == request.pictures[picture]->size() / width) {
            row = 0;
            ++picture;
        }
        std::copy_n(request.pictures[picture]->begin() + static_cast<std::ptrdiff_t>(row * width), width,
                    rows.begin() + static_cast<std::ptrdiff_t>((static_cast<std::size_t>(*position) - begin) * width));
    }
    return rows;
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
        const std::size_t count = left == 1 ? 1 : std::min(left, budget);  // answers go on whatever prompts are read
        if (count == 0) continue;
        if (left > 1) budget -= count;
        batch.push_back(request.get());
        counts.push_back(count);
    }
    makeRoom(batch, counts);
    if (!batch.empty()) runStep(batch, counts);
}

/// Takes the cache from the youngest requests until what the others are about to feed fits.
void Scheduler::makeRoom(std::vector<ActiveRequest*>& batch, std::vector<std::size_t>& counts) {
    const auto needed = [&] {
        std::int64_t tokens = 0;
        for (const auto& request : running_) {
            const auto found = std::find(batch.begin(), batch.end(), request.get());
            const std::size_t more = found == batch.end() ? 0 : counts[static_cast<std::size_t>(found - batch.begin())];
            tokens += pagedTokens(request->fed + more);
        }
        return tokens;
    };
    while (running_.size() > 1 && needed() > limits_.kvTokens) {
        const std::shared_ptr<ActiveRequest> youngest = running_.back();
        running_.pop_back();
        youngest->sequence.reset();
        youngest->fed = 0;
        waiting_.push_front(youngest);
        ++counters_.preemptions;
        const auto found = std::find(batch.begin(), batch.end(), youngest.get());
        if (found != batch.end()) {
            counts.erase(counts.begin() + (found - batch.begin()));
            batch.erase(found);
        }
    }
}

void Scheduler::runStep(const std::vector<ActiveRequest*>& batch, const std::vector<std::size_t>& counts) {
    std::vector<float> logits;
    const bool ok = guarded(
        [&] {
            std::vector<std::vector<float>> embeddings(batch.size());
            std::vector<afd::StepEntry> entries;
            for (std::size_t i = 0; i < batch.size(); ++i) {
                ActiveRequest& request = *batch[i];
                if (!request.sequence) request.sequence = model_.pipeline->newSequence();
                embeddings[i] = splice(request, request.fed, request.fed + counts[i]);
                entries.push_back({request.sequence.get(), std::span(request.tokens).subspan(request.fed, counts[i]),
                                   embeddings[i], false});
            }
            logits = model_.pipeline->step(entries);
            if (logits.size() != batch.size() * static_cast<std::size_t>(model_.vocabSize)) {
                throw Error(ErrorCode::kInternal, "the pipeline returned " + std::to_string(logits.size()) +
                                                      " logits for " + std::to_string(batch.size()) + " sequences");
            }
        },
        [&](ErrorCode code, const std::string& message) {
            for (ActiveRequest* request : batch) {
                // The caches may be half written. One request failed; which one shows when each is run by itself.
                request->sequence.reset();
                request->fed = 0;
                if (batch.size() == 1) {
                    fail(*request, code, message);
                } else {
                    request->alone = true;
                }
            }
        });
    if (!ok) return;
    const auto width = static_cast<std::size_t>(model_.vocabSize);
    for (std::size_t i = 0; i < batch.size(); ++i) {
        ActiveRequest& request = *batch[i];
        request.fed += counts[i];
        const std::size_t promptTokens = request.prompt.tokens.ids.size();
        if (const std::size_t read = std::min(request.fed, promptTokens); read > request.promptRead) {
            counters_.promptTokens += read - request.promptRead;
            request.promptRead = read;
            emit(request, PrefillProgress{static_cast<std::int32_t>(read), static_cast<std::int32_t>(promptTokens)});
        }
        if (request.fed < request.tokens.size()) continue;
        request.alone = false;
        guarded([&] { takeToken(request, std::span(logits).subspan(i * width, width)); },
                [&](ErrorCode code, const std::string& message) { fail(request, code, message); });
    }
}

void Scheduler::takeToken(ActiveRequest& request, std::span<float> logits) {
    if (request.cancelled) return;  // the next turn reports it
    const auto start = Clock::now();
    std::vector<std::int32_t> stopIds = request.params.stopTokenIds;
    if (!request.params.ignoreEos) stopIds.insert(stopIds.end(), model_.eosTokenIds.begin(), model_.eosTokenIds.end());
    std::vector<float> raw;
    if (request.topLogprobs >= 0) raw.assign(logits.begin(), logits.end());
    const bool tooEarly = request.completionTokens < request.params.minTokens;
    const std::int32_t id = request.sampler.sample(
        logits, tooEarly ? std::span<const std::int32_t>(stopIds) : std::span<const std::int32_t>());
    std::optional<TokenLogprob> logprob;
    if (request.topLogprobs >= 0) {
        const auto entry = [&](const sampling::Logprob& value) {
            return TokenLogprob{value.id, model_.tokenizer->tokenBytes(value.id), value.logprob, {}};
        };
        const auto values = sampling::logprobs(raw, id, static_cast<std::size_t>(request.topLogprobs));
        logprob = entry(values[0]);
        for (std::size_t i = 1; i < values.size(); ++i) logprob->top.push_back(entry(values[i]));
    }
    request.lastToken = Clock::now();
    counters_.samplingSeconds += seconds(request.lastToken - start);
    if (request.completionTokens++ == 0) {
        request.firstToken = request.lastToken;
        counters_.lastTtftSeconds = seconds(request.firstToken - request.submitted);
    }
    ++counters_.generationTokens;

    if (std::find(stopIds.begin(), stopIds.end(), id) != stopIds.end()) {
        request.stream.pushSilent(std::move(logprob));
        const auto& own = request.params.stopTokenIds;
        finish(request, FinishReason::kStop, std::find(own.begin(), own.end(), id) != own.end() ? id : -1);
        return;
    }
    request.tokens.push_back(id);
    for (const Event& event : request.stream.push(id, std::move(logprob))) emit(request, event);
    if (request.stream.stopString()) {
        finish(request, FinishReason::kStop);
    } else if (request.completionTokens >= request.maxTokens) {
        finish(request, FinishReason::kLength);
    }
}

void Scheduler::finish(ActiveRequest& request, FinishReason reason, std::int32_t stopTokenId) {
    if (request.retired) return;
    for (const Event& event : request.stream.finish()) emit(request, event);
    if (reason == FinishReason::kStop && request.stream.toolCallCount() > 0) reason = FinishReason::kToolCalls;
    Usage usage;
    usage.promptTokens = static_cast<std::int32_t>(request.prompt.tokens.ids.size());
    usage.imageTokens = request.prompt.tokens.imageTokens;
    usage.completionTokens = request.completionTokens;
    usage.reasoningTokens = request.stream.reasoningTokens();
    usage.queueSeconds = seconds((request.admittedBefore ? request.admitted : Clock::now()) - request.submitted);
    if (request.completionTokens > 0) usage.ttftSeconds = seconds(request.firstToken - request.submitted);
    if (request.completionTokens > 1) {
        usage.tpotSeconds = seconds(request.lastToken - request.firstToken) / (request.completionTokens - 1);
        counters_.lastTpotSeconds = usage.tpotSeconds;
    }
    ++counters_.requestsFinished;
    retire(request);
    emit(request, Finished{reason, request.stream.stopString().value_or(""), usage, stopTokenId});
}

void Scheduler::fail(ActiveRequest& request, ErrorCode code, const std::string& message) {
    if (request.retired) return;
    ++counters_.requestsFailed;
    retire(request);
    emit(request, Failed{code, message});
}

/// The counters are published before the last event is sent, so that who has seen it also sees them.
void Scheduler::retire(ActiveRequest& request) {
    request.retired = true;
    request.sequence.reset();
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
    counters_.kvTokensUsed = 0;
    for (const auto& request : running_)
        counters_.kvTokensUsed += static_cast<std::uint64_t>(pagedTokens(request->fed));
    const std::lock_guard lock(mutex_);
    published_ = counters_;
    published_.requestsRunning = live(running_);
    published_.requestsWaiting = live(waiting_) + incoming_.size();
}

}  // namespace step3::serving
