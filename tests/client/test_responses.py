"""The Responses API (spec openai-api sections 2 and 5): text, pictures, reasoning and functions; nothing is stored."""
import json

import openai
import pytest

from step3_server import LOOK, data_uri, png, sse_events

TOOL = {"type": "function", **LOOK["function"]}
PICTURE = {"type": "input_image", "image_url": data_uri(png()), "detail": "low"}
PARTS = [PICTURE, {"type": "input_text", "text": "What is it?"}]
QUIET = {"effort": "none"}


def test_text(client, server, model):
    answer = client.responses.create(model=model, input="What is it?", reasoning=QUIET, temperature=0, max_output_tokens=40)
    assert answer.id.startswith("resp_") and answer.object == "response" and answer.model == model
    assert answer.status in ("completed", "incomplete") and answer.error is None
    (item,) = answer.output
    assert item.type == "message" and item.role == "assistant" and item.id.startswith("msg_")
    chat = server.chat(reasoning_effort="none", temperature=0, max_tokens=40).json
    assert answer.output_text == chat["choices"][0]["message"]["content"]
    assert answer.usage.input_tokens == chat["usage"]["prompt_tokens"]
    assert answer.usage.output_tokens == chat["usage"]["completion_tokens"]
    assert answer.usage.total_tokens == answer.usage.input_tokens + answer.usage.output_tokens


def test_form_is_the_clients(server, model):
    body = server.post("/v1/responses", {"model": model, "input": "hi", "max_output_tokens": 3, "store": True}).json
    openai.types.responses.Response.model_validate(body)
    assert body["store"] is False and body["usage"]["output_tokens_details"]["reasoning_tokens"] >= 0


def test_picture_counts(client, model):
    plain = client.responses.create(model=model, input="What is it?", max_output_tokens=1)
    picture = client.responses.create(model=model, input=[{"role": "user", "content": PARTS}], max_output_tokens=1)
    assert picture.usage.input_tokens > plain.usage.input_tokens + 20


def test_instructions_are_a_system_message(server):
    short = server.post("/v1/responses", {"input": "hi", "max_output_tokens": 1}).json["usage"]["input_tokens"]
    long = server.post("/v1/responses", {"input": "hi", "instructions": "Be brief.", "max_output_tokens": 1}).json
    assert long["usage"]["input_tokens"] > short and long["instructions"] == "Be brief."


def test_cut_answer_is_incomplete(client, model):
    answer = client.responses.create(model=model, input="What is it?", max_output_tokens=2, extra_body={"ignore_eos": True})
    assert answer.status == "incomplete" and answer.incomplete_details.reason == "max_output_tokens"
    assert answer.usage.output_tokens == 2


def test_reasoning_item(server):
    (close,) = server.post("/tokenize", {"prompt": "</think>", "add_special_tokens": False}).json["tokens"]
    body = server.post("/v1/responses", {"input": "hi", "max_output_tokens": 6, "logit_bias": {str(close): -100}, "ignore_eos": True}).json
    (item,) = body["output"]
    assert item["type"] == "reasoning" and item["content"][0]["type"] == "reasoning_text" and item["content"][0]["text"]
    assert body["usage"]["output_tokens_details"]["reasoning_tokens"] == 6


def test_function_call_and_its_result(client, model):
    answer = client.responses.create(model=model, input="Look at the sky.", tools=[TOOL], tool_choice="required", reasoning=QUIET,
                                     parallel_tool_calls=False, max_output_tokens=200)
    (call,) = [item for item in answer.output if item.type == "function_call"]
    assert call.name == "look" and json.loads(call.arguments)["at"] in ("sky", "sea")
    again = client.responses.create(model=model, tools=[TOOL], max_output_tokens=20, input=[
        {"role": "user", "content": "Look at the sky."}, *[item.model_dump(exclude_none=True) for item in answer.output],
        {"type": "function_call_output", "call_id": call.call_id, "output": "blue"}])
    assert again.usage.input_tokens > answer.usage.input_tokens


def test_named_function(server):
    body = server.post("/v1/responses", {"input": "hi", "tools": [TOOL], "tool_choice": {"type": "function", "name": "look"}, "reasoning": QUIET,
                                         "parallel_tool_calls": False, "max_output_tokens": 200}).json
    assert [item["type"] for item in body["output"]] == ["function_call"]


