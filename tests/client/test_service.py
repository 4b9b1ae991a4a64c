"""Keys, origins, queues, many clients at once, metrics (spec openai-api section 3, spec metrics section 4)."""
import concurrent.futures
import http.client
import json
import pathlib
import re

import openai
import pytest

from conftest import running
from step3_server import image_part, parse_metrics, user, wait_until

ITL = "0.01 0.025 0.05 0.075 0.1 0.15 0.2 0.3 0.4 0.5 0.75 1.0 2.5 5.0 7.5 10.0 20.0 40.0 80.0 +Inf"
TTFT = ("0.001 0.005 0.01 0.02 0.04 0.06 0.08 0.1 0.25 0.5 0.75 1.0 2.5 5.0 7.5 10.0 20.0 40.0 80.0 160.0 640.0 2560.0 +Inf")
LATENCY = "0.3 0.5 0.8 1.0 1.5 2.0 2.5 5.0 10.0 15.0 20.0 30.0 40.0 50.0 60.0 120.0 240.0 480.0 960.0 1920.0 7680.0 +Inf"
TOKENS = "1.0 2.0 5.0 10.0 20.0 50.0 100.0 200.0 500.0 1000.0 2000.0 +Inf"
ENGINE = {"engine", "model_name"}


def test_keys(guarded):
    for key in ("alpha", "beta"):
        with guarded.client(key) as client:
            assert client.models.list().data
    with guarded.client("gamma") as client, pytest.raises(openai.AuthenticationError):
        client.models.list()
    for headers in ({}, {"Authorization": "Basic alpha"}, {"Authorization": "Bearer"}, {"Authorization": "alpha"}):
        answer = guarded.get("/v1/models", **headers)
        assert (answer.status, answer.json) == (401, {"error": "Unauthorized"})
    assert guarded.get("/v1/models", Authorization="bEARER alpha").status == 200
    for path in ("/v1/nothing", "/v2/models", "/inference/v1/generate", "/cohere/v2/embed"):
        assert guarded.get(path).status == 401
    for path in ("/health", "/ready", "/ping", "/version", "/load", "/metrics", "/openapi.json"):
        assert guarded.get(path).status == 200
    assert guarded.post("/tokenize", {"prompt": "a"}).status == 200
    assert "alpha" not in guarded.log_text()


@pytest.mark.parametrize("options", [("--api-key", "one", "two"), ("--api-key", "one", "--api-key", "two")])
def test_keys_on_the_command_line(options):
    started = running(*options)
    server = next(started)
    for key in ("one", "two"):
        assert server.get("/v1/models", Authorization=f"Bearer {key}").status == 200
    for key in ("three", "on", "onetwo", "one two", ""):
        assert server.get("/v1/models", Authorization=f"Bearer {key}").status == 401
    started.close()


def test_request_ids(server):
    assert server.get("/version", **{"X-Request-Id": "abc-1"}).headers["x-request-id"] == "abc-1"
    made = {server.get("/version").headers["x-request-id"] for _ in range(3)}
    assert len(made) == 3
    assert server.chat(temperature=9).headers["x-request-id"]
    assert server.chat(stream=True, max_tokens=1).headers["x-request-id"]
    assert server.get("/nothing").headers["x-request-id"]


def test_no_origin_is_allowed(server):
    preflight = {"Origin": "https://page.example", "Access-Control-Request-Method": "POST"}
    answer = server.request("OPTIONS", "/v1/chat/completions", headers=preflight)
    assert (answer.status, answer.body) == (400, b"Disallowed CORS origin")


def test_connection_is_kept(server):
    connection = http.client.HTTPConnection("127.0.0.1", server.port)
    for _ in range(3):
        connection.request("POST", "/v1/chat/completions", json.dumps({"messages": [user("hi")], "stream": True, "max_tokens": 2}),
                           {"Content-Type": "application/json"})
        socket = connection.sock
        assert connection.getresponse().read().endswith(b"[DONE]\n\n")
        assert connection.sock is socket
    connection.close()


