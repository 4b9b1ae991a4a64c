#include "engine/metrics/http_metrics.h"

#include <catch2/catch.hpp>

using namespace step3::metrics;
using Catch::Contains;

TEST_CASE("requests are counted by handler, method and class of status") {
    HttpMetrics metrics;
    metrics.add({"/v1/models", "GET", 200, 0.004, 0, 463});
    metrics.add({"/v1/models", "GET", 401, 0.3, 0, 24});
    metrics.add({"none", "POST", 404, 70, 12, 22});
    PrometheusWriter out;
    metrics.write(out);
    for (const char* line : {
             "# TYPE http_requests_total counter",
             "http_requests_total{handler=\"/v1/models\",method=\"GET\",status=\"2xx\"} 1.0",
             "http_requests_total{handler=\"/v1/models\",method=\"GET\",status=\"4xx\"} 1.0",
             "# TYPE http_request_size_bytes summary",
             "http_request_size_bytes_sum{handler=\"none\"} 12.0",
             "http_response_size_bytes_count{handler=\"/v1/models\"} 2.0",
             "http_response_size_bytes_sum{handler=\"/v1/models\"} 487.0",
             "http_request_duration_highr_seconds_bucket{le=\"0.01\"} 1.0",
             "http_request_duration_highr_seconds_bucket{le=\"60.0\"} 2.0",
             "http_request_duration_highr_seconds_bucket{le=\"+Inf\"} 3.0",
             "http_request_duration_highr_seconds_count 3.0",
             "http_request_duration_seconds_bucket{handler=\"/v1/models\",method=\"GET\",le=\"0.1\"} 1.0",
             "http_request_duration_seconds_bucket{handler=\"/v1/models\",method=\"GET\",le=\"0.5\"} 2.0",
             "http_request_duration_seconds_sum{handler=\"none\",method=\"POST\"} 70.0",
         }) {
        CHECK_THAT(out.text(), Contains(std::string(line) + "\n"));
    }
}

TEST_CASE("the process reports its memory, time and files") {
    PrometheusWriter out;
    writeProcessMetrics(out);
    for (const char* family :
         {"process_virtual_memory_bytes gauge", "process_resident_memory_bytes gauge", "process_open_fds gauge",
          "process_start_time_seconds gauge", "process_cpu_seconds_total counter", "process_max_fds gauge"}) {
        CHECK_THAT(out.text(), Contains(std::string("# TYPE ") + family + "\n"));
    }
    CHECK_THAT(out.text(), !Contains("\nprocess_resident_memory_bytes 0.0\n"));
}
