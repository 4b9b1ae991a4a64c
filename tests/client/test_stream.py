"""Streamed answers: the order of chunks, their framing, what they add up to (spec openai-api section 5)."""
import http.client
import json

import pytest

from step3_server import LISTEN, LOOK, image_part, sse_events, user, wait_until


def chunks_of(answer):
    """The chunks of a stream, after the checks that hold for every stream."""
    assert answer.status == 200
    assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert answer.headers["transfer-encoding"] == "chunked"
    for block in answer.body.decode().split("\n\n")[:-1]:
        assert block.startswith("data: ") and "\n" not in block
    assert answer.body.endswith(b"data: [DONE]\n\n")
    events = sse_events(answer.body)
    assert all(name is None for name, _ in events)
    chunks = [json.loads(data) for _, data in events[:-1]]
    assert len({(chunk["id"], chunk["created"], chunk["model"], chunk["object"]) for chunk in chunks}) == 1
    return chunks


def test_chat_stream_order(server):
    chunks = chunks_of(server.chat(stream=True, max_tokens=8, temperature=0))
    assert chunks[0]["object"] == "chat.completion.chunk"
    first, last = chunks[0]["choices"][0], chunks[-1]["choices"][0]
    assert first["delta"] == {"role": "assistant", "content": ""} and first["finish_reason"] is None and first["logprobs"] is None
    assert last["finish_reason"] in ("stop", "length") and last["stop_reason"] is None
    for chunk in chunks:
        assert "usage" not in chunk
        assert len(chunk["choices"]) == 1 and chunk["choices"][0]["index"] == 0
    for chunk in chunks[1:-1]:
        (kind,) = chunk["choices"][0]["delta"]
        assert kind in ("reasoning", "content") and chunk["choices"][0]["finish_reason"] is None


@pytest.mark.parametrize("fields", [{}, {"reasoning_effort": "none"}, {"logit_bias": {"0": -100}, "stop": ["e ", "th"]}, {"temperature": 1.5, "seed": 4}])
def test_chat_stream_adds_up_to_the_whole(server, fields):
    fields = {"temperature": 0, "max_tokens": 40, **fields}
    whole = server.chat(**fields).json["choices"][0]
    chunks = chunks_of(server.chat(stream=True, **fields))
    for kind in ("reasoning", "content"):
        assert "".join(chunk["choices"][0]["delta"].get(kind) or "" for chunk in chunks) == (whole["message"][kind] or "")
    assert chunks[-1]["choices"][0]["finish_reason"] == whole["finish_reason"]
    assert chunks[-1]["choices"][0]["stop_reason"] == whole["stop_reason"]


def test_usage_comes_last_if_asked_for(server):
    whole = server.chat(max_tokens=7, ignore_eos=True).json["usage"]
    chunks = chunks_of(server.chat(stream=True, max_tokens=7, ignore_eos=True, stream_options={"include_usage": True}))
    assert chunks[-1]["choices"] == [] and chunks[-1]["usage"] == {**whole, "prompt_tokens_details": chunks[-1]["usage"]["prompt_tokens_details"]}
    assert chunks[-1]["system_fingerprint"].startswith("step3-")
    assert all(not chunk.get("usage") for chunk in chunks[:-1])


def test_running_usage(server):
    chunks = chunks_of(server.chat(stream=True, max_tokens=7, ignore_eos=True, stream_options={"include_usage": True, "continuous_usage_stats": True}))
    counts = [chunk["usage"]["completion_tokens"] for chunk in chunks]
    assert counts[0] == 0 and counts == sorted(counts) and counts[-1] == 7
    assert len({chunk["usage"]["prompt_tokens"] for chunk in chunks}) == 1


def test_picture_stream_through_the_client(client, model):
    stream = client.chat.completions.create(model=model, messages=[user([image_part(), {"type": "text", "text": "What is it?"}])],
                                            stream=True, stream_options={"include_usage": True}, max_tokens=16)
    chunks = list(stream)
    assert chunks[-1].usage.prompt_tokens_details.multimodal_tokens["image"] > 0
    assert chunks[-2].choices[0].finish_reason