def test_32_streams_at_once(server, client, model):
    def run(number):
        content = [image_part((number * 7, 20, 90)), {"type": "text", "text": "What is it?"}] if number % 4 == 0 else f"What is {number}?"
        text, usage = "", None
        for chunk in client.chat.completions.create(model=model, messages=[user(content)], stream=True, temperature=0, max_tokens=30,
                                                    stream_options={"include_usage": True}):
            usage = chunk.usage or usage
            text += "".join(choice.delta.content or "" for choice in chunk.choices)
        return text, usage.prompt_tokens, usage.completion_tokens

    with concurrent.futures.ThreadPoolExecutor(32) as pool:
        together = list(pool.map(run, range(32)))
    assert together == [run(number) for number in range(32)]
    assert server.get("/load").json == {"server_load": 0}


def test_full_queue(narrow):
    """One runs, one waits; the next gets 503 and Retry-After, and is served after a retry."""
    body = json.dumps({"messages": [user("hi")], "ignore_eos": True, "stream": True})
    held = []
    for _ in range(2):
        connection = http.client.HTTPConnection("127.0.0.1", narrow.port)
        connection.request("POST", "/v1/chat/completions", body, {"Content-Type": "application/json"})
        held.append(connection)

    def refused():
        answer = narrow.chat(n=2, temperature=1, ignore_eos=True)
        return answer if answer.status == 503 else None

    answer = wait_until(refused)
    assert answer.headers["retry-after"] == "1"
    assert answer.error["type"] == "ServiceUnavailableError" and answer.error["param"] is None and answer.error["code"] == 503
    for connection in held:
        connection.close()
    with narrow.client().with_options(max_retries=10) as client:
        assert client.chat.completions.create(model=narrow.model, messages=[user("hi")], max_tokens=1).choices
    assert narrow.metric('vllm:admission_rejections_total{model_name="step3-mini",reason="max_num_queued_reqs"}') >= 1


@pytest.fixture(scope="module")
def page(server):
    server.chat(messages=[user([image_part((1, 2, 3)), {"type": "text", "text": "hi"}])], max_tokens=5, ignore_eos=True)
    answer = server.get("/metrics")
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    return parse_metrics(answer.body.decode())


@pytest.mark.parametrize("name,kind,labels", [
    ("vllm:num_requests_running", "gauge", ENGINE), ("vllm:num_requests_waiting", "gauge", ENGINE),
    ("vllm:num_requests_waiting_by_reason", "gauge", ENGINE | {"reason"}), ("vllm:kv_cache_usage_perc", "gauge", ENGINE),
    ("vllm:engine_sleep_state", "gauge", ENGINE | {"sleep_state"}), ("vllm:num_preemptions_total", "counter", ENGINE),
    ("vllm:prompt_tokens_total", "counter", ENGINE), ("vllm:generation_tokens_total", "counter", ENGINE),
    ("vllm:prompt_tokens_by_source_total", "counter", ENGINE | {"source"}), ("vllm:prompt_tokens_cached_by_source_total", "counter", ENGINE | {"source"}),
    ("vllm:prompt_tokens_cached_total", "counter", ENGINE), ("vllm:prefix_cache_queries_total", "counter", ENGINE),
    ("vllm:prefix_cache_hits_total", "counter", ENGINE), ("vllm:external_prefix_cache_queries_total", "counter", ENGINE),
    ("vllm:external_prefix_cache_hits_total", "counter", ENGINE), ("vllm:mm_cache_queries_total", "counter", ENGINE),
    ("vllm:mm_cache_hits_total", "counter", ENGINE), ("vllm:request_success_total", "counter", ENGINE | {"finished_reason"}),
    ("vllm:admission_rejections_total", "counter", {"model_name", "reason"}),
])
def test_series(page, name, kind, labels):
    assert page[name][0] == kind
    assert page[name][1] and all(set(found) == labels for _, found, _ in page[name][1])


