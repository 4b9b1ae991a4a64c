// Tool calls: what the form lets the model write is what the parser reads back, with arguments by the tool's schema.

#include <random>

#include <catch2/catch.hpp>

#include "engine/error.h"
#include "engine/sampling/structured/constraint_compiler.h"
#include "engine/text/output_parser.h"
#include "tests/sampling/structured_support.h"

using namespace step3;
using namespace step3::sampling::structured;
using namespace step3::sampling::structured::testing;

namespace {

const std::vector<std::string> kMarkup{"<｜tool_calls_begin｜>", "<｜tool_calls_end｜>", "<｜tool_call_begin｜>",
                                       "<｜tool_call_end｜>",    "<｜tool_sep｜>",       "</think>"};

const char* const kTools = R"([
    {"type":"function","function":{"name":"weather","parameters":{"type":"object","properties":{
        "city":{"type":"string","minLength":2,"maxLength":6},
        "unit":{"type":"string","enum":["C","F"]},
        "days":{"type":"integer","minimum":1,"maximum":14},
        "exact":{"type":"boolean"}},"required":["city","days"]}}},
    {"type":"function","function":{"name":"search","parameters":{"type":"object","properties":{
        "query":{"type":"string"},"weight":{"type":"number"},"where":{"type":"array","items":{"type":"integer"}}},
        "required":["query"]}}},
    {"type":"function","function":{"name":"stop"}}])";

struct Fixture {
    std::shared_ptr<const ByteTokenizer> words;
    ConstraintCompiler compiler;
    explicit Fixture(bool withMarkup = true)
        : words(
              std::make_shared<const ByteTokenizer>(std::vector<std::string>{"weather", "\">", "</steptml:", "name=\""},
                                                    withMarkup ? kMarkup : std::vector<std::string>{})),
          compiler(words, {words->eos()}, words->vocabSize()) {}

    AnswerForm form(ToolChoice::Kind kind, const std::string& name = "", bool parallel = true) const {
        AnswerForm result;
        result.tools = Json::parse(kTools);
        result.toolChoice = {kind, name, parallel};
        return result;
    }
    /// Writes `text`, markup as its own tokens where there are some; false at the first token that is not allowed.
    bool write(TokenConstraint& constraint, std::string_view text) const {
        while (!text.empty()) {
            std::int32_t id = static_cast<unsigned char>(text[0]);
            std::size_t length = 1;
            for (const std::string& name : kMarkup) {
                if (text.starts_with(name) && words->idOf(name)) {
                    id = *words->idOf(name);
                    length = name.size();
                }
            }
            if (!constraint.allowed()->allows(id) || !constraint.accept(id)) return false;
            text.remove_prefix(length);
        }
        return true;
    }
    bool accepts(const AnswerForm& form, std::string_view text) {
        TokenConstraint constraint(compiler.compile(form));
        return write(constraint, text) && constraint.accepts();
    }
};

std::string call(const std::string& name, const std::string& parameters) {
    return "<｜tool_call_begin｜>\nfunction<｜tool_sep｜><steptml:invoke name=\"" + name + "\">" + parameters +
           "</steptml:invoke><｜tool_call_end｜>\n";
}

std::string block(const std::string& calls) {
    return "<｜tool_calls_begin｜>\n" + calls + "<｜tool_calls_end｜>";
}

std::string parameter(const std::string& name, const std::string& value) {
    return "<steptml:parameter name=\"" + name + "\">" + value + "</steptml:parameter>";
}

const std::string kWeather = parameter("city", "Paris") + parameter("days", "3");

}  // namespace

TEST_CASE("tools: auto leaves text free, and calls in the model's markup") {
    Fixture f;
    const AnswerForm form = f.form(ToolChoice::Kind::kAuto);
    CHECK(f.accepts(form, "No tool is needed, 2 < 3."));
    CHECK(f.accepts(form, ""));
    CHECK(f.accepts(form, "I look. " + block(call("weather", kWeather) + call("stop", ""))));
    CHECK_FALSE(f.accepts(form, block(call("weather", kWeather)) + "more"));
    CHECK_FALSE(f.accepts(form, block("")));
    CHECK_FALSE(f.accepts(form, block(call("unknown", ""))));
}

