"""Completions, tokens, models and the small routes (spec openai-api sections 2 and 7)."""
import time

import pytest

from step3_server import image_part, user


def test_completion_has_every_field(server, model):
    body = server.post("/v1/completions", {"prompt": "The colour is", "ignore_eos": True}).json
    assert body["id"].startswith("cmpl-") and body["object"] == "text_completion" and body["model"] == model
    (choice,) = body["choices"]
    assert choice["finish_reason"] == "length" and choice["stop_reason"] is None and choice["logprobs"] is None
    assert body["usage"]["completion_tokens"] == 16  # the default


def test_prompts_of_every_kind(server):
    ids = server.post("/tokenize", {"prompt": "The colour is"}).json["tokens"]
    fields = {"temperature": 0, "max_tokens": 5}
    text = server.post("/v1/completions", {"prompt": "The colour is", **fields}).json
    assert text["usage"]["prompt_tokens"] == len(ids)
    one = server.post("/v1/completions", {"prompt": ids, **fields}).json
    assert one["choices"][0]["text"] == text["choices"][0]["text"]
    for prompt in (["The colour is"] * 2, [ids, ids]):
        body = server.post("/v1/completions", {"prompt": prompt, **fields}).json
        assert [choice["text"] for choice in body["choices"]] == [text["choices"][0]["text"]] * 2
        assert body["usage"]["prompt_tokens"] == 2 * len(ids)


def test_echo_and_logprobs(client, model):
    answer = client.completions.create(model=model, prompt="The colour", echo=True, logprobs=2, max_tokens=3, temperature=0, extra_body={"ignore_eos": True})
    choice = answer.choices[0]
    assert choice.text.startswith("The colour")
    logprobs = choice.logprobs
    assert len(logprobs.tokens) == answer.usage.total_tokens
    assert len(logprobs.token_logprobs) == len(logprobs.top_logprobs) == len(logprobs.text_offset) == len(logprobs.tokens)
    assert logprobs.token_logprobs[0] is None and all(value <= 0 for value in logprobs.token_logprobs[1:])
    assert logprobs.text_offset == sorted(logprobs.text_offset)
    assert all(2 <= len(top) <= 3 for top in logprobs.top_logprobs[1:])


def test_completion_choices_and_stop(client, model):
    answer = client.completions.create(model=model, prompt=["One", "Two"], n=2, temperature=1, max_tokens=3, seed=1, extra_body={"ignore_eos": True})
    assert [choice.index for choice in answer.choices] == [0, 1, 2, 3]
    assert answer.usage.completion_tokens == 12


def test_prompt_that_is_truncated(server):
    ids = server.post("/tokenize", {"prompt": "The colour is"}).json["tokens"]
    fields = {"temperature": 0, "max_tokens": 8, "ignore_eos": True}
    end = server.post("/v1/completions", {"prompt": ids[-3:], **fields}).json
    cut = server.post("/v1/completions", {"prompt": ids, "truncate_prompt_tokens": 3, **fields}).json
    assert cut["usage"]["prompt_tokens"] == 3 and cut["choices"][0]["text"] == end["choices"][0]["text"]
    short = server.post("/v1/completions", {"prompt": ids, "truncate_prompt_tokens": 1000, **fields}).json
    assert short["usage"]["prompt_tokens"] == len(ids)
    long = server.post("/v1/completions", {"prompt": ids * 1000, "truncate_prompt_tokens": -1, **fields}).json
    assert long["usage"]["prompt_tokens"] == 2048 - 8 and long["usage"]["completion_tokens"] == 8
    assert server.post("/v1/completions", {"prompt": ids * 1000, **fields}).error["param"] == "input_tokens"
    chat = server.chat(messages=[user("word " * 5000)], truncate_prompt_tokens=-1, max_tokens=4, ignore_eos=True).json
    assert chat["usage"]["prompt_tokens"] == 2048 - 4


def test_answer_that_fills_the_context(server):
    asked = server.post("/tokenize", {"messages": [user("hi")]}).json["count"]
    assert server.chat(messages=[user("hi")], max_tokens=2048 - asked + 1).error["param"] == "input_tokens"
    for fields in ({"max_tokens": 2048 - asked}, {}):
        answer = server.chat(messages=[user("hi")], ignore_eos=True, **fields).json
        assert answer["usage"]["total_tokens"] == 2048 and answer["choices"][0]["finish_reason"] == "length"