@pytest.mark.parametrize("name,buckets", [
    ("vllm:time_to_first_token_seconds", TTFT), ("vllm:inter_token_latency_seconds", ITL), ("vllm:request_time_per_output_token_seconds", ITL),
    ("vllm:e2e_request_latency_seconds", LATENCY), ("vllm:request_queue_time_seconds", LATENCY), ("vllm:request_inference_time_seconds", LATENCY),
    ("vllm:request_prefill_time_seconds", LATENCY), ("vllm:request_decode_time_seconds", LATENCY), ("vllm:request_prompt_tokens", TOKENS),
    ("vllm:request_generation_tokens", TOKENS), ("vllm:request_max_num_generation_tokens", TOKENS), ("vllm:request_params_max_tokens", TOKENS),
    ("vllm:request_prefill_kv_computed_tokens", TOKENS), ("vllm:request_params_n", "1.0 2.0 5.0 10.0 20.0 +Inf"),
    ("vllm:request_num_preemptions", "1.0 2.0 3.0 4.0 5.0 10.0 20.0 +Inf"),
    ("vllm:iteration_tokens_total", "1.0 8.0 16.0 32.0 64.0 128.0 256.0 512.0 1024.0 2048.0 4096.0 8192.0 16384.0 +Inf"),
])
def test_histograms(page, name, buckets):
    kind, samples = page[name]
    assert kind == "histogram"
    found = [(labels["le"], value) for series, labels, value in samples if series == name + "_bucket"]
    assert " ".join(le for le, _ in found) == buckets
    values = [value for _, value in found]
    assert values == sorted(values) and values[-1] >= 1
    (count,) = [value for series, _, value in samples if series == name + "_count"]
    assert count == values[-1] and any(series == name + "_sum" for series, _, _ in samples)
    assert all(set(labels) == ENGINE | ({"le"} if series.endswith("_bucket") else set()) for series, labels, _ in samples)


def test_label_values(page, model):
    def values(name, label):
        return {labels[label] for _, labels, _ in page[name][1]}

    assert values("vllm:request_success_total", "finished_reason") == {"stop", "length", "abort", "error", "repetition"}
    assert values("vllm:num_requests_waiting_by_reason", "reason") == {"capacity", "deferred"}
    assert values("vllm:engine_sleep_state", "sleep_state") == {"awake", "weights_offloaded", "discard_all"}
    assert values("vllm:prompt_tokens_cached_by_source_total", "source") == {"device", "host", "disk", "p2p", "external_unspecified"}
    assert values("vllm:num_requests_running", "model_name") == {model} and values("vllm:num_requests_running", "engine") == {"0"}
    (info,) = page["vllm:cache_config_info"][1]
    assert info[2] == 1 and set(info[1]) == {"block_size", "num_gpu_blocks", "cache_dtype", "enable_prefix_caching", "engine"}


@pytest.mark.parametrize("name,kind,labels", [
    ("http_requests_total", "counter", {"handler", "method", "status"}), ("http_request_size_bytes", "summary", {"handler"}),
    ("http_response_size_bytes", "summary", {"handler"}), ("http_request_duration_highr_seconds", "histogram", set()),
    ("http_request_duration_seconds", "histogram", {"handler", "method"}),
])
def test_http_series(page, name, kind, labels):
    found, samples = page[name]
    assert found == kind and samples
    assert all(set(given) - {"le"} == labels for _, given, _ in samples)


@pytest.mark.parametrize("name,kind,labels", [
    ("step3_stage_busy_seconds_total", "counter", {"role", "instance", "stage"}), ("step3_stage_idle_seconds_total", "counter", {"role", "instance", "reason"}),
    ("step3_stage_duration_seconds", "histogram", {"role", "stage", "phase"}), ("step3_role_utilization_ratio", "gauge", {"role", "instance"}),
    ("step3_afd_transfer_bytes_total", "counter", {"direction", "src", "dst", "transport"}),
    ("step3_afd_transfer_seconds_total", "counter", {"direction", "src", "dst", "transport"}),
    ("step3_afd_exposed_comm_seconds_total", "counter", {"direction"}), ("step3_afd_microbatches_in_flight", "gauge", {"instance"}),
    ("step3_pipeline_bubble_ratio", "gauge", {"role"}), ("step3_expert_imbalance_ratio", "gauge", set()),
    ("step3_expert_cache_hits_total", "counter", {"instance"}), ("step3_expert_cache_misses_total", "counter", {"instance"}),
    ("step3_expert_cache_read_bytes_total", "counter", {"instance"}), ("step3_expert_cache_wait_seconds_total", "counter", {"instance"}),
    ("step3_kv_blocks", "gauge", {"instance"}),
    ("step3_kv_blocks_used", "gauge", {"instance"}), ("step3_kv_bytes", "gauge", {"instance"}), ("step3_device_memory_bytes", "gauge", {"device", "kind"}),
    ("step3_vision_images_total", "counter", set()), ("step3_vision_encode_seconds", "histogram", set()),
    ("step3_peer_up", "gauge", {"role", "instance", "address"}), ("step3_build_info", "gauge", {"version", "commit", "simd", "cuda"}),
])
def test_own_series(page, name, kind, labels):
    found, samples = page[name]
    assert found == kind and samples
    assert all(set(given) - {"le"} == labels for _, given, _ in samples)


