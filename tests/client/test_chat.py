"""Chat answers in one piece (spec openai-api section 4)."""
import json
import time

import openai
import pytest

from step3_server import WEBP, data_uri, image_part, png, user


def ask(client, model, content="What is it?", **fields):
    return client.chat.completions.create(model=model, messages=[user(content)], **fields)


def test_answer_has_every_field(server, model):
    body = server.chat(max_tokens=8).json
    assert body["id"].startswith("chatcmpl-") and body["object"] == "chat.completion" and body["model"] == model
    assert abs(body["created"] - time.time()) < 3600
    assert body["system_fingerprint"].startswith("step3-")
    for field in ("service_tier", "prompt_logprobs", "prompt_token_ids", "kv_transfer_params"):
        assert body[field] is None
    (choice,) = body["choices"]
    assert choice["index"] == 0 and choice["logprobs"] is None and choice["token_ids"] is None
    assert choice["finish_reason"] in ("stop", "length") and choice["stop_reason"] is None
    assert set(choice["message"]) == {"role", "content", "refusal", "annotations", "audio", "function_call", "reasoning"}
    usage = body["usage"]
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]
    assert "multimodal_tokens" not in usage["prompt_tokens_details"]
    assert usage["completion_tokens_details"]["reasoning_tokens"] >= 0


@pytest.mark.parametrize("name", [None, ""])
def test_model_may_be_left_out(server, model, name):
    assert server.chat(model=name, max_tokens=1).json["model"] == model


def test_nulls_and_unknown_fields_are_ignored(server):
    nothing = dict.fromkeys(["temperature", "top_p", "top_k", "n", "seed", "stop", "logprobs", "top_logprobs", "stream", "stream_options",
                             "tools", "tool_choice", "response_format", "logit_bias", "user", "max_completion_tokens", "min_tokens"])
    assert server.chat(**nothing, max_tokens=1, colour=3, kv_transfer_params={}, vllm_xargs={}, ec_transfer_params={}, session_id="s",
                       request_id="r", metadata={"a": "b"}, safety_identifier="x").status == 200


def test_temperature_zero_repeats(client, model):
    first, second = (ask(client, model, temperature=0, max_tokens=24).choices[0].message for _ in range(2))
    assert first.content == second.content


def test_seed_repeats(client, model):
    texts = [ask(client, model, temperature=2, seed=seed, max_tokens=24, extra_body={"reasoning_effort": "none"}).choices[0].message.content
             for seed in (5, 5, 6, 7, 8)]
    assert texts[0] == texts[1]
    assert len(set(texts)) > 1


def test_max_completion_tokens_wins_and_cuts(client, model):
    answer = ask(client, model, max_tokens=50, max_completion_tokens=3, extra_body={"ignore_eos": True})
    assert answer.usage.completion_tokens == 3
    assert answer.choices[0].finish_reason == "length"


def test_ignore_eos_and_min_tokens(client, model):
    assert ask(client, model, max_tokens=300, extra_body={"ignore_eos": True}).usage.completion_tokens == 300
    assert ask(client, model, max_tokens=120, extra_body={"min_tokens": 110}).usage.completion_tokens >= 110


def test_without_max_tokens_the_context_is_the_limit(client, model):
    answer = ask(client, model, extra_body={"ignore_eos": True})
    assert answer.choices[0].finish_reason == "length"
    assert answer.usage.total_tokens == client.models.retrieve(model).max_model_len


def test_stop_string_ends_and_is_named(client, model):
    whole = ask(client, model, temperature=0, max_tokens=40, extra_body={"reasoning_effort": "none"}).choices[0].message.content
    stop = whole[2:5]
    cut = ask(client, model, temperature=0, max_tokens=40, stop=["§§", stop], extra_body={"reasoning_effort": "none"}).choices[0]
    assert cut.finish_reason == "stop" and cut.stop_reason == stop
    assert cut.message.content == whole[:whole.index(stop)]
    kept = ask(client, model, temperature=0, max_tokens=40, stop=stop,
               extra_body={"reasoning_effort": "none", "include_stop_str_in_output": True}).choices[0]
    assert kept.message.content == whole[:whole.index(stop) + len(stop)]


def test_stop_token_id_is_named(server):
    ids = server.chat(max_tokens=4, return_token_ids=True, temperature=0).json["choices"][0]["token_ids"]
    choice = server.chat(max_tokens=4, stop_token_ids=[ids[1]], temperature=0).json["choices"][0]
    assert choice["finish_reason"] == "stop" and choice["stop_reason"] == ids[1]


