#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/json.h"
#include "engine/metrics/histogram.h"

namespace step3 {
struct Metrics;
struct ModelInfo;
}  // namespace step3

namespace step3::metrics {

/// Content type of the text below.
inline constexpr const char* kPrometheusContentType = "text/plain; version=0.0.4; charset=utf-8";

using Labels = std::vector<std::pair<std::string, std::string>>;  // name, value of any UTF-8 text

/// Writes Prometheus' text format 0.0.4. Numbers look as vLLM's do ("1.0", not "1"), because `le` is a label: buckets
/// of both engines only add up if they are spelt alike.
class PrometheusWriter {
public:
    /// Starts a metric family; `type` is counter, gauge or histogram. Its samples follow.
    void family(std::string_view name, std::string_view type, std::string_view help);
    void sample(std::string_view name, const Labels& labels, double value);
    /// The cumulative buckets, sum and count of the family `name`.
    void histogram(std::string_view name, const Labels& labels, const Histogram& histogram);

    [[nodiscard]] const std::string& text() const { return text_; }

private:
    std::string text_;
};

/// Who reports.
struct Reporter {
    std::string modelName;     // as it is served
    std::string engine = "0";  // of several attention instances, this one
    std::string version, commit, simd;
    std::string kvFormat;  // name of the KV cache's number format
    bool prefixCache = true;
    bool expertTokens = false;  // a series for each expert of each layer
};

/// Every series of spec metrics section 4 that one engine has by itself: vLLM's names, then those with the prefix
/// step3_.
void writeEngineMetrics(PrometheusWriter& out, const Metrics& metrics, const ModelInfo& model,
                        const Reporter& reporter);

/// The same reading for people and scripts: load, KV memory, prefix cache, exact times per token, roles.
Json statsJson(const Metrics& metrics, const ModelInfo& model, const Reporter& reporter);

}  // namespace step3::metrics
