"""Every count at /metrics moves by what was asked and answered, and by no more (spec metrics section 1)."""
import concurrent.futures
import http.client
import json
import threading

import pytest

from conftest import running
from step3_server import image_part, parse_metrics, user, wait_until

LONG = [user("Tell me about " + " ".join(f"thing {number}" for number in range(80)))]
MONOTONIC = ("_total", "_count", "_sum", "_bucket")


@pytest.fixture(scope="module")
def counted():
    yield from running()


def series(server):
    """{name{labels}: value} without the labels that all have, and the families' types."""
    values, kinds = {}, {}
    for family, (kind, samples) in parse_metrics(server.get("/metrics").body.decode()).items():
        for name, labels, value in samples:
            own = ",".join(f"{label}={labels[label]}" for label in sorted(labels) if label not in ("engine", "model_name"))
            values[f"{name}{{{own}}}" if own else name] = value
            kinds[name] = kind
    return values, kinds


def moved(server, act):
    """What `act` returns, and how far it moved each of vLLM's counters and histograms."""
    before, _ = series(server)
    result = act()
    after, kinds = series(server)
    changes = {name: value - before.get(name, 0) for name, value in after.items()
               if name.startswith("vllm:") and kinds[name.split("{")[0]] != "gauge" and "_bucket" not in name}
    return result, {name.removeprefix("vllm:"): change for name, change in changes.items() if change}


def counts_of(changes):
    return {name: change for name, change in changes.items() if "seconds_sum" not in name}


def per_request(requests, **sums):
    """The histograms that every request that ran adds to once, with the sums given."""
    times = ("time_to_first_token", "request_time_per_output_token", "e2e_request_latency", "request_queue_time",
             "request_inference_time", "request_prefill_time", "request_decode_time")
    counts = {f"{name}_seconds_count": requests for name in times}
    counts.update({f"request_{name}_count": requests for name in (
        "prompt_tokens", "generation_tokens", "params_max_tokens", "prefill_kv_computed_tokens", "num_preemptions")})
    counts.update({f"request_{name}_sum": value for name, value in sums.items()})
    return counts


def without_steps_and_drafts(changes):
    """How a prompt is cut into steps, and what is guessed, is the engine's own affair."""
    return {name: change for name, change in counts_of(changes).items() if not name.startswith(("iteration_tokens", "spec_decode"))}


def test_one_answer(counted):
    answer, changes = moved(counted, lambda: counted.chat(max_tokens=9, ignore_eos=True).json)
    read = answer["usage"]["prompt_tokens"]
    assert answer["usage"]["completion_tokens"] == 9
    assert without_steps_and_drafts(changes) == {
        "prompt_tokens_total": read, "prompt_tokens_by_source_total{source=local_compute}": read, "prefix_cache_queries_total": read,
        "generation_tokens_total": 9, "request_success_total{finished_reason=length}": 1, "inter_token_latency_seconds_count": 8,
        "request_params_n_count": 1, "request_params_n_sum": 1, "request_max_num_generation_tokens_count": 1,
        "request_max_num_generation_tokens_sum": 9,
        **per_request(1, prompt_tokens=read, generation_tokens=9, params_max_tokens=9, prefill_kv_computed_tokens=read)}
    assert changes["request_inference_time_seconds_sum"] + changes["request_queue_time_seconds_sum"] == pytest.approx(
        changes["e2e_request_latency_seconds_sum"])
    assert changes["inter_token_latency_seconds_sum"] == pytest.approx(changes["request_decode_time_seconds_sum"])
    assert changes["request_time_per_output_token_seconds_sum"] == pytest.approx(changes["request_decode_time_seconds_sum"] / 8)


def test_several_answers_to_one_question(counted):
    answer, changes = moved(counted, lambda: counted.chat(n=3, max_tokens=30, temperature=1, seed=4).json)
    written, read = answer["usage"]["completion_tokens"], answer["usage"]["prompt_tokens"]
    reasons = [choice["finish_reason"] for choice in answer["choices"]]
    assert changes["generation_tokens_total"] == changes["request_generation_tokens_sum"] == written
    assert changes["prompt_tokens_total"] == 3 * read
    assert changes["request_params_n_count"] == changes["request_max_num_generation_tokens_count"] == 1
    assert changes["request_params_n_sum"] == 3
    assert written / 3 <= changes["request_max_num_generation_tokens_sum"] <= 30
    for reason in ("stop", "length"):
        assert changes.get(f"request_success_total{{finished_reason={reason}}}", 0) == reasons.count(reason)
    assert changes["inter_token_latency_seconds_count"] == written - 3


def test_every_way_to_ask_counts_alike(counted):
    def stream():
        body = counted.chat(stream=True, max_tokens=7, ignore_eos=True, stream_options={"include_usage": True}).body.decode()
        return json.loads(body.split("data: ")[-2])["usage"]["completion_tokens"]

    for act in (stream,
                lambda: counted.post("/v1/completions", {"prompt": ["a b", "c"], "n": 2, "max_tokens": 5}).json["usage"]["completion_tokens"],
                lambda: counted.post("/v1/responses", {"input": "hi", "max_output_tokens": 16}).json["usage"]["output_tokens"]):
        written, changes = moved(counted, act)
        assert changes["generation_tokens_total"] == changes["request_generation_tokens_sum"] == written
        assert sum(change for name, change in changes.items() if name.startswith("request_success")) == changes["e2e_request_latency_seconds_count"]