def test_logit_bias_forces_and_forbids(server):
    wanted = server.post("/tokenize", {"prompt": "red", "add_special_tokens": False}).json["tokens"][-1]
    fields = {"max_tokens": 3, "return_token_ids": True, "ignore_eos": True, "temperature": 0, "reasoning_effort": "none"}
    assert server.chat(logit_bias={str(wanted): 100}, **fields).json["choices"][0]["token_ids"] == [wanted] * 3
    plain = server.chat(**fields).json["choices"][0]["token_ids"]
    assert plain[0] not in server.chat(logit_bias={str(plain[0]): -100}, **fields).json["choices"][0]["token_ids"]


def test_allowed_token_ids_are_all_there_is(server):
    fields = {"max_tokens": 6, "return_token_ids": True, "ignore_eos": True, "reasoning_effort": "none"}
    allowed = server.post("/tokenize", {"prompt": "red blue", "add_special_tokens": False}).json["tokens"]
    for temperature in (0, 1):
        ids = server.chat(allowed_token_ids=allowed, temperature=temperature, seed=3, **fields).json["choices"][0]["token_ids"]
        assert len(ids) == 6 and set(ids) <= set(allowed)


def follow_each_other(tokens, ids):
    return any(ids[i:i + len(tokens)] == tokens for i in range(len(ids)))


def test_bad_words_do_not_occur(server):
    fields = {"max_tokens": 24, "temperature": 0, "reasoning_effort": "none", "return_token_ids": True}
    plain = server.chat(**fields).json["choices"][0]
    words = plain["message"]["content"].split()
    for word in (words[0], " ".join(words[:2]), " ".join(words[:4])):
        tokens = server.post("/tokenize", {"prompt": word, "add_special_tokens": False}).json["tokens"]
        assert follow_each_other(tokens, plain["token_ids"])
        choice = server.chat(bad_words=[word], **fields).json["choices"][0]
        assert not follow_each_other(tokens, choice["token_ids"])
        # A sequence is banned, not its parts: all is as before up to its last token.
        kept = next(i for i in range(24) if plain["token_ids"][i:i + len(tokens)] == tokens) + len(tokens) - 1
        assert choice["token_ids"][:kept] == plain["token_ids"][:kept]


def test_bad_words_hold_for_every_choice_and_drawn_tokens(server):
    fields = {"max_tokens": 16, "temperature": 1.5, "n": 4, "seed": 5, "reasoning_effort": "none", "return_token_ids": True}
    ids = [token for choice in server.chat(**fields).json["choices"] for token in choice["token_ids"]]
    pieces = {token: server.post("/detokenize", {"tokens": [token]}).json["prompt"].strip() for token in set(ids)}
    words = [piece for token, piece in pieces.items()
             if piece.isascii() and piece and server.post("/tokenize", {"prompt": piece, "add_special_tokens": False}).json["tokens"] == [token]]
    assert words
    for choice in server.chat(bad_words=words, **fields).json["choices"]:
        assert not {token for token, piece in pieces.items() if piece in words and
                    server.post("/tokenize", {"prompt": piece, "add_special_tokens": False}).json["tokens"] == [token]} & set(choice["token_ids"])


def test_nothing_left_to_say_is_an_error(server):
    token = server.post("/tokenize", {"prompt": "red", "add_special_tokens": False}).json["tokens"][-1]
    reply = server.chat(max_tokens=2, allowed_token_ids=[token], logit_bias={str(token): -100}, temperature=0)
    assert reply.status == 200  # a bias of -100 is not a ban
    text = server.post("/detokenize", {"tokens": [token]}).json["prompt"]
    reply = server.chat(max_tokens=2, allowed_token_ids=[token], bad_words=[text], temperature=0)
    assert reply.status == 400 and "every token banned" in reply.json["error"]["message"]


def test_penalties_and_filters_are_taken(server):
    assert server.chat(max_tokens=4, temperature=1, top_p=0.5, top_k=5, min_p=0.1, presence_penalty=1, frequency_penalty=-1,
                       repetition_penalty=1.2, seed=-1).status == 200
    assert server.chat(max_tokens=4, top_k=-1).status == 200
    forced = server.chat(max_tokens=4, temperature=1.5, top_k=1, return_token_ids=True).json["choices"][0]["token_ids"]
    assert forced == server.chat(max_tokens=4, temperature=0, return_token_ids=True).json["choices"][0]["token_ids"]


def test_several_choices_share_the_prompt(client, model):
    answer = ask(client, model, n=3, temperature=1.5, seed=3, max_tokens=6, extra_body={"ignore_eos": True})
    assert [choice.index for choice in answer.choices] == [0, 1, 2]
    one = ask(client, model, temperature=1.5, seed=3, max_tokens=6, extra_body={"ignore_eos": True})
    assert answer.usage.prompt_tokens == one.usage.prompt_tokens
    assert answer.usage.completion_tokens == 18
    assert answer.choices[0].message == one.choices[0].message