def test_format(client, model):
    format = {"type": "json_schema", "name": "x", "schema": {"type": "object", "properties": {"yes": {"type": "boolean"}}, "required": ["yes"],
                                                             "additionalProperties": False}}
    answer = client.responses.create(model=model, input="Is it?", text={"format": format}, reasoning=QUIET, max_output_tokens=100)
    assert isinstance(json.loads(answer.output_text)["yes"], bool)


def test_logprobs(server):
    body = server.post("/v1/responses", {"input": "hi", "max_output_tokens": 4, "reasoning": QUIET, "include": ["message.output_text.logprobs"],
                                         "top_logprobs": 2, "ignore_eos": True}).json
    entries = body["output"][0]["content"][0]["logprobs"]
    assert len(entries) == 4 and all(len(entry["top_logprobs"]) == 2 for entry in entries)


def test_stream_order(server):
    answer = server.post("/v1/responses", {"input": [{"role": "user", "content": PARTS}], "stream": True, "reasoning": QUIET, "temperature": 0,
                                           "max_output_tokens": 30})
    assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
    events = sse_events(answer.body)
    datas = [json.loads(data) for _, data in events]
    assert [name for name, _ in events] == [data["type"] for data in datas]
    assert [data["sequence_number"] for data in datas] == list(range(len(datas)))
    kinds = [data["type"] for data in datas]
    assert kinds[:4] == ["response.created", "response.in_progress", "response.output_item.added", "response.content_part.added"]
    deltas = kinds.count("response.output_text.delta")
    assert kinds[4:4 + deltas] == ["response.output_text.delta"] * deltas
    assert kinds[4 + deltas:-1] == ["response.output_text.done", "response.content_part.done", "response.output_item.done"]
    assert kinds[-1] in ("response.completed", "response.incomplete")
    text = "".join(data["delta"] for data in datas if data["type"] == "response.output_text.delta")
    assert text == datas[4 + deltas]["text"] == datas[-1]["response"]["output"][0]["content"][0]["text"]
    assert b"[DONE]" not in answer.body


def test_stream_through_the_client(client, model):
    with client.responses.stream(model=model, input="What is it?", reasoning=QUIET, max_output_tokens=200) as stream:
        kinds = [event.type for event in stream]
        final = stream.get_final_response()
    assert kinds[0] == "response.created" and "response.output_text.delta" in kinds
    assert final.output_text


def test_function_call_in_a_stream(client, model):
    stream = client.responses.create(model=model, input="Look.", tools=[TOOL], tool_choice="required", parallel_tool_calls=False, reasoning=QUIET,
                                     max_output_tokens=200, stream=True)
    arguments, done = "", None
    for event in stream:
        if event.type == "response.function_call_arguments.delta":
            arguments += event.delta
        elif event.type == "response.function_call_arguments.done":
            done = event.arguments
    assert arguments == done and json.loads(done)["times"] in (1, 2)


def test_nothing_is_stored(client, model):
    made = client.responses.create(model=model, input="hi", max_output_tokens=1)
    for call in (client.responses.retrieve, client.responses.cancel):
        with pytest.raises(openai.NotFoundError):
            call(made.id)
    with pytest.raises(openai.NotFoundError):
        client.responses.create(model=model, input="hi", previous_response_id=made.id)


@pytest.mark.parametrize("fields,status,param", [
    ({"input": None}, 400, "body.input"), ({"input": []}, 400, "input"), ({"temperature": 3}, 400, "temperature"),
    ({"max_output_tokens": 0}, 400, "max_output_tokens"), ({"model": "other"}, 404, "model"), ({"background": True}, 400, "background"),
    ({"tools": [{"type": "web_search"}]}, 400, "tools"), ({"input": "word " * 5000}, 400, "input_tokens"), ({"stream": 3}, 400, "body.stream"),
])
def test_refusals(server, fields, status, param):
    answer = server.post("/v1/responses", {"input": "hi", **fields})
    assert answer.status == status and answer.error["param"] == param and answer.error["code"] == status
