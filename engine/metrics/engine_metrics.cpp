// The series of one engine (spec metrics section 4).

#include <algorithm>
#include <utility>

#include "engine/engine.h"
#include "engine/metrics/prometheus.h"

namespace step3::metrics {

namespace {

double number(std::uint64_t value) {
    return static_cast<double>(value);
}

double ratio(double part, double whole) {
    return whole > 0 ? part / whole : 0;
}

/// Families that all carry the labels `engine` and `model_name`.
class Page {
public:
    Page(PrometheusWriter& out, const Reporter& reporter) : out_(out), reporter_(reporter) {}

    void gauge(std::string_view name, std::string_view help, double value, Labels more = {}) {
        one(name, "gauge", help, value, std::move(more));
    }
    void counter(std::string_view name, std::string_view help, double value, Labels more = {}) {
        one(name, "counter", help, value, std::move(more));
    }
    void histogram(std::string_view name, std::string_view help, const Histogram& histogram) {
        out_.family(name, "histogram", help);
        out_.histogram(name, labels({}), histogram);
    }
    /// Several values of one family, told apart by `label`.
    void split(std::string_view name, std::string_view type, std::string_view help, const std::string& label,
               const std::vector<std::pair<std::string, double>>& values) {
        out_.family(name, type, help);
        for (const auto& [value, count] : values) out_.sample(name, labels({{label, value}}), count);
    }

    [[nodiscard]] Labels labels(Labels more) const {
        Labels all{{"engine", reporter_.engine}};
        all.insert(all.end(), more.begin(), more.end());
        all.emplace_back("model_name", reporter_.modelName);
        return all;
    }

private:
    void one(std::string_view name, std::string_view type, std::string_view help, double value, Labels more) {
        out_.family(name, type, help);
        out_.sample(name, labels(std::move(more)), value);
    }

