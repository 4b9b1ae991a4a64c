#pragma once

#include <cstddef>

namespace step3::serving {

/// How many prompt tokens a step reads. With nobody else in the step: a whole chunk. While answers go on, a step that
/// also reads takes about kStretch times as long as one that only takes the answers' next tokens, so that a long prompt
/// slows running answers down but does not stop them; both kinds of time are measured, not assumed.
///
/// The price is paid by who reads: of a step's time, three parts of seven read, so that a prompt takes more than twice
/// as long as alone, and three or four times where small pieces use the machine less well. Where more requests read
/// than answer, the step grows with their number instead: time is shared by heads, and a burst of arrivals does not
/// wait for the few who came first. No step reads less than kLeastTokens, so that every prompt ends.
class ReadingPace {
public:
    static constexpr double kStretch = 1.75;
    static constexpr std::size_t kLeastTokens = 8;

    explicit ReadingPace(std::size_t chunk) : chunk_(chunk) {}

    /// Prompt tokens for the next step, in which `answers` take a token each and `readers` wait to read; 0 where the
    /// step is to show how long answers alone take, never twice in a row.
    [[nodiscard]] std::size_t tokens(std::size_t answers, std::size_t readers) const;
    /// A step for `answers` answers that read `tokens` prompt tokens took `seconds`.
    void measured(std::size_t answers, std::size_t tokens, double seconds);

private:
    [[nodiscard]] bool isStale(std::size_t answers) const;

    std::size_t chunk_;
    double answerSeconds_ = 0;      // of a step that reads nothing; 0: not known
    std::size_t answers_ = 0;       // in that step
    double tokenSeconds_ = 0;       // that each token read adds; 0: not known
    std::size_t readingSteps_ = 0;  // since a step last read nothing
};

}  // namespace step3::serving
