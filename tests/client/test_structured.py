"""Answers of a given form, and tools (spec openai-api section 4)."""
import json
import re

import pydantic
import pytest

from step3_server import LISTEN, LOOK, user

SCHEMA = {"type": "object", "properties": {"colour": {"enum": ["red", "blue"]}, "size": {"type": "integer", "enum": [1, 2, 3]}},
          "required": ["colour", "size"], "additionalProperties": False}
QUIET = {"reasoning_effort": "none", "max_tokens": 600}


def content(server, **fields):
    answer = server.chat(**QUIET, **fields)
    assert answer.status == 200, answer.body
    return answer.json["choices"][0]["message"]["content"]


def calls(server, **fields):
    choice = server.chat(**QUIET, **fields).json["choices"][0]
    return choice, choice["message"].get("tool_calls", [])


def test_text_format(server):
    assert content(server, response_format={"type": "text"})


def test_json_object(server):
    # What follows the brace is the model's: bounded by a bias towards the end of the object.
    close = server.post("/tokenize", {"prompt": "}", "add_special_tokens": False}).json["tokens"][-1]
    assert isinstance(json.loads(content(server, response_format={"type": "json_object"}, logit_bias={str(close): 100})), dict)


@pytest.mark.parametrize("temperature", [0, 2])
def test_json_schema(server, temperature):
    format = {"type": "json_schema", "json_schema": {"name": "thing", "schema": SCHEMA, "strict": True}}
    thing = json.loads(content(server, response_format=format, temperature=temperature, seed=3))
    assert thing["colour"] in ("red", "blue") and thing["size"] in (1, 2, 3) and len(thing) == 2


def test_parsed_by_the_client(client, model):
    class Answer(pydantic.BaseModel):
        yes: bool

    parsed = client.chat.completions.parse(model=model, messages=[user("Is it?")], response_format=Answer, max_tokens=100, reasoning_effort="none")
    assert isinstance(parsed.choices[0].message.parsed.yes, bool)


@pytest.mark.parametrize("temperature", [0, 2])
def test_structured_outputs(server, temperature):
    def answer(**form):
        return content(server, structured_outputs=form, temperature=temperature, seed=9)

    assert answer(choice=["yes", "no", "perhaps"]) in ("yes", "no", "perhaps")
    assert re.fullmatch(r"[a-c]{3}-\d{2}", answer(regex=r"[a-c]{3}-\d{2}"))
    assert json.loads(answer(json=SCHEMA))["size"] in (1, 2, 3)
    assert json.loads(answer(json=json.dumps(SCHEMA)))["size"] in (1, 2, 3)
    assert answer(grammar='root ::= "a" ("b" | "c") "!"') in ("ab!", "ac!")


def test_structural_tag(server):
    tag = {"structures": [{"begin": "<f>", "schema": SCHEMA, "end": "</f>"}], "triggers": ["<"]}
    begin = server.post("/tokenize", {"prompt": "<", "add_special_tokens": False}).json["tokens"][-1]
    for form in ({"response_format": {"type": "structural_tag", **tag}}, {"structured_outputs": {"structural_tag": json.dumps(tag)}}):
        text = content(server, **form, logit_bias={str(begin): 100}, temperature=0)
        found = re.match(r"[^<]*<f>(.*?)</f>", text)
        assert found, text
        assert json.loads(found[1])["size"] in (1, 2, 3)
    assert "<" not in content(server, response_format={"type": "structural_tag", **tag}, logit_bias={str(begin): -100}, temperature=0)


def test_form_in_a_stream_and_in_a_completion(client, server, model):
    stream = client.chat.completions.create(model=model, messages=[user("Is it?")], stream=True, reasoning_effort="none",
                                            extra_body={"structured_outputs": {"choice": ["yes", "no"]}})
    assert "".join(chunk.choices[0].delta.content or "" for chunk in stream) in ("yes", "no")
    body = server.post("/v1/completions", {"prompt": "Is it?", "structured_outputs": {"regex": "[xy]z"}, "max_tokens": 20}).json
    assert body["choices"][0]["text"] in ("xz", "yz")


def test_required_tool_is_called(server):
    choice, made = calls(server, tools=[LOOK], tool_choice="required", parallel_tool_calls=False)
    assert choice["finish_reason"] == "tool_calls" and choice["message"]["content"] is None
    assert made
    for call in made:
        assert call["type"] == "function" and call["id"].startswith("call_") and call["function"]["name"] == "look"
        arguments = json.loads(call["function"]["arguments"])
        assert arguments["at"] in ("sky", "sea") and arguments["times"] in (1, 2)
    _, several = calls(server, tools=[LOOK], tool_choice="required")
    assert len({call["id"] for call in several}) == len(several) >= 1


def test_named_tool_is_called(server):
    choice, made = calls(server, tools=[LOOK, LISTEN], tool_choice={"type": "function", "function": {"name": "listen"}})
    assert choice["finish_reason"] == "stop"
    assert [call["function"]["name"] for call in made] == ["listen"]
    assert isinstance(json.loads(made[0]["function"]["arguments"])["loud"], bool)


def test_no_tool_is_called(server):
    choice, made = calls(server, tools=[LOOK], tool_choice="none", temperature=0)
    assert not made and choice["message"]["content"]
    assert "tool_calls" not in choice["message"]


def test_auto_may_call(server):
    for fields in ({}, {"tool_choice": "auto"}):
        choice, made = calls(server, tools=[LOOK], **fields)
        assert bool(made) == (choice["finish_reason"] == "tool_calls")


def test_one_call_if_not_parallel(server):
    _, made = calls(server, tools=[LOOK], tool_choice="required", parallel_tool_calls=False, temperature=2, seed=2)
    assert len(made) == 1


def test_tool_turns_change_the_prompt(server):
    plain = server.chat(max_tokens=1).json["usage"]["prompt_tokens"]
    tools = server.chat(max_tokens=1, tools=[LOOK]).json["usage"]["prompt_tokens"]
    assert tools > plain + 20


def test_calls_through_the_client(client, model):
    answer = client.chat.completions.create(model=model, messages=[user("Look at the sky.")], tools=[LOOK], tool_choice="required",
                                            reasoning_effort="none", max_tokens=200)
    (call, *_) = answer.choices[0].message.tool_calls
    turn = answer.choices[0].message.model_dump(exclude_none=True)
    again = client.chat.completions.create(model=model, max_tokens=8, tools=[LOOK], messages=[
        user("Look at the sky."), turn, {"role": "tool", "tool_call_id": call.id, "content": "blue"}])
    assert again.choices[0].finish_reason


@pytest.mark.parametrize("form", [
    {"response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "nothing"}}}},
    {"structured_outputs": {"regex": "("}},
    {"structured_outputs": {"choice": []}},
    {"structured_outputs": {"grammar": "root ::= missing"}},
    {"structured_outputs": {"json": SCHEMA, "regex": "a"}},
    {"structured_outputs": {}},
    {"response_format": {"type": "structural_tag"}},
    {"response_format": {"type": "structural_tag", "structures": [{"begin": "x", "schema": {}, "end": ""}], "triggers": ["<f"]}},
])
def test_forms_that_cannot_be_are_refused(server, form):
    answer = server.chat(**form)
    assert answer.status == 400 and answer.error["code"] == 400, answer.body
