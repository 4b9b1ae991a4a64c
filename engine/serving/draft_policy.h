#pragma once

#include <array>
#include <cstddef>
#include <span>
#include <vector>

namespace step3::serving {

/// How often drafted tokens turn out right: element i is the share of the drafts whose first i tokens were right that
/// had token i right too.
class Acceptance {
public:
    static constexpr std::size_t kPlaces = 16;

    explicit Acceptance(float share) { shares_.fill(share); }
    /// Of `drafted` tokens the first `accepted` were right, the next was not.
    void verified(std::size_t drafted, std::size_t accepted);
    /// Goes a part of the way towards `other`.
    void drift(const Acceptance& other, float weight);
    /// Tokens that a step with `drafted` tokens is expected to bring: between 1 and 1 + drafted.
    [[nodiscard]] double tokens(std::size_t drafted) const;

private:
    std::array<float, kPlaces> shares_{};
};

/// How many tokens to draft. A step with drafted tokens takes longer than one without and brings more tokens, how much
/// longer and how many more depends on machine, model and text: both are measured while answers are decoded, and tokens
/// are drafted where that brings more tokens a second. What was not tried for long is tried again now and then.
class DraftPolicy {
public:
    static constexpr std::size_t kMostTokens = Acceptance::kPlaces;
    /// With more requests in a step their own tokens use the machine; nothing is drafted.
    static constexpr std::size_t kMostRequests = 4;

    /// `always`: draft `maxTokens` for every request, whatever it costs.
    DraftPolicy(std::size_t maxTokens, bool always);

    /// Tokens to draft for each of the requests that decode in the next step.
    [[nodiscard]] std::size_t choose(std::span<const Acceptance* const> requests) const;
    /// Something may soon be drafted for a request that runs beside `running` - 1 others.
    [[nodiscard]] bool isLikely(std::size_t running) const;
    /// A step of `requests` decoding requests took `seconds`, drafting of `drafted` tokens (of all together) included.
    void measured(std::size_t requests, std::size_t drafted, double seconds);
    /// The model checked `drafted` > 0 tokens of a request and took the first `accepted`.
    void verified(Acceptance& request, std::size_t drafted, std::size_t accepted);
    /// Nothing was drafted for the request.
    void rested(Acceptance& request);
    /// What a new request starts from: what was seen with others.
    [[nodiscard]] const Acceptance& usual() const { return usual_; }

private:
    /// Seconds of a step, by the tokens drafted for it.
    struct Cost {
        double seconds = 0;
        int samples = 0;
        int steps = 0;  // since the last sample
    };
    [[nodiscard]] bool known(const Cost& cost) const;
    [[nodiscard]] double expected(const std::vector<Cost>& costs, std::size_t drafted) const;

    std::size_t maxTokens_;
    bool always_;
    std::array<std::vector<Cost>, kMostRequests> costs_;  // of steps with 1, 2, ... requests
    Acceptance usual_;
};

}  // namespace step3::serving
