"""Every row of the table of errors (spec openai-api section 6), and the statuses of pictures (section 4)."""
import json

import pytest

from step3_server import LOOK, WEBP, data_uri, image_part, png, user

SCHEMA, RULE = "Bad Request", "BadRequestError"


def refusal(answer):
    error = answer.error
    assert set(error) == {"message", "type", "param", "code"} and error["message"] and error["code"] == answer.status
    assert answer.headers["content-type"] == "application/json"
    return answer.status, error["type"], error["param"]


@pytest.mark.parametrize("body", [b"", b"[]", b'"text"', b"null", b"3"])
def test_bodies_that_are_no_object(server, body):
    assert refusal(server.post("/v1/chat/completions", body)) == (400, SCHEMA, "body")


@pytest.mark.parametrize("text", ['{"messages": [}', "{", '{"model": "x",', "hello", "{'model': 1}", '{"a": "é", }', '{"a": tru}', '{"a": "b', '{"a": 1} x', " "])
def test_broken_bodies_are_reported_where_python_sees_it(server, text):
    with pytest.raises(json.JSONDecodeError) as seen:
        json.loads(text)
    assert refusal(server.post("/v1/chat/completions", text.encode())) == (400, SCHEMA, f"body.{seen.value.pos}")


@pytest.mark.parametrize("fields,kind,param", [
    ({"messages": None}, SCHEMA, "body.messages"),
    ({"messages": "hi"}, SCHEMA, "body.messages"),
    ({"messages": {}}, SCHEMA, "body.messages"),
    ({"messages": []}, RULE, None),
    ({"temperature": "hot"}, SCHEMA, "body.temperature"),
    ({"max_tokens": "many"}, SCHEMA, "body.max_tokens"),
    ({"max_tokens": 1.5}, SCHEMA, "body.max_tokens"),
    ({"stream": "please"}, SCHEMA, "body.stream"),
    ({"n": "two"}, SCHEMA, "body.n"),
    ({"model": 3}, SCHEMA, "body.model"),
    ({"logprobs": 3}, SCHEMA, "body.logprobs"),
    ({"temperature": -1}, RULE, "temperature"),
    ({"temperature": 2.5}, RULE, "temperature"),
    ({"top_p": 0}, RULE, "top_p"),
    ({"top_p": 1.5}, RULE, "top_p"),
    ({"max_tokens": 0}, RULE, "max_tokens"),
    ({"max_tokens": 1_000_000}, RULE, "max_tokens"),
    ({"max_completion_tokens": 0}, RULE, "max_completion_tokens"),
    ({"max_completion_tokens": 1_000_000}, RULE, "max_completion_tokens"),
    ({"n": 0}, RULE, None),
    ({"n": 2, "temperature": 0}, RULE, None),
    ({"stop": [""]}, RULE, None),
    ({"stop": ""}, RULE, None),
    ({"presence_penalty": 2.5}, RULE, None),
    ({"presence_penalty": -2.5}, RULE, None),
    ({"frequency_penalty": 2.5}, RULE, None),
    ({"repetition_penalty": 0}, RULE, None),
    ({"min_p": 1.5}, RULE, None),
    ({"min_p": -0.5}, RULE, None),
    ({"stop": ["a", "b", "c", "d", "e"]}, SCHEMA, "body.stop"),
    ({"stop": 3}, SCHEMA, "body.stop"),
    ({"seed": 2**63}, SCHEMA, "body.seed"),
    ({"response_format": {"type": "poem"}}, SCHEMA, "body.response_format.type"),
    ({"stream_options": {"include_usage": True}}, RULE, "stream_options"),
    ({"stream": False, "stream_options": {"include_usage": True}}, RULE, "stream_options"),
    ({"top_logprobs": 2}, RULE, "top_logprobs"),
    ({"logprobs": False, "top_logprobs": 2}, RULE, "top_logprobs"),
    ({"logprobs": True, "top_logprobs": -2}, RULE, "top_logprobs"),
    ({"logprobs": True, "top_logprobs": 21}, RULE, "logprobs"),
    ({"tools": []}, RULE, "tools"),
    ({"tool_choice": "auto"}, RULE, "tool_choice"),
    ({"tool_choice": "required"}, RULE, "tool_choice"),
    ({"tools": [LOOK], "tool_choice": "perhaps"}, RULE, "tool_choice"),
    ({"tools": [LOOK], "tool_choice": {"type": "function"}}, RULE, "tool_choice.function"),
    ({"tools": [LOOK], "tool_choice": {"type": "function", "function": {}}}, RULE, "tool_choice.function.name"),
    ({"response_format": {"type": "json_schema", "json_schema": {"schema": {}}}}, SCHEMA, "body.response_format.json_schema.name"),
    ({"user": 3}, SCHEMA, "body.user"),
    ({"request_id": 3}, SCHEMA, "body.request_id"),
    ({"logit_bias": {"5": "much"}}, SCHEMA, "body.logit_bias.5"),
    ({"stop_token_ids": ["x"]}, SCHEMA, "body.stop_token_ids"),
    ({"allowed_token_ids": []}, RULE, "allowed_token_ids"),
    ({"allowed_token_ids": [1 << 40]}, RULE, "allowed_token_ids"),
    ({"allowed_token_ids": ["x"]}, SCHEMA, "body.allowed_token_ids"),
    ({"bad_words": ["a", ""]}, RULE, "bad_words"),
    ({"bad_words": ["a"] * 129}, SCHEMA, "body.bad_words"),
    ({"bad_words": "a"}, SCHEMA, "body.bad_words"),
    ({"top_k": -2}, RULE, None),
    ({"cache_salt": 3}, RULE, "cache_salt"),
    ({"tools": [LOOK], "tool_choice": {"type": "function", "function": {"name": "other"}}}, RULE, "tool_choice"),
    ({"response_format": {"type": "json_schema"}}, RULE, "response_format"),
    ({"logit_bias": {"x": 1}}, RULE, "logit_bias"),
    ({"cache_salt": "a/b"}, RULE, "cache_salt"),
    ({"cache_salt": "a" * 129}, RULE, "cache_salt"),
    ({"prompt_logprobs": 1, "stream": True}, RULE, "prompt_logprobs"),
    ({"min_tokens": 9, "max_tokens": 8}, RULE, None),
    ({"add_generation_prompt": True, "continue_final_message": True}, RULE, None),
    ({"use_beam_search": True}, RULE, "use_beam_search"),
    ({"length_penalty": 1.5}, RULE, "length_penalty"),
    ({"chat_template": "x"}, RULE, "chat_template"),
    ({"mm_processor_kwargs": {}}, RULE, "mm_processor_kwargs"),
    ({"media_io_kwargs": {}}, RULE, "media_io_kwargs"),
    ({"messages": [user("word " * 5000)]}, RULE, "input_tokens"),
    ({"messages": [user("word " * 50)], "max_tokens": 2040}, RULE, "input_tokens"),
    ({"messages": [user("word " * 50)], "max_completion_tokens": 2048}, RULE, "input_tokens"),
    ({"n": 16385, "temperature": 1}, RULE, None),
    ({"n": 16384, "temperature": 1}, RULE, None),
    ({"truncate_prompt_tokens": "all"}, SCHEMA, "body.truncate_prompt_tokens"),
    ({"truncate_prompt_tokens": -2}, SCHEMA, "body.truncate_prompt_tokens"),
    ({"truncate_prompt_tokens": 0}, RULE, "truncate_prompt_tokens"),
    ({"truncate_prompt_tokens": 2041, "max_tokens": 8}, RULE, "truncate_prompt_tokens"),
    ({"truncate_prompt_tokens": 3, "messages": [user([image_part()])]}, RULE, None),
    ({"messages": [{"role": "pirate", "content": "arr"}]}, RULE, "body.messages.0.role"),
    ({"messages": [{"role": "tool", "content": "a", "tool_call_id": {}}]}, SCHEMA, "body.messages.0.tool_call_id"),
    ({"messages": [user(None)]}, SCHEMA, "body.messages.0.content"),
    ({"messages": [user(3)]}, SCHEMA, "body.messages.0.content"),
    ({"messages": ["hi"]}, SCHEMA, "body.messages.0"),
    ({"messages": [{"role": "assistant", "tool_calls": [{"type": "x", "function": {"name": "f"}}]}]}, SCHEMA, "body.messages.0.tool_calls.0.type"),
    ({"messages": [{"role": "assistant", "tool_calls": [{"type": "function"}]}]}, SCHEMA, "body.messages.0.tool_calls.0.function"),
    ({"messages": [user([{"type": "input_audio", "input_audio": {}}])]}, RULE, "body.messages.0.content.0.type"),
    ({"messages": [user([{"type": "video_url", "video_url": {}}])]}, RULE, "body.messages.0.content.0.type"),
    ({"messages": [user([{"type": "image_embeds", "image_embeds": ""}])]}, RULE, "body.messages.0.content.0.type"),
])
def test_fields(server, fields, kind, param):
    assert refusal(server.chat(**fields)) == (400, kind, param)


