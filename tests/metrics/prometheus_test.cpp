#include "engine/metrics/prometheus.h"

#include <map>
#include <set>
#include <sstream>

#include <catch2/catch.hpp>

#include "engine/engine.h"

using namespace step3;
using namespace step3::metrics;

namespace {

struct Page {
    std::map<std::string, std::string> types;    // family
    std::map<std::string, std::string> samples;  // name with labels
    std::vector<std::string> repeated;
};

/// Reads the text back, line by line.
Page parse(const std::string& text) {
    Page page;
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) {
        if (line.starts_with("# TYPE ")) {
            const auto end = line.find(' ', 7);
            if (!page.types.emplace(line.substr(7, end - 7), line.substr(end + 1)).second)
                page.repeated.push_back(line);
        } else if (!line.starts_with("# HELP ")) {
            const auto end = line.rfind(' ');
            REQUIRE(end != std::string::npos);
            if (!page.samples.emplace(line.substr(0, end), line.substr(end + 1)).second) page.repeated.push_back(line);
        }
    }
    return page;
}

Page engineMetrics(const Metrics& metrics) {
    PrometheusWriter out;
    ModelInfo model;
    model.weightBytes = 12;
    model.kvBytesPerToken = 10;
    writeEngineMetrics(out, metrics, model, {"m", "0", "1.0", "c0ffee", "avx2", "bf16", true});
    return parse(out.text());
}

}  // namespace

TEST_CASE("prometheus: numbers, escapes and cumulative buckets") {
    PrometheusWriter out;
    out.family("a_total", "counter", "One\nline \\ \"two\"");
    out.sample("a_total", {{"b", "x\"y\\z\nw"}}, 3);
    out.sample("a_total", {}, 0.1);
    out.sample("a_total", {}, 1e-5);
    out.sample("a_total", {}, 12345678901.0);
    out.sample("a_total", {}, std::numeric_limits<double>::quiet_NaN());
    Histogram histogram({0.5, 20});
    histogram.observe(0.25);
    histogram.observe(7, 2);
    histogram.observe(100);
    out.histogram("h", {{"m", "n"}}, histogram);
    CHECK(out.text() ==
          "# HELP a_total One\\nline \\\\ \"two\"\n"
          "# TYPE a_total counter\n"
          "a_total{b=\"x\\\"y\\\\z\\nw\"} 3.0\n"
          "a_total 0.1\n"
          "a_total 1e-05\n"
          "a_total 12345678901.0\n"
          "a_total NaN\n"
          "h_bucket{m=\"n\",le=\"0.5\"} 1.0\n"
          "h_bucket{m=\"n\",le=\"20.0\"} 3.0\n"
          "h_bucket{m=\"n\",le=\"+Inf\"} 4.0\n"
          "h_count{m=\"n\"} 4.0\n"
          "h_sum{m=\"n\"} 114.25\n");
}

TEST_CASE("prometheus: every series of the engine is there once, with vLLM's type") {
    const Page page = engineMetrics(Metrics{});
    CHECK(page.repeated.empty());
    const std::map<std::string, std::set<std::string>> expected{
        {"gauge",
         {"num_requests_running", "num_requests_waiting", "num_requests_waiting_by_reason", "kv_cache_usage_perc",
          "engine_sleep_state", "cache_config_info"}},
        {"counter",
         {"num_preemptions_total", "prompt_tokens_total", "generation_tokens_total", "prompt_tokens_by_source_total",
          "prompt_tokens_cached_by_source_total", "prompt_tokens_cached_total", "prefix_cache_queries_total",
          "prefix_cache_hits_total", "external_prefix_cache_queries_total", "external_prefix_cache_hits_total",
          "mm_cache_queries_total", "mm_cache_hits_total", "request_success_total", "admission_rejections_total"}},
        {"histogram",
         {"time_to_first_token_seconds", "inter_token_latency_seconds", "request_time_per_output_token_seconds",
          "e2e_request_latency_seconds", "request_queue_time_seconds", "request_inference_time_seconds",
          "request_prefill_time_seconds", "request_decode_time_seconds", "request_prompt_tokens",
          "request_generation_tokens", "request_max_num_generation_tokens", "request_params_max_tokens",
          "request_prefill_kv_computed_tokens", "request_params_n", "request_num_preemptions",
          "iteration_tokens_total"}}};
    for (const auto& [type, names] : expected) {
        for (const std::string& name : names) {
            INFO(name);
            REQUIRE(page.types.count("vllm:" + name) == 1);
            CHECK(page.types.at("vllm:" + name) == type);
        }
    }
    for (const char* name : {"step3_stage_busy_seconds_total",
                             "step3_stage_idle_seconds_total",
                             "step3_stage_duration_seconds",
                             "step3_role_utilization_ratio",
                             "step3_pipeline_bubble_ratio",
                             "step3_kv_blocks",
                             "step3_kv_blocks_used",
                             "step3_kv_bytes",
                             "step3_device_memory_bytes",
                             "step3_afd_transfer_bytes_total",
                             "step3_afd_transfer_seconds_total",
                             "step3_afd_exposed_comm_seconds_total",
                             "step3_afd_microbatches_in_flight",
                             "step3_expert_imbalance_ratio",
                             "step3_expert_cache_hits_total",
                             "step3_expert_cache_misses_total",
                             "step3_expert_cache_read_bytes_total",
                             "step3_expert_cache_wait_seconds_total",
                             "step3_peer_up",
                             "step3_vision_images_total",
                             "step3_vision_encode_seconds",
                             "step3_build_info"}) {
        CHECK(page.types.count(name) == 1);
    }
}