def test_prefix_found(counted):
    moved(counted, lambda: counted.chat(messages=LONG, max_tokens=1))
    answer, changes = moved(counted, lambda: counted.chat(messages=LONG, max_tokens=1).json)
    read, found = answer["usage"]["prompt_tokens"], answer["usage"]["prompt_tokens_details"]["cached_tokens"]
    assert 0 < found < read
    assert changes["prompt_tokens_total"] == changes["prefix_cache_queries_total"] == read
    for name in ("prefix_cache_hits_total", "prompt_tokens_cached_total", "prompt_tokens_by_source_total{source=local_cache_hit}",
                 "prompt_tokens_cached_by_source_total{source=device}"):
        assert changes[name] == found
    assert changes["prompt_tokens_by_source_total{source=local_compute}"] == changes["request_prefill_kv_computed_tokens_sum"] == read - found
    # A prompt whose log-probabilities are wanted is read in full and looked up nowhere.
    _, changes = moved(counted, lambda: counted.chat(messages=LONG, max_tokens=1, prompt_logprobs=1))
    assert changes["prompt_tokens_total"] == read and "prefix_cache_queries_total" not in changes


def test_pictures(counted):
    def ask(*colours, **fields):
        return lambda: counted.chat(messages=[user([*map(image_part, colours), {"type": "text", "text": "What?"}])], max_tokens=2, **fields)

    for act, asked, found in ((ask((5, 9, 1)), 1, 0), (ask((5, 9, 1)), 1, 1), (ask((5, 9, 1), (5, 9, 2), n=2), 2, 1)):
        before = counted.metric("step3_vision_images_total")
        _, changes = moved(counted, act)
        assert (changes["mm_cache_queries_total"], changes.get("mm_cache_hits_total", 0)) == (asked, found)
        assert counted.metric("step3_vision_images_total") - before == asked - found == counted.metric("step3_vision_encode_seconds_count") - before


def test_what_is_refused_counts_nothing(counted):
    def refused():
        assert counted.chat(temperature=9).status == counted.chat(messages=[user("hello " * 9000)]).status == 400

    assert moved(counted, refused)[1] == {}


def test_client_that_leaves(counted):
    def leave():
        connection = http.client.HTTPConnection("127.0.0.1", counted.port)
        connection.request("POST", "/v1/chat/completions", json.dumps({"messages": [user("hi")], "stream": True, "ignore_eos": True}),
                           {"Content-Type": "application/json"})
        connection.getresponse().read(500)
        connection.sock.close()
        connection.close()
        return wait_until(lambda: series(counted)[0]["vllm:num_requests_running"] == 0)

    ended, changes = moved(counted, leave)
    assert ended and changes["request_success_total{finished_reason=abort}"] == 1
    assert changes["generation_tokens_total"] == changes["request_generation_tokens_sum"] >= 1


def test_drafts(counted):
    _, changes = moved(counted, lambda: counted.chat(max_tokens=60, ignore_eos=True, temperature=0))
    accepted = changes.get("spec_decode_num_accepted_tokens_total", 0)
    assert accepted <= changes.get("spec_decode_num_draft_tokens_total", 0)
    assert accepted == sum(change for name, change in changes.items() if name.startswith("spec_decode_num_accepted_tokens_per_pos"))
    assert changes.get("spec_decode_num_drafts_total", 0) <= changes.get("spec_decode_num_draft_tokens_total", 0)


def test_idle_time_grows_while_idle(counted):
    name = "step3_stage_idle_seconds_total{instance=0,reason=no_work,role=attention}"
    before = series(counted)[0][name]
    assert wait_until(lambda: series(counted)[0][name] > before)


def test_load_that_outgrows_the_memory():
    """Counters never fall, shares stay shares, and what was given back is counted with its request."""
    started = running("--kv-memory", "1M", "--max-running", "8")
    server = next(started)
    pages, done = [], threading.Event()

    def watch():
        while not done.is_set():
            pages.append(series(server))

    watcher = threading.Thread(target=watch)
    watcher.start()
    with concurrent.futures.ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(lambda number: server.chat(messages=LONG if number % 2 else [user("hi")], max_tokens=200, ignore_eos=True).json,
                                range(24)))
    done.set()
    watcher.join()
    pages.append(series(server))
    for (before, _), (after, kinds) in zip(pages, pages[1:]):
        for name, value in after.items():
            kind = kinds[name.split("{")[0]]
            if kind != "gauge":
                assert value >= before.get(name, 0), name
            if name.split("{")[0] in ("vllm:kv_cache_usage_perc", "step3_role_utilization_ratio", "step3_pipeline_bubble_ratio"):
                assert 0 <= value <= 1, name
    last, _ = pages[-1]
    for name, value in last.items():
        if name.endswith("_count"):
            assert last[name.removesuffix("_count") + "_bucket{le=+Inf}"] == value
    written = sum(answer["usage"]["completion_tokens"] for answer in answers)
    assert last["vllm:generation_tokens_total"] == written == 24 * 200
    assert last["vllm:prompt_tokens_total"] == sum(answer["usage"]["prompt_tokens"] for answer in answers)
    assert last["vllm:num_preemptions_total"] == last["vllm:request_num_preemptions_sum"] > 0
    for name in ("vllm:num_requests_running", "vllm:num_requests_waiting", "vllm:num_requests_waiting_by_reason{reason=capacity}",
                 "vllm:kv_cache_usage_perc", "step3_kv_blocks_used{instance=0}", "step3_kv_bytes{instance=0}",
                 "step3_afd_microbatches_in_flight{instance=0}"):
        assert last[name] == 0, name
    started.close()
