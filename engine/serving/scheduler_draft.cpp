// What the scheduler does with drafted tokens.

#include <algorithm>
#include <utility>

#include "engine/serving/active_request.h"
#include "engine/serving/guarded.h"
#include "engine/serving/scheduler.h"

namespace step3::serving {

/// Guesses tokens for the requests that decode, as many as pay, fit beside what runs and can still be wanted. Returns
/// how many in all.
std::size_t Scheduler::draft(const std::vector<ActiveRequest*>& batch, std::vector<std::size_t>& counts) {
    std::vector<const Acceptance*> acceptance;
    for (ActiveRequest* request : batch) {
        if (!request->isDecoding()) continue;
        prepareDrafts(*request);
        acceptance.push_back(&request->acceptance);
    }
    const std::size_t most = draftPolicy_.choose(acceptance);
    std::int64_t freeBlocks = model_.pipeline->kvUsage().available();
    for (std::size_t i = 0; i < batch.size(); ++i) freeBlocks -= missingBlocks(*batch[i], batch[i]->fed + counts[i]);
    std::vector<DraftTask> tasks;
    for (ActiveRequest* request : batch) {
        if (!request->isDecoding()) continue;
        const std::size_t count = request->alone ? 0 : std::min(most, draftRoom(*request, freeBlocks));
        tasks.push_back({request->draftState.get(), request->tokens, count});
    }
    const bool ok = guarded([&] { model_.drafter->draft(tasks); }, [](ErrorCode, const std::string&) {});
    std::size_t drafted = 0;
    for (std::size_t i = 0, task = 0; i < batch.size(); ++i) {
        if (!batch[i]->isDecoding()) continue;
        batch[i]->draft = std::move(tasks[task++].draft);
        if (!ok) {  // no memory for guessing: the answers go on without
            batch[i]->draft.clear();
            batch[i]->draftState.reset();
        }
        counts[i] += batch[i]->draft.size();
        drafted += batch[i]->draft.size();
        if (batch[i]->draft.empty()) draftPolicy_.rested(batch[i]->acceptance);
    }
    return drafted;
}

/// Drafted tokens that the request can use: beyond them lies its limit, or memory that others may want.
std::size_t Scheduler::draftRoom(const ActiveRequest& request, std::int64_t& freeBlocks) const {
    const std::int64_t wanted =
        std::min<std::int64_t>(limits_.draftTokens, request.maxTokens - request.completionTokens - 1);
    if (wanted <= 0) return 0;
    const std::size_t fed = request.fed + 1;
    const std::int64_t more =
        missingBlocks(request, fed + static_cast<std::size_t>(wanted)) - missingBlocks(request, fed);
    if (more <= freeBlocks) {
        freeBlocks -= more;
        return static_cast<std::size_t>(wanted);
    }
    const afd::KvUsage kv = model_.pipeline->kvUsage();
    const auto length = static_cast<std::int64_t>(fed);
    return static_cast<std::size_t>(std::min(wanted, kv.blocksFor(length) * kv.blockTokens - length));
}

void Scheduler::prepareDrafts(ActiveRequest& request) {
    if (request.draftState) return;
    request.draftState = model_.drafter->newState();
    request.acceptance = draftPolicy_.usual();
}

/// Takes the token that was drawn first and, as long as they are those that were guessed, the ones after it. A request
/// that has been cancelled takes none; the next turn reports that.
void Scheduler::takeTokens(Draw& first) {
    ActiveRequest& request = *first.request;
    const std::vector<std::int32_t> draft = std::exchange(request.draft, {});
    const auto width = static_cast<std::size_t>(model_.vocabSize);
    std::size_t accepted = 0;
    if (!draft.empty()) recorder_.drafted(draft.size());
    for (Draw next = std::move(first); !request.cancelled && !request.retired;
         next.logits = next.logits.subspan(width)) {
        if (accepted > 0) draw(next);
        const bool guessed = !next.error && accepted < draft.size() && next.id == draft[accepted];
        if (guessed) recorder_.draftAccepted(accepted);  // before the answer's last event, which this token may cause
        takeToken(next);
        if (!guessed) break;
        ++accepted;
    }
    if (draft.empty() || request.retired || request.cancelled) return;
    draftPolicy_.verified(request.acceptance, draft.size(), accepted);
    request.fed = request.tokens.size() - 1;
    request.sequence->truncate(static_cast<std::int64_t>(request.fed));
}

/// Lets a drafter that needs it see what the model made of the request's tokens from `begin` on; `row` is the first of
/// them in the step, `embeddings` is theirs or empty.
void Scheduler::showTrunk(ActiveRequest& request, std::size_t begin, std::size_t row,
                          std::span<const float> embeddings) {
    if (!model_.drafter || !model_.drafter->wantsTrunk() || request.retired || request.cancelled) return;
    const auto width = static_cast<std::size_t>(model_.hiddenSize);
    const std::size_t count = request.fed - begin;
    const ReadRows rows{std::span(request.tokens).subspan(begin, count),
                        model_.pipeline->trunk().subspan(row * width, count * width), embeddings};
    guarded(
        [&] {
            prepareDrafts(request);
            if (draftPolicy_.isLikely(running_.size())) {
                model_.drafter->read(*request.draftState, rows);
            } else {
                model_.drafter->skip(*request.draftState, rows);
            }
        },
        [&](ErrorCode, const std::string&) { request.draftState.reset(); });
}

}  // namespace step3::serving