TEST_CASE("prometheus: the values are the metrics'") {
    Metrics metrics;
    metrics.requestsRunning = 3;
    metrics.finishedLength = 4;
    metrics.requestsFailed = 5;
    metrics.promptTokens = 100;
    metrics.promptCachedTokens = 64;
    metrics.prefixHitTokens = 80;  // 16 of a prompt that has not been read yet
    metrics.imagesEncoded = 1;
    metrics.imageCacheHits = 2;
    metrics.kvBlocks = 8;
    metrics.kvBlocksUsed = 2;
    metrics.kvBlockTokens = 64;
    metrics.ffnShare = 0.75;
    metrics.toFfnBytes = 4096;
    metrics.toAttentionSeconds = 0.5;
    metrics.expertImbalance = 1.5;
    metrics.attentionBusySeconds = 3;
    metrics.lmHeadSeconds = 1;
    metrics.attentionShare = 0.25;
    metrics.memoryResidentBytes = 5000;
    metrics.histograms = Histograms(1000);
    metrics.histograms.interToken.observe(0.02, 7);
    const Page page = engineMetrics(metrics);
    const std::string labels = "{engine=\"0\",model_name=\"m\"}";
    CHECK(page.samples.at("vllm:num_requests_running" + labels) == "3.0");
    const std::string local = "dst=\"0\",transport=\"local\"}";
    CHECK(page.samples.at("step3_afd_transfer_bytes_total{direction=\"a2f\",src=\"0\"," + local) == "4096.0");
    CHECK(page.samples.at("step3_afd_transfer_seconds_total{direction=\"f2a\",src=\"0\"," + local) == "0.5");
    CHECK(page.samples.at("step3_afd_exposed_comm_seconds_total{direction=\"f2a\"}") == "0.5");
    CHECK(page.samples.at("step3_expert_imbalance_ratio") == "1.5");
    const std::string attention = "step3_stage_busy_seconds_total{role=\"attention\",instance=\"0\",stage=";
    CHECK(page.samples.at(attention + "\"attn\"}") == "2.0");
    CHECK(page.samples.at(attention + "\"lm_head\"}") == "1.0");
    CHECK(page.samples.at("step3_peer_up{role=\"ffn\",instance=\"0\",address=\"local\"}") == "1.0");
    CHECK(page.samples.at("vllm:kv_cache_usage_perc" + labels) == "0.25");
    CHECK(page.samples.at("vllm:mm_cache_queries_total" + labels) == "3.0");
    CHECK(page.samples.at("vllm:request_success_total{engine=\"0\",finished_reason=\"length\",model_name=\"m\"}") ==
          "4.0");
    CHECK(page.samples.at("vllm:request_success_total{engine=\"0\",finished_reason=\"error\",model_name=\"m\"}") ==
          "5.0");
    CHECK(page.samples.at(
              "vllm:prompt_tokens_by_source_total{engine=\"0\",source=\"local_compute\",model_name=\"m\"}") == "36.0");
    CHECK(page.samples.at("vllm:prompt_tokens_cached_total" + labels) == "64.0");
    CHECK(page.samples.at("vllm:prefix_cache_hits_total" + labels) == "80.0");
    CHECK(page.samples.at("vllm:inter_token_latency_seconds_count" + labels) == "7.0");
    CHECK(page.samples.at("vllm:inter_token_latency_seconds_bucket{engine=\"0\",model_name=\"m\",le=\"0.01\"}") ==
          "0.0");
    CHECK(page.samples.at("vllm:inter_token_latency_seconds_bucket{engine=\"0\",model_name=\"m\",le=\"0.025\"}") ==
          "7.0");
    CHECK(page.samples.at("step3_role_utilization_ratio{role=\"ffn\",instance=\"0\"}") == "0.75");
    CHECK(page.samples.at("step3_pipeline_bubble_ratio{role=\"ffn\"}") == "0.25");
    CHECK(page.samples.at("step3_kv_bytes{instance=\"0\"}") == "1280.0");
    // What weights (12) and pages that requests hold (1280) do not account for.
    CHECK(page.samples.at("step3_device_memory_bytes{device=\"cpu\",kind=\"activations\"}") == "3708.0");
    CHECK(page.samples.at("step3_build_info{version=\"1.0\",commit=\"c0ffee\",simd=\"avx2\",cuda=\"\"}") == "1.0");
}