@pytest.mark.parametrize("body", [
    {}, {"prompt": []}, {"prompt": [[]]}, {"prompt": [1.5]}, {"prompt": {"a": 1}}, {"prompt": ["a", 3]}, {"prompt": [-1]}, {"prompt": [10**9]},
    {"prompt": "a", "suffix": "b"}, {"prompt": "a", "logprobs": 21}, {"prompt": "a", "logprobs": -1}, {"prompt": ["a"] * 1025},
    {"prompt": "a", "max_tokens": 0}, {"prompt": "a", "best_of": 2}, {"prompt": "a", "use_beam_search": True},
])
def test_completions_that_are_refused(server, body):
    answer = server.post("/v1/completions", body)
    assert answer.status == 400 and answer.error["code"] == 400 and answer.error["message"], answer.body


def test_tokenize_and_back(server, model):
    text = "Hello, 世界! §"
    body = server.post("/tokenize", {"model": model, "prompt": text, "add_special_tokens": False, "return_token_strs": True}).json
    assert set(body) == {"count", "max_model_len", "tokens", "token_strs"}
    assert body["count"] == len(body["tokens"]) == len(body["token_strs"])
    assert server.post("/detokenize", {"tokens": body["tokens"]}).json == {"prompt": text}
    assert server.post("/tokenize", {"prompt": text}).json["token_strs"] is None
    # As the vocabulary spells them: a space is a mark.
    assert "\u2581" in "".join(server.post("/tokenize", {"prompt": "a b", "return_token_strs": True}).json["token_strs"])


def test_tokenize_a_conversation(server):
    messages = [user([image_part(), {"type": "text", "text": "What is it?"}])]
    counted = server.post("/tokenize", {"messages": messages, "add_generation_prompt": True}).json
    asked = server.chat(messages=messages, max_tokens=1, return_token_ids=True).json
    assert counted["tokens"] == asked["prompt_token_ids"]
    shorter = server.post("/tokenize", {"messages": messages, "add_generation_prompt": False}).json
    assert shorter["count"] < counted["count"]
    thoughtless = {"messages": messages, "chat_template_kwargs": {"enable_thinking": False}}
    assert server.post("/tokenize", thoughtless).json["tokens"] == server.chat(**thoughtless, max_tokens=1, return_token_ids=True).json["prompt_token_ids"]


@pytest.mark.parametrize("path,body", [("/tokenize", {}), ("/tokenize", {"prompt": 3}), ("/tokenize", {"prompt": "", "add_special_tokens": 3}), ("/tokenize", {"messages": []}), ("/detokenize", {}),
                                       ("/detokenize", {"tokens": "a"}), ("/detokenize", {"tokens": [-1]}), ("/detokenize", {"tokens": [10**7]})])
def test_tokens_that_are_refused(server, path, body):
    assert server.post(path, body).status == 400


def test_models(client, server, model):
    (card,) = client.models.list().data
    assert card == client.models.retrieve(model)
    raw = server.get("/v1/models").json["data"][0]
    assert raw["id"] == model == raw["root"] and raw["object"] == "model" and raw["parent"] is None
    assert raw["owned_by"] == "vllm" and raw["max_model_len"] == 2048 and abs(raw["created"] - time.time()) < 3600
    permission = raw["permission"][0]
    assert permission["object"] == "model_permission" and permission["allow_sampling"] is True and permission["organization"] == "*"
    assert server.get("/v1/models/other").error["type"] == "NotFoundError"


def test_served_name_may_hold_a_slash(fresh):
    assert fresh.get("/v1/models/team/fresh").json["id"] == "team/fresh"
    assert fresh.chat(model="team/fresh", max_tokens=1).json["model"] == "team/fresh"
    assert fresh.chat(model="step3-mini", max_tokens=1).status == 404


def test_small_routes(server):
    for path in ("/health", "/ready", "/ping"):
        answer = server.get(path)
        assert (answer.status, answer.body) == (200, b"")
    assert server.post("/ping", b"").status == 200
    assert set(server.get("/version").json) == {"version"}
    assert server.get("/load").json == {"server_load": 0}
    assert server.get("/openapi.json").json["openapi"].startswith("3.")
    for path in ("/v1/embeddings", "/v1/messages", "/v1/audio/speech", "/v1/rerank", "/v1/decisions", "/server_info", "/docs", "/", "/v1"):
        answer = server.get(path)
        assert (answer.status, answer.json) == (404, {"detail": "Not Found"})
    answer = server.get("/v1/chat/completions")
    assert (answer.status, answer.json, answer.headers["allow"]) == (405, {"detail": "Method Not Allowed"}, "POST")


def test_stats(server):
    before = server.stats()
    server.chat(max_tokens=5, ignore_eos=True)
    after = server.stats()
    assert after["tokens"]["generated"] == before["tokens"]["generated"] + 5
    assert after["requests"]["finished_length"] == before["requests"]["finished_length"] + 1
    assert {"kv", "prefix_cache", "images", "time_per_output_token", "roles", "version"} <= set(after)