def test_stream_helper_of_the_client(client, model):
    with client.chat.completions.stream(model=model, messages=[user("Is it?")], reasoning_effort="none",
                                        extra_body={"structured_outputs": {"choice": ["yes", "no"]}}) as stream:
        kinds = [event.type for event in stream]
        final = stream.get_final_completion()
    assert "chunk" in kinds
    assert final.choices[0].finish_reason == "stop" and final.choices[0].message.content in ("yes", "no")


def test_several_choices_are_interleaved(server):
    chunks = chunks_of(server.chat(stream=True, n=3, temperature=1, seed=1, max_tokens=6, ignore_eos=True, stream_options={"include_usage": True}))
    for index in range(3):
        own = [chunk["choices"][0] for chunk in chunks[:-1] if chunk["choices"][0]["index"] == index]
        assert own[0]["delta"] == {"role": "assistant", "content": ""}
        assert [choice["finish_reason"] for choice in own] == [None] * (len(own) - 1) + ["length"]
    assert chunks[-1]["usage"]["completion_tokens"] == 18


def test_logprobs_in_the_stream(server):
    fields = {"logprobs": True, "top_logprobs": 1, "max_tokens": 6, "temperature": 0, "ignore_eos": True}
    whole = server.chat(**fields).json["choices"][0]["logprobs"]["content"]
    chunks = chunks_of(server.chat(stream=True, **fields))
    entries = [entry for chunk in chunks if chunk["choices"][0]["logprobs"] for entry in chunk["choices"][0]["logprobs"]["content"]]
    assert [entry["token"] for entry in entries] == [entry["token"] for entry in whole]
    assert len(entries) == 6


def test_token_ids_in_the_stream(server):
    fields = {"return_token_ids": True, "max_tokens": 6, "temperature": 0, "ignore_eos": True}
    whole = server.chat(**fields).json["choices"][0]["token_ids"]
    chunks = chunks_of(server.chat(stream=True, **fields))
    assert [token for chunk in chunks for token in chunk["choices"][0].get("token_ids") or []] == whole


def test_tool_call_deltas(server):
    fields = {"tools": [LOOK, LISTEN], "tool_choice": "required", "reasoning_effort": "none", "temperature": 0, "max_tokens": 600}
    whole = server.chat(**fields).json["choices"][0]
    chunks = chunks_of(server.chat(stream=True, **fields))
    calls = {}
    for chunk in chunks:
        for call in chunk["choices"][0]["delta"].get("tool_calls", []):
            if call["index"] not in calls:
                assert call["type"] == "function" and call["id"] and call["function"]["name"]
                calls[call["index"]] = {"name": call["function"]["name"], "arguments": call["function"].get("arguments", "")}
            else:
                assert set(call) == {"index", "function"}
                calls[call["index"]]["arguments"] += call["function"]["arguments"]
    assert list(calls.values()) == [call["function"] for call in whole["message"]["tool_calls"]]
    assert chunks[-1]["choices"][0]["finish_reason"] == "tool_calls"


def test_completion_stream(client, model):
    fields = {"model": model, "prompt": ["One", "Two"], "max_tokens": 5, "temperature": 0, "extra_body": {"ignore_eos": True}}
    whole = client.completions.create(**fields)
    texts = ["", ""]
    for chunk in client.completions.create(**fields, stream=True, stream_options={"include_usage": True}):
        assert chunk.object == "text_completion" and chunk.id.startswith("cmpl-")
        for choice in chunk.choices:
            texts[choice.index] += choice.text
        if not chunk.choices:
            assert chunk.usage.completion_tokens == 10
    assert texts == [choice.text for choice in whole.choices]


