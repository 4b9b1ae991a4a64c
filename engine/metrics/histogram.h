#pragma once

#include <cstdint>
#include <vector>

namespace step3::metrics {

/// Observations counted in buckets, as Prometheus has them. A plain value: not thread-safe, copied for readers.
class Histogram {
public:
    Histogram() = default;  // one bucket, which takes everything
    /// `bounds` rise; bucket i takes bounds[i - 1] < value <= bounds[i], one more takes the rest.
    explicit Histogram(std::vector<double> bounds);

    void observe(double value, std::uint64_t times = 1);

    [[nodiscard]] const std::vector<double>& bounds() const { return bounds_; }
    [[nodiscard]] const std::vector<std::uint64_t>& counts() const { return counts_; }  // bounds().size() + 1
    [[nodiscard]] std::uint64_t count() const;                                          // of all observations
    [[nodiscard]] double sum() const { return sum_; }                                   // of all values

private:
    std::vector<double> bounds_;
    std::vector<std::uint64_t> counts_ = {0};
    double sum_ = 0;
};

/// What an engine observes, with vLLM's buckets where vLLM has the series (spec metrics section 1).
struct Histograms {
    /// `maxContext` ends the buckets that count tokens.
    Histograms() : Histograms(0) {}
    explicit Histograms(std::int64_t maxContext);

    // Seconds.
    Histogram timeToFirstToken;  // submit to first token
    Histogram interToken;        // every output token after the first
    Histogram timePerToken;      // mean of a request's tokens after the first
    Histogram endToEnd;          // submit to end
    Histogram queue;             // submit to admission
    Histogram inference;         // admission to end
    Histogram prefill;           // admission to first token
    Histogram decode;            // first to last token
    Histogram visionEncode;      // one picture
    // One step's part: [0] of steps with prompt tokens, [1] of decoding alone.
    Histogram attentionStage[2];  // attention role without the LM head
    Histogram lmHeadStage[2];
    Histogram samplingStage[2];
    Histogram ffnStage[2];  // FFN role
    Histogram visionStage;  // one picture, always for a prompt
    // Numbers.
    Histogram promptTokens;
    Histogram generationTokens;
    Histogram maxTokens;        // the limit a request asked for
    Histogram mostGenerated;    // generation tokens of the longest of the answers asked for at once
    Histogram choices;          // n, once for all n
    Histogram prefillComputed;  // prompt tokens not found in the prefix cache
    Histogram preemptions;      // of one request
    Histogram iterationTokens;  // of one step
};

}  // namespace step3::metrics
