#include "engine/metrics/http_metrics.h"

namespace step3::metrics {

namespace {

const std::vector<double> kFew{0.1, 0.5, 1};
const std::vector<double> kMany{0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1,  1.5, 2,
                                2.5,  3,     3.5,  4,     4.5, 5,    7.5, 10,   30, 60};

}  // namespace

HttpMetrics::HttpMetrics() : many_(kMany) {}

void HttpMetrics::add(const HttpRequest& request) {
    ++requests_[{request.handler, request.method, std::to_string(request.status / 100) + "xx"}];
    Sizes& sizes = sizes_[request.handler];
    ++sizes.count;
    sizes.requestBytes += request.requestBytes;
    sizes.responseBytes += request.responseBytes;
    many_.observe(request.seconds);
    few_.try_emplace({request.handler, request.method}, kFew).first->second.observe(request.seconds);
}

void HttpMetrics::write(PrometheusWriter& out) const {
    out.family("http_requests_total", "counter", "Requests by handler, method and class of status.");
    for (const auto& [key, count] : requests_) {
        out.sample("http_requests_total", {{"handler", key.handler}, {"method", key.method}, {"status", key.status}},
                   static_cast<double>(count));
    }
    const auto summary = [&](const std::string& name, const char* help, std::uint64_t Sizes::*bytes) {
        out.family(name, "summary", help);
        for (const auto& [handler, sizes] : sizes_) {
            out.sample(name + "_count", {{"handler", handler}}, static_cast<double>(sizes.count));
            out.sample(name + "_sum", {{"handler", handler}}, static_cast<double>(sizes.*bytes));
        }
    };
    summary("http_request_size_bytes", "Declared length of requests by handler.", &Sizes::requestBytes);
    summary("http_response_size_bytes", "Declared length of answers by handler; streams declare none.",
            &Sizes::responseBytes);
    out.family("http_request_duration_highr_seconds", "histogram", "Time from a request's begin to its answer's end.");
    out.histogram("http_request_duration_highr_seconds", {}, many_);
    out.family("http_request_duration_seconds", "histogram", "The same by handler and method, in few buckets.");
    for (const auto& [key, histogram] : few_) {
        out.histogram("http_request_duration_seconds", {{"handler", key.first}, {"method", key.second}}, histogram);
    }
}

}  // namespace step3::metrics