TEST_CASE("tools: none, required, named and not parallel are enforced") {
    Fixture f;
    const AnswerForm none = f.form(ToolChoice::Kind::kNone);
    CHECK(f.accepts(none, "text"));
    CHECK_FALSE(f.accepts(none, block(call("stop", ""))));
    const AnswerForm required = f.form(ToolChoice::Kind::kRequired);
    CHECK_FALSE(f.accepts(required, "text"));
    CHECK_FALSE(f.accepts(required, ""));
    CHECK(f.accepts(required, block(call("stop", "") + call("stop", ""))));
    CHECK_FALSE(f.accepts(required, "\n" + block(call("stop", ""))));  // it would be content
    const AnswerForm named = f.form(ToolChoice::Kind::kNamed, "stop");
    CHECK(f.accepts(named, block(call("stop", ""))));
    CHECK_FALSE(f.accepts(named, block(call("weather", kWeather))));
    const AnswerForm single = f.form(ToolChoice::Kind::kRequired, "", false);
    CHECK(f.accepts(single, block(call("stop", ""))));
    CHECK_FALSE(f.accepts(single, block(call("stop", "") + call("stop", ""))));
    CHECK(refusal([&] { f.compiler.compile(f.form(ToolChoice::Kind::kNamed, "x")); }) ==
          "tool_choice: the tools have no function \"x\"");
}

TEST_CASE("tools: parameters follow their schemas") {
    Fixture f;
    const AnswerForm form = f.form(ToolChoice::Kind::kRequired);
    const auto weather = [&](const std::string& parameters) {
        return f.accepts(form, block(call("weather", parameters)));
    };
    CHECK(weather(kWeather));
    CHECK(weather(parameter("city", "漢字") + parameter("unit", "F") + parameter("days", "14") +
                  parameter("exact", "true")));
    CHECK_FALSE(weather(parameter("city", "Paris")));                           // days are missing
    CHECK_FALSE(weather(parameter("days", "3") + parameter("city", "Paris")));  // another order
    CHECK_FALSE(weather(parameter("city", "P") + parameter("days", "3")));      // too short
    CHECK_FALSE(weather(parameter("city", " P ") + parameter("days", "3")));    // trimmed, too short
    CHECK_FALSE(weather(parameter("city", "Paris") + parameter("days", "15")));
    CHECK_FALSE(weather(parameter("city", "Paris") + parameter("unit", "K") + parameter("days", "3")));
    CHECK_FALSE(weather(kWeather + parameter("other", "1")));
    const auto search = [&](const std::string& parameters) {
        return f.accepts(form, block(call("search", parameters)));
    };
    CHECK(search(parameter("query", "if a < b </steptml:x> \"c\"\n") + parameter("where", "[1, 2]")));
    CHECK_FALSE(search(parameter("query", "a") + parameter("where", "[1, \"2\"]")));
}

TEST_CASE("tools: with a form for the answer, either that or calls") {
    Fixture f;
    AnswerForm form = f.form(ToolChoice::Kind::kAuto);
    form.structured.kind = StructuredOutput::Kind::kRegex;
    form.structured.text = "yes|no";
    form.startsInReasoning = true;
    CHECK(f.accepts(form, "thoughts</think>no"));
    CHECK(f.accepts(form, "thoughts</think>" + block(call("stop", ""))));
    CHECK_FALSE(f.accepts(form, "thoughts"));
    CHECK_FALSE(f.accepts(form, "</think>maybe"));
    AnswerForm free = f.form(ToolChoice::Kind::kAuto);
    free.startsInReasoning = true;
    CHECK(f.accepts(free, "only thoughts"));
    CHECK(f.accepts(free, "thoughts</think>\ntext"));
}

