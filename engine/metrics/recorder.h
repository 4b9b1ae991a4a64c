#pragma once

#include <mutex>
#include <optional>
#include <string>

#include "engine/engine.h"

namespace step3::metrics {

/// How full the engine is.
struct Load {
    std::uint64_t running = 0, waiting = 0;  // requests
    std::uint64_t kvBlocks = 0, kvBlocksUsed = 0, kvBlocksCached = 0;
};

/// What a request that has ended leaves to the statistics.
struct EndedRequest {
    FinishReason reason = FinishReason::kStop;  // kError: it failed
    Usage usage;
    double totalSeconds = 0;  // submit to end
    bool admitted = false;
    std::int32_t maxTokens = 0;
    std::int32_t preemptions = 0;
};

/// Counts what an engine does. Every call is a few additions under a lock that readers hold for microseconds, so
/// counting costs a step next to nothing. Thread-safe.
class Recorder {
public:
    explicit Recorder(std::int64_t maxContext) { metrics_.histograms = Histograms(maxContext); }

    void kvLayout(std::uint64_t blocks, std::uint64_t blockTokens);
    void load(const Load& load);
    void submitted(std::size_t requests);  // they wait now
    void refused();
    void admitted(std::size_t queryTokens, std::size_t hitTokens);
    void preempted();
    /// Speculative decoding is on: at most `most` tokens a draft.
    void drafting(std::string method, std::size_t most);
    void drafted(std::size_t tokens);
    /// The model accepted the token at `place`, from 0, of the latest draft.
    void draftAccepted(std::size_t place);
    /// `cached` of the tokens were in the prefix cache.
    void promptRead(std::size_t tokens, std::size_t cached);
    void imagesFound(std::size_t images);
    void imageEncoded(double seconds);
    void imageFailed(double seconds);
    void firstToken(double ttftSeconds);
    void nextToken(Clock::time_point when, double gapSeconds);
    /// There is nothing to do from now on, until idleEnds().
    void idleBegins();
    void idleEnds(const RoleSeconds& total);
    /// One step of `tokens` tokens, `total` after it.
    void step(std::size_t tokens, bool hasPrompt, const RoleSeconds& total);
    /// Drawing the tokens of that step took `seconds`, those of a draft after the first not counted.
    void sampled(double seconds, bool hasPrompt);
    void ended(const EndedRequest& request);
    /// All `choices` answers to one prompt have ended, the longest with `mostTokens`.
    void answered(std::size_t choices, std::int32_t mostTokens);

    [[nodiscard]] Metrics read() const;

private:
    mutable std::mutex mutex_;
    Metrics metrics_;
    RecentGaps gaps_;
    BusyWindow busy_;
    RoleSeconds total_;
    std::optional<Clock::time_point> idleSince_;
};

}  // namespace step3::metrics