    PrometheusWriter& out_;
    const Reporter& reporter_;
};

void writeLoad(Page& page, const Metrics& m) {
    page.gauge("vllm:num_requests_running", "Requests whose tokens are being computed.", number(m.requestsRunning));
    page.gauge("vllm:num_requests_waiting", "Requests waiting for a place.", number(m.requestsWaiting));
    page.split("vllm:num_requests_waiting_by_reason", "gauge", "Waiting requests by what they wait for.", "reason",
               {{"capacity", number(m.requestsWaiting)}, {"deferred", 0}});
    page.split("vllm:engine_sleep_state", "gauge", "1 for the state the engine is in; this engine never sleeps.",
               "sleep_state", {{"awake", 1}, {"weights_offloaded", 0}, {"discard_all", 0}});
    page.gauge("vllm:kv_cache_usage_perc", "Share of the KV cache that requests hold, 0 to 1.",
               ratio(number(m.kvBlocksUsed), number(m.kvBlocks)));
}

/// As vLLM has it: without the label `model_name`.
void writeCacheLayout(PrometheusWriter& out, const Metrics& m, const Reporter& reporter) {
    out.family("vllm:cache_config_info", "gauge", "The KV cache's layout.");
    out.sample("vllm:cache_config_info",
               {{"block_size", std::to_string(m.kvBlockTokens)},
                {"cache_dtype", reporter.kvFormat},
                {"enable_prefix_caching", reporter.prefixCache ? "True" : "False"},
                {"engine", reporter.engine},
                {"num_gpu_blocks", std::to_string(m.kvBlocks)}},
               1);
}

void writeCounters(Page& page, const Metrics& m) {
    page.counter("vllm:num_preemptions_total", "Requests that gave their KV memory back to read again later.",
                 number(m.preemptions));
    page.counter("vllm:prompt_tokens_total", "Prompt tokens taken in, those found in the prefix cache included.",
                 number(m.promptTokens));
    page.split("vllm:prompt_tokens_by_source_total", "counter", "Prompt tokens by where their K and V came from.",
               "source",
               {{"local_compute", number(m.promptTokens - m.promptCachedTokens)},
                {"local_cache_hit", number(m.promptCachedTokens)},
                {"external_kv_transfer", 0}});
    page.counter("vllm:prompt_tokens_cached_total", "Of the prompt tokens taken in, those found in the prefix cache.",
                 number(m.promptCachedTokens));
    page.split(
        "vllm:prompt_tokens_cached_by_source_total", "counter",
        "Prompt tokens found in the prefix cache by the tier that held them; this engine has one tier.", "source",
        {{"device", number(m.promptCachedTokens)}, {"host", 0}, {"p2p", 0}, {"disk", 0}, {"external_unspecified", 0}});
    page.counter("vllm:generation_tokens_total", "Tokens sampled.", number(m.generationTokens));
    page.counter("vllm:prefix_cache_queries_total", "Prompt tokens looked up in the prefix cache.",
                 number(m.prefixQueryTokens));
    page.counter("vllm:prefix_cache_hits_total", "Of these, tokens that were found.", number(m.prefixHitTokens));
    page.counter("vllm:external_prefix_cache_queries_total", "Tokens looked up in another engine's cache.", 0);
    page.counter("vllm:external_prefix_cache_hits_total", "Tokens found in another engine's cache.", 0);
    page.counter("vllm:mm_cache_queries_total", "Pictures that requests showed.",
                 number(m.imagesEncoded + m.imageCacheHits));
    page.counter("vllm:mm_cache_hits_total", "Of these, pictures that did not have to be encoded again.",
                 number(m.imageCacheHits));
    page.split("vllm:request_success_total", "counter", "Requests that ended, by reason.", "finished_reason",
               {{"stop", number(m.finishedStop)},
                {"length", number(m.finishedLength)},
                {"abort", number(m.finishedCancelled)},
                {"error", number(m.requestsFailed)},
                {"repetition", 0}});
}

void writeDrafts(Page& page, const Metrics& m) {
    if (m.draftMethod.empty()) return;
    page.counter("vllm:spec_decode_num_drafts_total", "Guesses of next tokens that the model checked.",
                 number(m.drafts));
    page.counter("vllm:spec_decode_num_draft_tokens_total", "Tokens of these guesses.", number(m.draftTokens));
    page.counter("vllm:spec_decode_num_accepted_tokens_total", "Tokens of these guesses that were right.",
                 number(m.draftTokensAccepted));
    std::vector<std::pair<std::string, double>> places;
    for (std::size_t i = 0; i < m.draftAcceptedAt.size(); ++i) {
        places.emplace_back(std::to_string(i), number(m.draftAcceptedAt[i]));
    }
    page.split("vllm:spec_decode_num_accepted_tokens_per_pos_total", "counter",
               "Guesses that were right up to and at this place.", "position", places);
}

Json draftJson(const Metrics& m) {
    const bool any = m.draftTokens > 0;
    return {{"method", m.draftMethod.empty() ? Json(nullptr) : Json(m.draftMethod)},
            {"drafts", m.drafts},
            {"draft_tokens", m.draftTokens},
            {"accepted_tokens", m.draftTokensAccepted},
            {"acceptance", any ? Json(ratio(number(m.draftTokensAccepted), number(m.draftTokens))) : Json(nullptr)},
            {"accepted_per_position", m.draftAcceptedAt}};
}

void writeHistograms(Page& page, const Histograms& h) {
    page.histogram("vllm:time_to_first_token_seconds", "From submission to the first token.", h.timeToFirstToken);
    page.histogram("vllm:inter_token_latency_seconds", "Between two tokens of a request.", h.interToken);
    page.histogram("vllm:request_time_per_output_token_seconds", "Mean time of a request's tokens after the first.",
                   h.timePerToken);
    page.histogram("vllm:e2e_request_latency_seconds", "From submission to the end.", h.endToEnd);
    page.histogram("vllm:request_queue_time_seconds", "From submission to admission.", h.queue);
    page.histogram("vllm:request_inference_time_seconds", "From admission to the end.", h.inference);
    page.histogram("vllm:request_prefill_time_seconds", "From admission to the first token.", h.prefill);
    page.histogram("vllm:request_decode_time_seconds", "From the first to the last token.", h.decode);
    page.histogram("vllm:request_prompt_tokens", "Prompt tokens of a request.", h.promptTokens);
    page.histogram("vllm:request_generation_tokens", "Tokens sampled for a request.", h.generationTokens);
    page.histogram("vllm:request_max_num_generation_tokens",
                   "Tokens sampled for the longest of the answers asked for at once.", h.mostGenerated);
    page.histogram("vllm:request_params_max_tokens", "The most tokens a request could get.", h.maxTokens);
    page.histogram("vllm:request_params_n", "Answers asked for at once.", h.choices);
    page.histogram("vllm:request_prefill_kv_computed_tokens", "Prompt tokens not found in the prefix cache.",
                   h.prefillComputed);
    page.histogram("vllm:request_num_preemptions", "How often a request gave its KV memory back.", h.preemptions);
    page.histogram("vllm:iteration_tokens_total", "Tokens computed in one step.", h.iterationTokens);
}

void writeRejections(PrometheusWriter& out, const Metrics& m, const Reporter& reporter) {
    out.family("vllm:admission_rejections_total", "counter", "Requests refused at the door, by reason.");
    out.sample("vllm:admission_rejections_total",
               {{"model_name", reporter.modelName}, {"reason", "max_num_queued_reqs"}}, number(m.requestsRefused));
    out.sample("vllm:admission_rejections_total",
               {{"model_name", reporter.modelName}, {"reason", "max_num_queued_tokens"}}, 0);  // there is no such limit
}

/// Attention and FFN take turns in this process, so each waits while the other or the link works.
void writeStages(PrometheusWriter& out, const Metrics& m, const Reporter& reporter) {
    const auto sample = [&](const char* name, const char* role, const char* label, const char* value, double number) {
        out.sample(name, {{"role", role}, {"instance", reporter.engine}, {label, value}}, number);
    };
    out.family("step3_stage_busy_seconds_total", "counter",
               "Time the stages of each role have worked; the shared expert runs within moe and is counted there.");
    sample("step3_stage_busy_seconds_total", "attention", "stage", "attn", m.attentionBusySeconds - m.lmHeadSeconds);
    sample("step3_stage_busy_seconds_total", "attention", "stage", "lm_head", m.lmHeadSeconds);
    sample("step3_stage_busy_seconds_total", "attention", "stage", "vision", m.visionSeconds);
    sample("step3_stage_busy_seconds_total", "attention", "stage", "sampling", m.samplingSeconds);
    sample("step3_stage_busy_seconds_total", "ffn", "stage", "moe", m.ffnBusySeconds);
    sample("step3_stage_busy_seconds_total", "ffn", "stage", "shared_expert", 0);
    out.family("step3_stage_idle_seconds_total", "counter", "Time each role has waited, by reason.");
    const double others = m.visionSeconds + m.samplingSeconds;
    sample("step3_stage_idle_seconds_total", "attention", "reason", "wait_peer", m.ffnBusySeconds + m.linkSeconds);
    sample("step3_stage_idle_seconds_total", "attention", "reason", "no_work", m.idleSeconds);
    sample("step3_stage_idle_seconds_total", "ffn", "reason", "wait_peer",
           m.attentionBusySeconds + m.linkSeconds + others);
    sample("step3_stage_idle_seconds_total", "ffn", "reason", "no_work", m.idleSeconds);
    for (const char* role : {"attention", "ffn"}) {
        sample("step3_stage_idle_seconds_total", role, "reason", "barrier", 0);  // one instance of each: none waits
    }
    out.family("step3_stage_duration_seconds", "histogram", "Time of a stage in one step, of vision for one picture.");
    const auto duration = [&](const char* role, const char* stage, const char* phase, const Histogram& histogram) {
        out.histogram("step3_stage_duration_seconds", {{"role", role}, {"stage", stage}, {"phase", phase}}, histogram);
    };
    const Histograms& h = m.histograms;
    for (const int phase : {0, 1}) {
        const char* name = phase == 0 ? "prefill" : "decode";
        duration("attention", "attn", name, h.attentionStage[phase]);
        duration("attention", "lm_head", name, h.lmHeadStage[phase]);
        duration("attention", "sampling", name, h.samplingStage[phase]);
        duration("ffn", "moe", name, h.ffnStage[phase]);
    }
    duration("attention", "vision", "prefill", h.visionStage);
    out.family("step3_role_utilization_ratio", "gauge", "Share of the last second that a role has worked.");
    out.sample("step3_role_utilization_ratio", {{"role", "attention"}, {"instance", reporter.engine}},
               m.attentionShare);
    out.sample("step3_role_utilization_ratio", {{"role", "ffn"}, {"instance", reporter.engine}}, m.ffnShare);
    out.family("step3_pipeline_bubble_ratio", "gauge",
               "Of the last second's steps, the share in which a role waited for the other or the link.");
    const double inSteps = m.attentionShare + m.ffnShare + m.linkShare;
    out.sample("step3_pipeline_bubble_ratio", {{"role", "attention"}}, ratio(m.ffnShare + m.linkShare, inSteps));
    out.sample("step3_pipeline_bubble_ratio", {{"role", "ffn"}}, ratio(m.attentionShare + m.linkShare, inSteps));
}

void writeExperts(PrometheusWriter& out, const Metrics& m, const ModelInfo& model) {
    out.family("step3_expert_tokens_total", "counter", "Tokens sent to each expert.");
    for (const std::int64_t layer : model.moeLayers) {
        for (std::int64_t expert = 0; expert < model.experts; ++expert) {
            const auto index = static_cast<std::size_t>(layer * model.experts + expert);
            out.sample("step3_expert_tokens_total",
                       {{"layer", std::to_string(layer)}, {"expert", std::to_string(expert)}},
                       index < m.expertTokens.size() ? number(m.expertTokens[index]) : 0);
        }
    }
}

/// Both roles are in this process: the link hands over memory, and no transfer is hidden by compute.
void writeLink(PrometheusWriter& out, const Metrics& m, const ModelInfo& model, const Reporter& reporter) {
    struct Direction {
        const char* name;
        double bytes, seconds;
    };
    const Direction directions[] = {{"a2f", number(m.toFfnBytes), m.toFfnSeconds},
                                    {"f2a", number(m.toAttentionBytes), m.toAttentionSeconds}};
    const auto transfer = [&](const char* name, const char* help, double Direction::*value) {
        out.family(name, "counter", help);
        for (const Direction& each : directions) {
            out.sample(
                name,
                {{"direction", each.name}, {"src", reporter.engine}, {"dst", reporter.engine}, {"transport", "local"}},
                each.*value);
        }
    };
    transfer("step3_afd_transfer_bytes_total", "Bytes that the link carried.", &Direction::bytes);
    transfer("step3_afd_transfer_seconds_total", "Time that the link took.", &Direction::seconds);
    out.family("step3_afd_exposed_comm_seconds_total", "counter", "Transfer time that no compute has hidden.");
    for (const Direction& each : directions) {
        out.sample("step3_afd_exposed_comm_seconds_total", {{"direction", each.name}}, each.seconds);
    }
    out.family("step3_afd_microbatches_in_flight", "gauge", "Micro-batches of the step under way.");
    out.sample("step3_afd_microbatches_in_flight", {{"instance", reporter.engine}}, number(m.microBatchesInFlight));
    out.family("step3_expert_imbalance_ratio", "gauge", "Most over mean tokens of an expert, all layers together.");
    out.sample("step3_expert_imbalance_ratio", {}, m.expertImbalance);
    const auto count = [&](std::string_view name, std::string_view help, double value) {
        out.family(name, "counter", help);
        out.sample(name, {{"instance", reporter.engine}}, value);
    };
    count("step3_expert_cache_hits_total", "Picked experts that were in memory.", number(m.expertCacheHits));
    count("step3_expert_cache_misses_total", "Picked experts that had to be read from disk.",
          number(m.expertCacheMisses));
    count("step3_expert_cache_read_bytes_total", "Bytes of experts read from disk.", number(m.expertCacheReadBytes));
    count("step3_expert_cache_wait_seconds_total", "Time that computing waited for experts.", m.expertCacheWaitSeconds);
    if (reporter.expertTokens) writeExperts(out, m, model);
    out.family("step3_peer_up", "gauge", "1 if the role's instance answers.");
    for (const char* role : {"attention", "ffn"}) {
        out.sample("step3_peer_up", {{"role", role}, {"instance", reporter.engine}, {"address", "local"}}, 1);
    }
}

void writeMemory(PrometheusWriter& out, const Metrics& m, const ModelInfo& model, const Reporter& reporter) {
    const Labels instance{{"instance", reporter.engine}};
    out.family("step3_kv_blocks", "gauge", "Pages of the KV cache.");
    out.sample("step3_kv_blocks", instance, number(m.kvBlocks));
    out.family("step3_kv_blocks_used", "gauge", "Pages that requests hold.");
    out.sample("step3_kv_blocks_used", instance, number(m.kvBlocksUsed));
    out.family("step3_kv_blocks_cached", "gauge", "Unused pages that hold a known prefix.");
    out.sample("step3_kv_blocks_cached", instance, number(m.kvBlocksCached));
    out.family("step3_kv_bytes", "gauge", "Bytes of the pages that requests hold.");
    out.sample("step3_kv_bytes", instance, number(m.kvBlocksUsed * model.kvBytesPerToken * m.kvBlockTokens));
    out.family("step3_device_memory_bytes", "gauge",
               "Memory by device and what it holds; activations: what else this process has in memory.");
    out.sample("step3_device_memory_bytes", {{"device", "cpu"}, {"kind", "weights"}}, number(model.weightBytes));
    out.sample("step3_device_memory_bytes", {{"device", "cpu"}, {"kind", "kv"}},
               number(m.kvBlocks * model.kvBytesPerToken * m.kvBlockTokens));
    const std::uint64_t known = model.weightBytes + m.kvBlocksUsed * model.kvBytesPerToken * m.kvBlockTokens;
    out.sample("step3_device_memory_bytes", {{"device", "cpu"}, {"kind", "activations"}},
               number(m.memoryResidentBytes - std::min(m.memoryResidentBytes, known)));
    out.sample("step3_device_memory_bytes", {{"device", "cpu"}, {"kind", "free"}}, number(m.memoryFreeBytes));
    out.family("step3_vision_images_total", "counter", "Pictures encoded.");
    out.sample("step3_vision_images_total", {}, number(m.imagesEncoded));
    out.family("step3_vision_encode_seconds", "histogram", "Time to encode one picture.");
    out.histogram("step3_vision_encode_seconds", {}, m.histograms.visionEncode);
    out.family("step3_build_info", "gauge", "The program that reports.");
    out.sample("step3_build_info",
               {{"version", reporter.version}, {"commit", reporter.commit}, {"simd", reporter.simd}, {"cuda", ""}}, 1);
}

}  // namespace

void writeEngineMetrics(PrometheusWriter& out, const Metrics& metrics, const ModelInfo& model,
                        const Reporter& reporter) {
    Page page(out, reporter);
    writeLoad(page, metrics);
    writeCounters(page, metrics);
    writeDrafts(page, metrics);
    writeHistograms(page, metrics.histograms);
    writeRejections(out, metrics, reporter);
    writeCacheLayout(out, metrics, reporter);
    writeStages(out, metrics, reporter);
    writeLink(out, metrics, model, reporter);
    writeMemory(out, metrics, model, reporter);
}

Json statsJson(const Metrics& m, const ModelInfo& model, const Reporter& reporter) {
    Json json;
    json["model"] = reporter.modelName;
    json["requests"] = {{"running", m.requestsRunning},    {"waiting", m.requestsWaiting},
                        {"finished_stop", m.finishedStop}, {"finished_length", m.finishedLength},
                        {"aborted", m.finishedCancelled},  {"failed", m.requestsFailed},
                        {"refused", m.requestsRefused},    {"preemptions", m.preemptions}};
    json["tokens"] = {{"prompt", m.promptTokens}, {"generated", m.generationTokens}, {"steps", m.steps}};
    json["kv"] = {{"format", reporter.kvFormat},
                  {"block_tokens", m.kvBlockTokens},
                  {"block_bytes", model.kvBytesPerToken * m.kvBlockTokens},
                  {"blocks", m.kvBlocks},
                  {"blocks_used", m.kvBlocksUsed},
                  {"blocks_cached", m.kvBlocksCached},
                  {"tokens_capacity", m.kvTokensCapacity},
                  {"tokens_used", m.kvTokensUsed}};
    json["prefix_cache"] = {{"query_tokens", m.prefixQueryTokens}, {"hit_tokens", m.prefixHitTokens}};
    json["speculative_decoding"] = draftJson(m);
    json["images"] = {{"encoded", m.imagesEncoded}, {"found", m.imageCacheHits}};
    Json windows = Json::array();
    for (const TokenTimes& window : m.tokenTimes) {
        Json one{{"window_s", window.seconds}, {"covered_s", window.covered}, {"count", window.count}};
        for (const auto& [name, value] :
             {std::pair("p50_s", window.p50), {"p90_s", window.p90}, {"p99_s", window.p99}}) {
            one[name] = window.count > 0 ? Json(value) : Json(nullptr);
        }
        windows.push_back(std::move(one));
    }
    json["time_per_output_token"] = std::move(windows);
    json["roles"] = {{"attention", {{"busy_s", m.attentionBusySeconds}, {"utilization", m.attentionShare}}},
                     {"ffn", {{"busy_s", m.ffnBusySeconds}, {"utilization", m.ffnShare}}},
                     {"link", {{"busy_s", m.linkSeconds}, {"utilization", m.linkShare}}}};
    json["weight_bytes"] = model.weightBytes;
    json["simd"] = reporter.simd;
    json["version"] = reporter.version;
    return json;
}

}  // namespace step3::metrics
