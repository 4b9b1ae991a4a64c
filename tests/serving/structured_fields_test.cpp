#include "engine/serving/http/structured_fields.h"

#include <catch2/catch.hpp>

#include "engine/serving/http/api_error.h"

using namespace step3;
using namespace step3::serving::http;
using sampling::structured::StructuredOutput;
using sampling::structured::ToolChoice;

namespace {

StructuredOutput formOf(const char* body) {
    const Json json = Json::parse(body);
    return readStructuredOutput(Fields(json, "body"));
}

ToolChoice choiceOf(const char* body, bool hasTools = true) {
    Json json = Json::parse(body);
    if (hasTools) json["tools"] = Json::parse(R"([{"type":"function","function":{"name":"f"}}])");
    return readToolChoice(Fields(json, "body"));
}

template <typename Action>
ApiError refusalOf(const Action& action) {
    try {
        action();
    } catch (const ApiError& error) {
        CHECK(error.status() == 400);
        return error;
    }
    FAIL("nothing was refused");
    return ApiError(0, "", "");
}

}  // namespace

TEST_CASE("server: forms of answers are read from all their fields") {
    using Kind = StructuredOutput::Kind;
    CHECK(formOf("{}").kind == Kind::kNone);
    CHECK(formOf(R"({"response_format":{"type":"text"},"structured_outputs":null})").kind == Kind::kNone);
    CHECK(formOf(R"({"response_format":{"type":"json_object"}})").kind == Kind::kJsonObject);
    const auto schema = formOf(R"({"response_format":{"type":"json_schema","json_schema":{"name":"x","strict":true,
        "schema":{"type":"integer"}}}})");
    CHECK(schema.kind == Kind::kJsonSchema);
    CHECK(schema.text == R"({"type":"integer"})");
    CHECK(formOf(R"({"structured_outputs":{"json":"{}"}})").text == "{}");
    CHECK(formOf(R"({"structured_outputs":{"json":{"a":1}}})").text == R"({"a":1})");
    CHECK(formOf(R"({"structured_outputs":{"json_object":true}})").kind == Kind::kJsonObject);
    const auto choice = formOf(R"({"structured_outputs":{"choice":["a","b"]}})");
    CHECK(choice.kind == Kind::kChoice);
    CHECK(choice.choices == std::vector<std::string>{"a", "b"});
    CHECK(formOf(R"({"structured_outputs":{"grammar":"root ::= x"}})").kind == Kind::kGrammar);
    const auto pattern = formOf(R"({"guided_regex":"a+"})");
    CHECK(pattern.kind == Kind::kRegex);
    CHECK(pattern.text == "a+");
    const std::string tag =
        R"({"triggers":["<f"],"structures":[{"begin":"<f>","schema":{"type":"null"},"end":"</f>"}]})";
    const auto legacy = formOf((R"({"response_format":{"type":"structural_tag",)" + tag.substr(1) + "}").c_str());
    CHECK(legacy.kind == Kind::kStructuralTag);
    CHECK(legacy.text == tag);
    CHECK(formOf(R"({"response_format":{"type":"structural_tag","format":{"type":"triggered_tags","triggers":["<f"],
        "tags":[{"begin":"<f>","content":{"type":"json_schema","json_schema":{"type":"null"}},"end":"</f>"}]}}})")
              .text == tag);
    CHECK(formOf(Json{{"structured_outputs", {{"structural_tag", tag}}}}.dump().c_str()).text == tag);
    CHECK(formOf(R"({"guided_json":{"type":"null"}})").kind == Kind::kJsonSchema);
}

TEST_CASE("server: forms that make no sense are refused by field") {
    struct Case {
        const char* body;
        const char* message;
        const char* param;
    };
    const Case cases[] = {
        {R"({"response_format":{"type":"xml"}})",
         "body.response_format.type: expected text, json_object, json_schema or structural_tag",
         "body.response_format.type"},
        {R"({"response_format":{"type":"json_schema"}})",
         "response_format of type \"json_schema\" needs json_schema.schema", "response_format"},
        {R"({"response_format":{"type":"structural_tag"}})", "structural_tag needs structures and triggers",
         "response_format"},
        {R"({"response_format":{"type":"structural_tag","structures":[],"triggers":[1]}})",
         "body.response_format.triggers: expected strings, found an integer", "body.response_format.triggers"},
        {R"({"response_format":{"type":"structural_tag","structures":[{"begin":"<f>","end":""}],"triggers":["<f>"]}})",
         "body.response_format.structures.0.schema: expected a schema, found none",
         "body.response_format.structures.0.schema"},
        {R"({"response_format":{"type":"structural_tag","format":{"type":"or"}}})",
         "body.response_format.format.type: only \"triggered_tags\" is supported by this server",
         "body.response_format.format.type"},
        {R"({"structured_outputs":{}})",
         "structured_outputs needs one of json, regex, choice, grammar, structural_tag and json_object",
         "structured_outputs"},
        {R"({"structured_outputs":{"structural_tag":"x"}})",
         "body.structured_outputs.structural_tag: expected the text of a JSON object", "structured_outputs"},
        {R"({"structured_outputs":{"choice":["a",1]}})",
         "body.structured_outputs.choice: expected strings, found an integer", "body.structured_outputs.choice"},
        {R"({"structured_outputs":{"regex":"a","choice":["b"]}})",
         "an answer can have one form only: response_format, structured_outputs and guided_* ask for 2",
         "structured_outputs"},
    };
    for (const Case& each : cases) {
        INFO(each.body);
        const ApiError error = refusalOf([&] { formOf(each.body); });
        CHECK(error.what() == std::string(each.message));
        CHECK(error.param() == each.param);
    }
}

TEST_CASE("server: the choice of tools") {
    using Kind = ToolChoice::Kind;
    CHECK(choiceOf("{}").kind == Kind::kAuto);
    CHECK(choiceOf("{}").parallel);
    CHECK(choiceOf("{}", false).kind == Kind::kNone);
    CHECK(choiceOf(R"({"tool_choice":"none"})", false).kind == Kind::kNone);
    CHECK(choiceOf(R"({"tool_choice":"required","parallel_tool_calls":false})").kind == Kind::kRequired);
    CHECK_FALSE(choiceOf(R"({"tool_choice":"required","parallel_tool_calls":false})").parallel);
    const auto named = choiceOf(R"({"tool_choice":{"type":"function","function":{"name":"f"}}})");
    CHECK(named.kind == Kind::kNamed);
    CHECK(named.name == "f");
    CHECK(refusalOf([] { choiceOf(R"({"tool_choice":"required"})", false); }).what() ==
          std::string("When using `tool_choice`, `tools` must be set."));
    CHECK(refusalOf([] { choiceOf(R"({"tool_choice":"some"})"); }).param() == "tool_choice");
    CHECK(refusalOf([] { choiceOf(R"({"tool_choice":{"type":"function"}})"); }).param() == "tool_choice.function");
    const auto unknown = refusalOf([] { choiceOf(R"({"tool_choice":{"type":"function","function":{"name":"g"}}})"); });
    CHECK(unknown.param() == "tool_choice");
    CHECK(unknown.what() == std::string("tool_choice: the tools have no function \"g\""));
}