def test_logprobs(client, model):
    choice = ask(client, model, logprobs=True, top_logprobs=3, max_tokens=5, temperature=0).choices[0]
    assert len(choice.logprobs.content) == 5 or choice.finish_reason == "stop"
    for entry in choice.logprobs.content:
        assert entry.logprob <= 0 and len(entry.top_logprobs) == 3
        assert entry.token == bytes(entry.bytes).decode(errors="replace")
        assert entry.top_logprobs[0].logprob == pytest.approx(entry.logprob)  # greedy takes the likeliest
        assert [top.logprob for top in entry.top_logprobs] == sorted((top.logprob for top in entry.top_logprobs), reverse=True)
    bare = ask(client, model, logprobs=True, max_tokens=2).choices[0]
    assert bare.logprobs.content[0].top_logprobs == []


def test_tokens_as_ids(server):
    choice = server.chat(max_tokens=3, logprobs=True, return_tokens_as_token_ids=True, return_token_ids=True, ignore_eos=True).json["choices"][0]
    assert [entry["token"] for entry in choice["logprobs"]["content"]] == [f"token_id:{token}" for token in choice["token_ids"]]


def test_prompt_logprobs(server):
    body = server.chat(max_tokens=1, prompt_logprobs=2, return_token_ids=True).json
    ids, logprobs = body["prompt_token_ids"], body["prompt_logprobs"]
    assert len(ids) == len(logprobs) == body["usage"]["prompt_tokens"]
    assert logprobs[0] is None
    for token, entry in zip(ids[1:], logprobs[1:]):
        assert 2 <= len(entry) <= 3
        assert set(entry[str(token)]) == {"logprob", "rank", "decoded_token"}


def test_pictures_count_as_tokens(client, model):
    plain = ask(client, model, [{"type": "text", "text": "What is it?"}], max_tokens=2).usage
    one = ask(client, model, [image_part(), {"type": "text", "text": "What is it?"}], max_tokens=2).usage
    two = ask(client, model, [image_part(), image_part((0, 0, 250)), {"type": "text", "text": "What is it?"}], max_tokens=2).usage
    images = one.prompt_tokens_details.multimodal_tokens["image"]
    assert images > 0 and one.prompt_tokens > plain.prompt_tokens + images
    assert two.prompt_tokens_details.multimodal_tokens["image"] == 2 * images


@pytest.mark.parametrize("label", ["data:", "DATA:image/jpeg", "data:text/plain;charset=utf-8"])
def test_picture_label_does_not_matter(client, model, label):
    assert ask(client, model, [{"type": "image_url", "image_url": {"url": data_uri(png(), label)}}], max_tokens=1).usage.prompt_tokens > 20


def test_webp_picture(server):
    def answer(uri):
        parts = [{"type": "image_url", "image_url": {"url": uri}}, {"type": "text", "text": "What is it?"}]
        body = server.chat(messages=[user(parts)], max_tokens=4, temperature=0, logprobs=True, return_token_ids=True).json
        return body["usage"], body["prompt_token_ids"], body["choices"][0]["token_ids"], body["choices"][0]["logprobs"]

    same = answer(data_uri(WEBP, "data:image/webp"))
    expected = answer(data_uri(png()))
    assert same[0]["prompt_tokens_details"]["multimodal_tokens"]["image"] > 0
    assert same[1:] == expected[1:]


def test_order_of_parts_matters(server):
    before = [image_part(), {"type": "text", "text": "What is it?"}]
    prompts = [server.chat(messages=[user(parts)], max_tokens=1, return_token_ids=True).json["prompt_token_ids"] for parts in (before, before[::-1])]
    assert prompts[0] != prompts[1] and len(prompts[0]) == pytest.approx(len(prompts[1]), abs=3)


