// What the scheduler makes of a step's logits: progress, tokens and the end of each request.

#include <algorithm>
#include <limits>
#include <utility>

#include "engine/sampling/logprobs.h"
#include "engine/serving/active_request.h"
#include "engine/serving/scheduler.h"

namespace step3::serving {

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
    const auto cached = static_cast<std::size_t>(request.cachedTokens);  // the first ones
    recorder_.promptRead(read - request.promptRead, std::min(read, cached) - std::min(request.promptRead, cached));
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

/// Tokens that end the request's answer.
void Scheduler::appendStopIds(const ActiveRequest& request, std::vector<std::int32_t>& ids) const {
    ids.insert(ids.end(), request.params.stopTokenIds.begin(), request.params.stopTokenIds.end());
    if (!request.params.ignoreEos) ids.insert(ids.end(), model_.eosTokenIds.begin(), model_.eosTokenIds.end());
}

/// The next token of every request that is ready for it. Each has a sampler and a form of its own, so they are drawn
/// side by side.
void Scheduler::drawAll(std::vector<Draw>& draws, bool readsPrompt) {
    const auto start = Clock::now();
    const auto drawSome = [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t i = begin; i < end; ++i) {
            Draw& one = draws[static_cast<std::size_t>(i)];
            if (one.request == nullptr || one.request->cancelled) continue;
            try {
                draw(one);
            } catch (...) {
                one.error = std::current_exception();
            }
        }
    };
    const auto count = static_cast<std::int64_t>(draws.size());
    if (model_.pool != nullptr && count > 1) {
        model_.pool->parallelFor(count, 1, drawSome);
    } else {
        drawSome(0, count);
    }
    recorder_.sampled(seconds(Clock::now() - start), readsPrompt);
}

void Scheduler::draw(Draw& draw) const {
    ActiveRequest& request = *draw.request;
    const std::span<float> logits = draw.logits.first(static_cast<std::size_t>(model_.vocabSize));
    std::vector<float> raw;
    if (request.topLogprobs >= 0) raw.assign(logits.begin(), logits.end());
    if (request.thinkingBudget >= 0 && request.stream.inReasoning() &&
        request.stream.reasoningTokens() >= request.thinkingBudget) {
        std::fill(logits.begin(), logits.end(), -std::numeric_limits<float>::infinity());
        logits[static_cast<std::size_t>(*model_.tokenizer->idOf(kCloseThink))] = 0.0F;
    }
    const std::shared_ptr<const sampling::TokenMask> allowed =
        request.constraint ? request.constraint->allowed() : nullptr;
    std::vector<std::int32_t> banned;
    if (request.completionTokens < request.params.minTokens) {
        appendStopIds(request, banned);
    } else if (allowed && request.params.ignoreEos) {
        banned = model_.eosTokenIds;  // they have no place in the form
    }
    if (allowed && !banned.empty()) {
        std::sort(banned.begin(), banned.end());
        banned.erase(std::unique(banned.begin(), banned.end()), banned.end());
        const auto ends = std::count_if(banned.begin(), banned.end(), [&](auto id) { return allowed->allows(id); });
        if (ends == allowed->count()) banned.clear();  // the form is complete: it goes before the least length
    }
    request.badWords.appendBanned(std::span(request.tokens).subspan(request.promptTokens()), banned);
    draw.id = request.sampler.sample(logits, banned, allowed.get());
    if (request.topLogprobs >= 0) draw.logprob = logprobOf(raw, draw.id, request.topLogprobs);
}

/// Reports the token that was drawn.
void Scheduler::takeToken(Draw& draw) {
    if (draw.error) std::rethrow_exception(draw.error);
    ActiveRequest& request = *draw.request;
    const std::int32_t id = draw.id;
    const auto now = Clock::now();
    if (request.completionTokens++ == 0) {
        request.firstToken = now;
        recorder_.firstToken(seconds(now - request.submitted));
    } else {
        recorder_.nextToken(now, seconds(now - request.lastToken));
    }
    request.lastToken = now;

    const auto contains = [&](const std::vector<std::int32_t>& ids) {
        return std::find(ids.begin(), ids.end(), id) != ids.end();
    };
    const bool own = contains(request.params.stopTokenIds);
    // A form that is complete allows nothing else, even where the end is to be ignored.
    const auto inForm = [&] { return request.constraint && request.constraint->allowed(); };
    if (own || (contains(model_.eosTokenIds) && (!request.params.ignoreEos || inForm()))) {
        request.stream.pushSilent(id, std::move(draw.logprob));
        return finish(request, FinishReason::kStop, own ? id : -1);
    }
    request.tokens.push_back(id);
    for (const Event& event : request.stream.push(id, std::move(draw.logprob))) emit(request, event);
    if (request.constraint && !request.constraint->accept(id)) {
        throw Error(ErrorCode::kInternal, "token " + std::to_string(id) + " is not of the form the answer must have");
    }
    if (request.stream.stopString() || (request.constraint && request.constraint->isComplete())) {
        finish(request, FinishReason::kStop);
    } else if (request.completionTokens >= request.maxTokens) {
        finish(request, FinishReason::kLength);
    }
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
    Choices& choices = *request.choices;
    choices.mostTokens = std::max(choices.mostTokens, request.completionTokens);
    if (++choices.ended == choices.count) recorder_.answered(choices.count, choices.mostTokens);
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

}  // namespace step3::serving
