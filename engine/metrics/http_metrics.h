#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>

#include "engine/metrics/histogram.h"
#include "engine/metrics/prometheus.h"

namespace step3::metrics {

/// One request that was answered. Names come from the server's own lists, so that clients cannot make series.
struct HttpRequest {
    std::string handler;  // the route's pattern; "none" if there is no such route
    std::string method;
    int status = 0;
    double seconds = 0;
    std::uint64_t requestBytes = 0, responseBytes = 0;  // as declared in Content-Length, else 0
};

/// The http_ series of spec metrics section 1: requests by handler, method and class of status, times and sizes. Used
/// on one thread.
class HttpMetrics {
public:
    HttpMetrics();
    void add(const HttpRequest& request);
    void write(PrometheusWriter& out) const;

private:
    struct Sizes {
        std::uint64_t count = 0, requestBytes = 0, responseBytes = 0;
    };
    struct Key {
        std::string handler, method, status;
        auto operator<=>(const Key&) const = default;
    };

    std::map<Key, std::uint64_t> requests_;
    std::map<std::string, Sizes> sizes_;                            // by handler
    std::map<std::pair<std::string, std::string>, Histogram> few_;  // few buckets, by handler and method
    Histogram many_;
};

/// The process_ series that Prometheus' client libraries report: memory, CPU time, files. What cannot be read is left
/// out.
void writeProcessMetrics(PrometheusWriter& out);

}  // namespace step3::metrics