def test_message_of_the_example(server):
    assert server.chat(temperature=2.5).error == {
        "message": "temperature must be in [0, 2], got 2.5. (parameter=temperature, value=2.5)", "type": RULE, "param": "temperature", "code": 400}


def test_unknown_model(server):
    assert refusal(server.chat(model="other")) == (404, "NotFoundError", "model")


def test_content_type(server):
    answer = server.request("POST", "/v1/chat/completions", b"{}", {"Content-Type": "text/plain"})
    assert refusal(answer) == (400, SCHEMA, None)


def test_modality_is_named(server):
    assert "input_audio" in server.chat(messages=[user([{"type": "input_audio", "input_audio": {}}])]).error["message"]


@pytest.mark.parametrize("url,status,kind", [
    ("data:image/png;base64,####", 400, RULE), ("data:image/png;base64,AAA", 400, RULE), (data_uri(b"no picture"), 400, RULE),
    (data_uri(png()[:40]), 400, RULE), (data_uri(WEBP[:30], "data:image/webp"), 400, RULE),
    ("data:image/png;base64", 400, RULE), ("data:image/png,AAAA", 501, "NotImplementedError"),
    ("file:///etc/passwd", 400, RULE), ("ftp://host/a.png", 400, RULE), ("", 400, RULE), ("http://127.0.0.1:9/a.png", 400, RULE),
])
def test_pictures(server, url, status, kind):
    assert refusal(server.chat(messages=[user([{"type": "image_url", "image_url": {"url": url}}])]))[:2] == (status, kind)


def test_too_many_pictures(server):
    answer = server.chat(messages=[user([image_part()] * 65)])
    assert answer.status == 400 and answer.error["message"] == "At most 64 image(s) may be provided in one prompt."


def test_body_over_the_limit(server):
    answer = server.post("/v1/chat/completions", b" " * ((32 << 20) + 1))
    assert refusal(answer)[0] == 413
