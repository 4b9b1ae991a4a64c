#include "engine/metrics/recorder.h"

#include <utility>

namespace step3::metrics {

void Recorder::kvLayout(std::uint64_t blocks, std::uint64_t blockTokens) {
    const std::lock_guard lock(mutex_);
    metrics_.kvBlocks = blocks;
    metrics_.kvBlockTokens = blockTokens;
    metrics_.kvTokensCapacity = blocks * blockTokens;
}

void Recorder::load(const Load& load) {
    const std::lock_guard lock(mutex_);
    metrics_.requestsRunning = load.running;
    metrics_.requestsWaiting = load.waiting;
    metrics_.kvBlocksUsed = load.kvBlocksUsed;
    metrics_.kvBlocksCached = load.kvBlocksCached;
    metrics_.kvTokensUsed = load.kvBlocksUsed * metrics_.kvBlockTokens;
}

void Recorder::submitted(std::size_t requests) {
    const std::lock_guard lock(mutex_);
    metrics_.requestsWaiting += requests;
}

void Recorder::refused() {
    const std::lock_guard lock(mutex_);
    ++metrics_.requestsRefused;
}

void Recorder::admitted(std::size_t queryTokens, std::size_t hitTokens) {
    const std::lock_guard lock(mutex_);
    metrics_.prefixQueryTokens += queryTokens;
    metrics_.prefixHitTokens += hitTokens;
}

void Recorder::preempted() {
    const std::lock_guard lock(mutex_);
    ++metrics_.preemptions;
}

void Recorder::drafting(std::string method, std::size_t most) {
    const std::lock_guard lock(mutex_);
    metrics_.draftMethod = std::move(method);
    metrics_.draftAcceptedAt.assign(most, 0);
}

void Recorder::drafted(std::size_t tokens) {
    const std::lock_guard lock(mutex_);
    ++metrics_.drafts;
    metrics_.draftTokens += tokens;
}

void Recorder::draftAccepted(std::size_t place) {
    const std::lock_guard lock(mutex_);
    ++metrics_.draftTokensAccepted;
    ++metrics_.draftAcceptedAt[place];
}

void Recorder::promptRead(std::size_t tokens, std::size_t cached) {
    const std::lock_guard lock(mutex_);
    metrics_.promptTokens += tokens;
    metrics_.promptCachedTokens += cached;
}

void Recorder::imagesFound(std::size_t images) {
    const std::lock_guard lock(mutex_);
    metrics_.imageCacheHits += images;
}

void Recorder::imageEncoded(double seconds) {
    const std::lock_guard lock(mutex_);
    ++metrics_.imagesEncoded;
    metrics_.visionSeconds += seconds;
    metrics_.histograms.visionEncode.observe(seconds);
    metrics_.histograms.visionStage.observe(seconds);
}

void Recorder::imageFailed(double seconds) {
    const std::lock_guard lock(mutex_);
    metrics_.visionSeconds += seconds;
}

void Recorder::firstToken(double ttftSeconds) {
    const std::lock_guard lock(mutex_);
    ++metrics_.generationTokens;
    metrics_.lastTtftSeconds = ttftSeconds;
    metrics_.histograms.timeToFirstToken.observe(ttftSeconds);
}

void Recorder::nextToken(Clock::time_point when, double gapSeconds) {
    const std::lock_guard lock(mutex_);
    ++metrics_.generationTokens;
    metrics_.histograms.interToken.observe(gapSeconds);
    gaps_.add(when, gapSeconds);
}

void Recorder::idleBegins() {
    const std::lock_guard lock(mutex_);
    idleSince_ = Clock::now();
}

void Recorder::idleEnds(const RoleSeconds& total) {
    const std::lock_guard lock(mutex_);
    const Clock::time_point now = Clock::now();
    metrics_.idleSeconds += secondsOf(now - *idleSince_);
    idleSince_.reset();
    busy_.add(now, total);
}

void Recorder::step(std::size_t tokens, bool hasPrompt, const RoleSeconds& total) {
    const std::lock_guard lock(mutex_);
    ++metrics_.steps;
    metrics_.histograms.iterationTokens.observe(static_cast<double>(tokens));
    const std::size_t phase = hasPrompt ? 0 : 1;
    const double head = total.lmHead - total_.lmHead;
    metrics_.histograms.attentionStage[phase].observe(total.attention - total_.attention - head);
    metrics_.histograms.lmHeadStage[phase].observe(head);
    metrics_.histograms.ffnStage[phase].observe(total.ffn - total_.ffn);
    total_ = total;
    busy_.add(Clock::now(), total);
}

void Recorder::sampled(double seconds, bool hasPrompt) {
    const std::lock_guard lock(mutex_);
    metrics_.samplingSeconds += seconds;
    metrics_.histograms.samplingStage[hasPrompt ? 0 : 1].observe(seconds);
}

void Recorder::ended(const EndedRequest& request) {
    const std::lock_guard lock(mutex_);
    switch (request.reason) {
        case FinishReason::kStop:
        case FinishReason::kToolCalls: ++metrics_.finishedStop; break;
        case FinishReason::kLength: ++metrics_.finishedLength; break;
        case FinishReason::kCancelled: ++metrics_.finishedCancelled; break;
        case FinishReason::kError: break;
    }
    ++(request.reason == FinishReason::kError ? metrics_.requestsFailed : metrics_.requestsFinished);
    const Usage& usage = request.usage;
    Histograms& h = metrics_.histograms;
    h.endToEnd.observe(request.totalSeconds);
    h.queue.observe(usage.queueSeconds);
    h.promptTokens.observe(usage.promptTokens);
    h.generationTokens.observe(usage.completionTokens);
    h.maxTokens.observe(request.maxTokens);
    h.preemptions.observe(request.preemptions);
    if (!request.admitted) return;
    h.inference.observe(request.totalSeconds - usage.queueSeconds);
    h.prefillComputed.observe(usage.promptTokens - usage.cachedTokens);
    if (usage.completionTokens > 0) {
        h.prefill.observe(usage.prefillSeconds);
        h.decode.observe(usage.decodeSeconds);
    }
    if (usage.completionTokens > 1) {
        h.timePerToken.observe(usage.tpotSeconds);
        metrics_.lastTpotSeconds = usage.tpotSeconds;
    }
}

void Recorder::answered(std::size_t choices, std::int32_t mostTokens) {
    const std::lock_guard lock(mutex_);
    metrics_.histograms.choices.observe(static_cast<double>(choices));
    metrics_.histograms.mostGenerated.observe(mostTokens);
}

Metrics Recorder::read() const {
    std::vector<float> gaps;  // of the longest window; the others are its beginnings
    std::vector<std::size_t> counts;
    std::vector<double> covered;
    Metrics result;
    const Clock::time_point now = Clock::now();
    {
        const std::lock_guard lock(mutex_);
        result = metrics_;
        if (idleSince_) result.idleSeconds += secondsOf(now - *idleSince_);
        const RoleSeconds shares = busy_.shares(now);
        result.attentionShare = shares.attention;
        result.ffnShare = shares.ffn;
        result.linkShare = shares.link;
        for (const double seconds : RecentGaps::kSeconds) {
            counts.push_back(gaps_.count(seconds, now));
            covered.push_back(gaps_.covered(seconds, now));
        }
        gaps = gaps_.last(RecentGaps::kSeconds[counts.size() - 1], now);
    }
    for (std::size_t i = 0; i < counts.size(); ++i) {
        const auto end = gaps.begin() + static_cast<std::ptrdiff_t>(counts[i]);
        result.tokenTimes.push_back(tokenTimes(RecentGaps::kSeconds[i], {gaps.begin(), end}));
        result.tokenTimes.back().covered = covered[i];
    }
    return result;
}

}  // namespace step3::metrics