TEST_CASE("tools: random walks are calls that the parser reads, with valid arguments") {
    for (const bool withMarkup : {true, false}) {
        Fixture f(withMarkup);
        const Json tools = Json::parse(kTools);
        const auto program = f.compiler.compile(f.form(ToolChoice::Kind::kRequired));
        std::mt19937 random(11);
        int finished = 0;
        for (int round = 0; round < 80; ++round) {
            TokenConstraint constraint(program);
            std::string text;
            for (int i = 0; i < 1500 && !constraint.isComplete(); ++i) {
                const auto mask = constraint.allowed();
                std::vector<std::int32_t> ids;
                for (std::int32_t id = 0; id < mask->vocabSize(); ++id) {
                    if (mask->allows(id)) ids.push_back(id);
                }
                std::int32_t id = ids[random() % ids.size()];
                if (mask->allows('<') && random() % 3 == 0) id = '<';
                if (text.ends_with("</") || (random() % 2 == 0 && mask->allows('/'))) {
                    for (const std::int32_t next : {'s', '/'}) {
                        if (mask->allows(next)) id = next;
                    }
                }
                const std::size_t open = text.rfind("</");
                if (open != std::string::npos && text.size() - open < 20) {  // a closing tag, most likely
                    for (const std::string_view tag : {"</steptml:parameter>", "</steptml:invoke>"}) {
                        const std::string begun = text.substr(open);
                        if (begun.size() < tag.size() && tag.starts_with(begun) &&
                            mask->allows(static_cast<unsigned char>(tag[begun.size()]))) {
                            id = static_cast<unsigned char>(tag[begun.size()]);
                        }
                    }
                }
                if (const auto end = f.words->idOf("<｜tool_calls_end｜>"); end && mask->allows(*end)) id = *end;
                REQUIRE(constraint.accept(id));
                text += f.words->tokenBytes(id);
            }
            if (!constraint.isComplete()) continue;
            ++finished;
            INFO(text);
            const auto parse = text::parseToolCalls(text, tools);
            REQUIRE_FALSE(parse.calls.empty());
            CHECK_FALSE(parse.content);
            for (const auto& each : parse.calls) {
                Json arguments = Json::parse(each.arguments);
                for (const Json& tool : tools) {
                    if (tool["function"]["name"] != each.name || !tool["function"].contains("parameters")) continue;
                    if (arguments.contains("where"))
                        arguments["where"] = Json::parse(arguments["where"].get<std::string>());
                    INFO(arguments.dump());
                    CHECK(isValid(tool["function"]["parameters"], arguments, tool["function"]["parameters"]));
                }
            }
        }
        CHECK(finished > 20);
    }
}

TEST_CASE(
    "tools: schemas that are not supported are refused by tool and place, or left free where nothing is demanded") {
    Fixture f;
    const auto compile = [&](const char* parameters, ToolChoice::Kind kind, bool strict) {
        AnswerForm form;
        form.tools =
            Json::array({{{"type", "function"},
                          {"function", {{"name", "f"}, {"strict", strict}, {"parameters", Json::parse(parameters)}}}}});
        form.toolChoice.kind = kind;
        return f.compiler.compile(form);
    };
    const char* unsupported = R"({"type":"object","properties":{"a":{"type":"integer","multipleOf":2}}})";
    const char* message =
        "tools[0].function.parameters: json_schema at #/properties/a: \"multipleOf\" is not supported";
    CHECK(refusal([&] { compile(unsupported, ToolChoice::Kind::kRequired, false); }) == message);
    CHECK(refusal([&] { compile(unsupported, ToolChoice::Kind::kAuto, true); }) == message);
    TokenConstraint free(compile(unsupported, ToolChoice::Kind::kAuto, false));
    CHECK(f.write(free, block(call("f", parameter("a", "3") + parameter("any", "x")))));
    struct Case {
        const char* schema;
        const char* message;
    };
    const Case cases[] = {
        {R"({"type":"string"})",
         "tools[0].function.parameters: json_schema at #/type: the parameters of a tool are an object"},
        {R"({"anyOf":[{}]})",
         "tools[0].function.parameters: json_schema at #: \"anyOf\" is not supported for the parameters of a tool"},
        {R"({"properties":{"a\"b":{}}})",
         "tools[0].function.parameters: json_schema at #/properties/a\"b: a parameter's name must not be empty or hold "
         "a quote"},
        {R"({"properties":{"a":{"enum":[" x"]}}})",
         "tools[0].function.parameters: json_schema at #/properties/a: a tool call cannot hold the value \" x\""},
        {R"({"properties":{"a":{"anyOf":[{"$ref":"#/properties/a"},{"type":"null"}]}}})",
         "tools[0].function.parameters: json_schema at "
         "#/properties/a/anyOf/0/anyOf/0/anyOf/0/anyOf/0/anyOf/0/anyOf/0/anyOf/0/anyOf/0/anyOf/0: alternatives refer "
         "to "
         "each other in a circle"},
        {R"({"properties":{},"required":["a"]})",
         "tools[0].function.parameters: json_schema at #/required: \"a\" is not among the properties"},
    };
    for (const Case& each : cases) {
        INFO(each.schema);
        CHECK(refusal([&] { compile(each.schema, ToolChoice::Kind::kRequired, false); }) == each.message);
    }
    AnswerForm nameless;
    nameless.tools = Json::array({{{"function", {{"name", ""}}}}});
    CHECK(refusal([&] { f.compiler.compile(nameless); }) ==
          "tools[0].function.name must be a text without quotes, and not empty");
}