def test_utf8_is_never_split(server):
    # Sampled at the highest temperature, so that odd bytes come along; every piece must be whole characters.
    for seed in range(4):
        answer = server.chat(stream=True, temperature=2, seed=seed, max_tokens=120, ignore_eos=True)
        chunks_of(answer)  # decodes every line strictly
        fields = {"temperature": 2, "seed": seed, "max_tokens": 120, "ignore_eos": True}
        whole = server.chat(**fields).json["choices"][0]["message"]
        streamed = "".join(chunk["choices"][0]["delta"].get("reasoning") or "" for chunk in chunks_of(answer))
        assert streamed == (whole["reasoning"] or "")


@pytest.mark.parametrize("stream", [True, False])
def test_disconnect_aborts(fresh, stream):
    aborted = 'vllm:request_success_total{engine="0",finished_reason="abort",model_name="team/fresh"}'
    assert fresh.metric(aborted) == 0
    connection = http.client.HTTPConnection("127.0.0.1", fresh.port)
    body = {"messages": [user("What is it?")], "ignore_eos": True, "stream": stream, "n": 16, "temperature": 1}
    connection.request("POST", "/v1/chat/completions", json.dumps(body), {"Content-Type": "application/json"})
    assert wait_until(lambda: fresh.stats()["requests"]["running"] > 0)
    connection.close()
    assert wait_until(lambda: fresh.stats()["requests"]["running"] == 0)
    assert fresh.metric(aborted) == 16


def test_closing_the_clients_stream_aborts(fresh):
    with fresh.client() as client:
        stream = client.chat.completions.create(model="team/fresh", messages=[user("hi")], stream=True, n=16, temperature=1, extra_body={"ignore_eos": True})
        next(iter(stream))
        stream.close()
        assert wait_until(lambda: fresh.stats()["requests"]["aborted"] > 0)


def test_prompt_ids_come_with_the_first_chunk(server):
    whole = server.chat(max_tokens=4, return_token_ids=True).json
    chunks = chunks_of(server.chat(stream=True, max_tokens=4, return_token_ids=True))
    assert chunks[0]["prompt_token_ids"] == whole["prompt_token_ids"]
    assert not any("prompt_token_ids" in chunk for chunk in chunks[1:])
    asked = {"prompt": "Once", "max_tokens": 4, "return_token_ids": True}
    first, *rest = [chunk["choices"][0] for chunk in chunks_of(server.post("/v1/completions", {**asked, "stream": True}))]
    assert first["prompt_token_ids"] == server.post("/v1/completions", asked).json["choices"][0]["prompt_token_ids"]
    assert not any("prompt_token_ids" in choice for choice in rest)


def test_fingerprint_is_in_the_last_chunk_only(server):
    for options in ({}, {"stream_options": {"include_usage": True}}):
        for answer in (server.chat(stream=True, max_tokens=3, **options), server.post("/v1/completions", {"prompt": "a", "max_tokens": 3, "stream": True, **options})):
            chunks = chunks_of(answer)
            assert chunks[-1]["system_fingerprint"].startswith("step3-")
            assert not any("system_fingerprint" in chunk for chunk in chunks[:-1])


def test_many_choices_with_everything(server):
    """Several choices, log-probabilities and running usage in one stream."""
    chunks = chunks_of(server.chat(stream=True, n=3, temperature=1, seed=3, max_tokens=10, ignore_eos=True, logprobs=True, top_logprobs=2,
                                   stream_options={"include_usage": True, "continuous_usage_stats": True}))
    counts, ended = {0: 0, 1: 0, 2: 0}, []
    for chunk in chunks[:-1]:
        (choice,) = chunk["choices"]
        counts[choice["index"]] += len((choice["logprobs"] or {"content": []})["content"])
        ended += [choice["index"]] if choice["finish_reason"] else []
    assert counts == {0: 10, 1: 10, 2: 10} and sorted(ended) == [0, 1, 2]
    assert chunks[-1]["choices"] == [] and chunks[-1]["usage"]["completion_tokens"] == 30