TEST_CASE("prometheus: tokens of each expert only where they are asked for") {
    Metrics metrics;
    metrics.expertTokens = {0, 0, 7, 8, 0, 0, 9, 10};  // four layers of two experts, the first and third dense
    ModelInfo model;
    model.moeLayers = {1, 3};
    model.experts = 2;
    Reporter reporter{"m", "0", "1.0", "", "avx2", "bf16", true};
    PrometheusWriter without;
    writeEngineMetrics(without, metrics, model, reporter);
    CHECK(parse(without.text()).types.count("step3_expert_tokens_total") == 0);
    reporter.expertTokens = true;
    PrometheusWriter with;
    writeEngineMetrics(with, metrics, model, reporter);
    const Page page = parse(with.text());
    CHECK(page.types.at("step3_expert_tokens_total") == "counter");
    CHECK(page.samples.at("step3_expert_tokens_total{layer=\"1\",expert=\"0\"}") == "7.0");
    CHECK(page.samples.at("step3_expert_tokens_total{layer=\"3\",expert=\"1\"}") == "10.0");
    CHECK(page.samples.count("step3_expert_tokens_total{layer=\"0\",expert=\"0\"}") == 0);
}

TEST_CASE("speculative decoding: counters only where it is on") {
    Metrics metrics;
    CHECK(engineMetrics(metrics).types.count("vllm:spec_decode_num_drafts_total") == 0);
    CHECK(statsJson(metrics, {}, {"m", "0", "1.0", "", "avx2", "bf16", true})["speculative_decoding"]["acceptance"]
              .is_null());
    metrics.draftMethod = "prompt-lookup";
    metrics.drafts = 5;
    metrics.draftTokens = 10;
    metrics.draftTokensAccepted = 4;
    metrics.draftAcceptedAt = {3, 1};
    const Page page = engineMetrics(metrics);
    const std::string labels = "{engine=\"0\",model_name=\"m\"}";
    CHECK(page.types.at("vllm:spec_decode_num_drafts_total") == "counter");
    CHECK(page.samples.at("vllm:spec_decode_num_drafts_total" + labels) == "5.0");
    CHECK(page.samples.at("vllm:spec_decode_num_draft_tokens_total" + labels) == "10.0");
    CHECK(page.samples.at("vllm:spec_decode_num_accepted_tokens_total" + labels) == "4.0");
    CHECK(page.samples.at("vllm:spec_decode_num_accepted_tokens_per_pos_total{engine=\"0\",position=\"1\",model_name="
                          "\"m\"}") == "1.0");
    const Json stats = statsJson(metrics, {}, {"m", "0", "1.0", "", "avx2", "bf16", true})["speculative_decoding"];
    CHECK(stats["method"] == "prompt-lookup");
    CHECK(stats["acceptance"] == 0.4);
    CHECK(stats["accepted_per_position"] == Json{3, 1});
}

TEST_CASE("stats: quantiles with their counts, null without any") {
    Metrics metrics;
    metrics.tokenTimes = {{10, 0, 0, 0, 0, 10}, {60, 5, 0.01, 0.02, 0.03, 45}};
    const Json json = statsJson(metrics, {}, {"m", "0", "1.0", "", "avx2", "bf16", true});
    const Json& windows = json["time_per_output_token"];
    REQUIRE(windows.size() == 2);
    CHECK(windows[0]["p50_s"].is_null());
    CHECK(windows[0]["count"] == 0);
    CHECK(windows[1]["p99_s"] == 0.03);
    CHECK(windows[1]["count"] == 5);
    CHECK(windows[1]["covered_s"] == 45);
    CHECK(json["kv"]["format"] == "bf16");
}