def test_several_turns_with_every_role(client, model):
    answer = client.chat.completions.create(model=model, max_tokens=8, messages=[
        {"role": "system", "content": "Be brief."}, {"role": "developer", "content": "Very."},
        user([image_part(), {"type": "text", "text": "What is it?"}]),
        {"role": "assistant", "content": "A red square.", "reasoning": "It is red.", "reasoning_content": "It is red."},
        user("And now?"),
        {"role": "assistant", "content": None, "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "look", "arguments": "{}"}}]},
        {"role": "tool", "tool_call_id": "c1", "content": "a blue one"}, user([image_part((0, 0, 250))])])
    assert answer.usage.prompt_tokens > 60


def test_thinking_can_be_switched_off_and_bounded(server):
    for off in ({"reasoning_effort": "none"}, {"chat_template_kwargs": {"enable_thinking": False}}):
        body = server.chat(max_tokens=12, **off).json
        assert body["choices"][0]["message"]["reasoning"] is None
        assert body["usage"]["completion_tokens_details"]["reasoning_tokens"] == 0
        assert body["choices"][0]["message"]["content"]
    for budget in (0, 4):
        # A sampled thought does not end soon by itself; the budget ends it.
        body = server.chat(max_tokens=40, temperature=2, seed=1, thinking_token_budget=budget, ignore_eos=True).json
        assert body["usage"]["completion_tokens_details"]["reasoning_tokens"] <= budget
        assert body["choices"][0]["message"]["content"]


def thoughtful(server, **fields):
    """An answer that begins with a thought: the id that would end it is forbidden for the first tokens by the budget of tokens."""
    close = server.post("/tokenize", {"prompt": "</think>", "add_special_tokens": False}).json["tokens"]
    assert len(close) == 1
    return server.chat(logit_bias={str(close[0]): -100}, max_tokens=6, ignore_eos=True, **fields)


def test_cut_thought_has_no_content(server):
    body = thoughtful(server).json
    message = body["choices"][0]["message"]
    assert message["content"] is None and message["reasoning"]
    assert body["choices"][0]["finish_reason"] == "length"
    assert body["usage"]["completion_tokens_details"]["reasoning_tokens"] == 6


def test_reasoning_can_be_left_out(server):
    body = thoughtful(server, include_reasoning=False, logprobs=True).json
    assert body["choices"][0]["message"]["reasoning"] is None
    assert body["choices"][0]["logprobs"] is None
    assert body["usage"]["completion_tokens_details"]["reasoning_tokens"] == 6


def test_final_message_is_continued(server):
    messages = [user("What is it?"), {"role": "assistant", "content": "It is a"}]
    fields = {"messages": messages, "add_generation_prompt": False, "continue_final_message": True, "max_tokens": 6, "temperature": 0}
    plain = server.chat(**fields).json["choices"][0]["message"]["content"]
    echoed = server.chat(**fields, echo=True).json["choices"][0]["message"]["content"]
    assert echoed == "It is a" + plain


def test_detail_and_user_and_priority_are_accepted(server):
    assert server.chat(messages=[user([image_part()])], max_tokens=1, user="me", priority=-3, cache_salt="salt").status == 200


def test_raw_response_of_the_client(client, model):
    raw = client.chat.completions.with_raw_response.create(model=model, messages=[user("hi")], max_tokens=1,
                                                           extra_headers={"X-Request-Id": "mine-7"})
    assert raw.headers["x-request-id"] == "mine-7"
    assert raw.headers["content-type"] == "application/json"
    assert raw.parse()._request_id == "mine-7"
    assert json.loads(raw.text)["object"] == "chat.completion"


def test_client_raises_what_the_status_says(client, model):
    with pytest.raises(openai.BadRequestError) as refused:
        ask(client, model, temperature=2.5)
    assert refused.value.param == "temperature" and refused.value.status_code == 400 and refused.value.type == "BadRequestError"
    with pytest.raises(openai.NotFoundError):
        ask(client, "other")


def test_answer_is_named_by_its_client(server):
    assert server.chat(max_tokens=1, request_id="body-1").json["id"] == "chatcmpl-body-1"
    answer = server.request("POST", "/v1/completions", {"prompt": "a", "max_tokens": 1, "request_id": "body-1"}, {"X-Request-Id": "head-1"})
    assert answer.json["id"] == "cmpl-head-1" and answer.headers["x-request-id"] == "head-1"


def test_prompt_is_scored_without_an_answer(server):
    body = server.post("/v1/completions", {"prompt": "A red kite", "echo": True, "max_tokens": 0, "logprobs": 1}).json
    choice = body["choices"][0]
    assert choice["text"] == "A red kite" and choice["finish_reason"] == "length"
    assert len(choice["logprobs"]["tokens"]) == body["usage"]["prompt_tokens"] == len(choice["prompt_logprobs"])
    assert choice["logprobs"]["token_logprobs"][0] is None and all(value <= 0 for value in choice["logprobs"]["token_logprobs"][1:])


def test_placeholder_in_a_plain_prompt_is_a_token(server):
    ids = server.post("/tokenize", {"prompt": "<im_patch>", "add_special_tokens": False}).json["tokens"]
    assert server.post("/v1/completions", {"prompt": ids + ids, "max_tokens": 2}).json["usage"]["prompt_tokens"] == 2 * len(ids)


def test_parts_may_be_bare(server):
    """A text without an object around it, a picture without a type."""
    spelled = [{"type": "text", "text": "What is it?"}, image_part()]
    bare = ["What is it?", {"image_url": spelled[1]["image_url"]}]
    asked = [server.chat(messages=[user(parts)], max_tokens=1, return_token_ids=True).json for parts in (spelled, bare)]
    assert asked[0]["prompt_token_ids"] == asked[1]["prompt_token_ids"]
    assert asked[1]["usage"]["prompt_tokens_details"]["multimodal_tokens"]["image"] > 0