def test_own_label_values(page):
    def values(name, label, **given):
        return {labels[label] for _, labels, _ in page[name][1] if given.items() <= labels.items()}

    stages = {"attn", "lm_head", "vision", "sampling"}
    assert values("step3_stage_busy_seconds_total", "stage", role="attention") == stages
    assert values("step3_stage_busy_seconds_total", "stage", role="ffn") == {"moe", "shared_expert"}
    assert values("step3_stage_idle_seconds_total", "reason") == {"wait_peer", "no_work", "barrier"}
    assert values("step3_stage_duration_seconds", "stage", role="attention") == stages
    assert values("step3_stage_duration_seconds", "phase", stage="attn") == {"prefill", "decode"}
    assert values("step3_device_memory_bytes", "kind") == {"weights", "kv", "activations", "free"}
    assert all(value > 0 for _, labels, value in page["step3_device_memory_bytes"][1])
    (info,) = page["step3_build_info"][1]
    assert info[1]["version"] and re.fullmatch("[0-9a-f]*", info[1]["commit"])
    assert "step3_expert_tokens_total" not in page


def test_tokens_of_each_expert():
    started = running("--expert-metrics", "--draft", "off")
    server = next(started)
    usage = server.post("/v1/completions", {"prompt": "hi", "max_tokens": 5, "ignore_eos": True}).json["usage"]
    kind, samples = parse_metrics(server.get("/metrics").body.decode())["step3_expert_tokens_total"]
    layers = {labels["layer"] for _, labels, _ in samples}
    assert kind == "counter" and layers and "0" not in layers  # the first layer is dense
    assert {(labels["layer"], labels["expert"]) for _, labels, _ in samples} == {(layer, str(expert)) for layer in layers for expert in range(8)}
    for layer in layers:  # three experts a token; the last one that is answered is not read
        assert sum(value for _, labels, value in samples if labels["layer"] == layer) == 3 * (usage["prompt_tokens"] + 4)
    started.close()


def test_stage_buckets(page):
    bounds = [labels["le"] for series, labels, _ in page["step3_stage_duration_seconds"][1] if series.endswith("_bucket")
              and labels["stage"] == "moe" and labels["phase"] == "decode"]
    assert [float(bound) for bound in bounds] == pytest.approx([digit * 10 ** power for power in range(-5, 0) for digit in (1, 2, 5)] + [1, float("inf")])


def test_http_counts(fresh):
    fresh.chat(max_tokens=1)
    fresh.chat(temperature=9)
    fresh.get("/nothing")
    chat = 'http_requests_total{handler="/v1/chat/completions",method="POST",status="%s"}'
    assert fresh.metric(chat % "2xx") == 1 and fresh.metric(chat % "4xx") == 1
    assert fresh.metric('http_requests_total{handler="none",method="GET",status="4xx"}') == 1
    assert fresh.metric('http_response_size_bytes_sum{handler="/v1/chat/completions"}') > 100
    assert fresh.metric("process_resident_memory_bytes") > 1e6


def test_counts_agree_with_usage(fresh):
    usage = fresh.chat(max_tokens=9, ignore_eos=True).json["usage"]
    labels = '{engine="0",model_name="team/fresh"}'
    assert fresh.metric("vllm:generation_tokens_total" + labels) == usage["completion_tokens"] == 9
    assert fresh.metric("vllm:prompt_tokens_total" + labels) == usage["prompt_tokens"]
    assert fresh.metric("vllm:inter_token_latency_seconds_count" + labels) == 8
    assert fresh.metric("vllm:time_to_first_token_seconds_count" + labels) == 1
    assert fresh.metric("vllm:num_requests_running" + labels) == 0
