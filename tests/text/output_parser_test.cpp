#include "engine/text/output_parser.h"

#include <fstream>
#include <random>
#include <string>
#include <vector>

#include <catch2/catch.hpp>

using namespace step3;
using namespace step3::text;

namespace {

Json golden() {
    std::ifstream file(std::string(STEP3_TEST_DATA) + "/golden/chat/parsers.json");
    REQUIRE(file);
    return Json::parse(file);
}

/// What all deltas of an answer say together.
struct Answer {
    std::string reasoning, content;
    std::vector<ToolCall> calls;

    void add(const std::vector<OutputDelta>& deltas) {
        for (const OutputDelta& delta : deltas) {
            CHECK(!delta.text.empty());
            const auto index = static_cast<std::size_t>(delta.toolIndex);
            switch (delta.kind) {
                case OutputDelta::Kind::kReasoning: reasoning += delta.text; break;
                case OutputDelta::Kind::kContent: content += delta.text; break;
                case OutputDelta::Kind::kToolCallName:
                    REQUIRE(index == calls.size());  // calls come in order, each with its name first
                    calls.push_back({delta.text, ""});
                    break;
                case OutputDelta::Kind::kToolCallArguments:
                    REQUIRE(index + 1 == calls.size());
                    calls.back().arguments += delta.text;
                    break;
            }
        }
    }
    /// All in one text, to be compared.
    [[nodiscard]] std::string shown() const {
        std::string text = "[" + reasoning + "][" + content + "]";
        for (const ToolCall& call : calls) text += "\n" + call.name + " " + call.arguments;
        return text;
    }
};

std::string parsed(const std::string& text, bool startsInReasoning, const Json& tools,
                   const std::vector<std::size_t>& cuts) {
    OutputParser parser(startsInReasoning, tools);
    Answer answer;
    std::size_t at = 0;
    for (const std::size_t cut : cuts) {
        answer.add(parser.push(std::string_view(text).substr(at, cut - at)));
        at = cut;
    }
    answer.add(parser.push(std::string_view(text).substr(at)));
    answer.add(parser.finish());
    return answer.shown();
}

}  // namespace

TEST_CASE("whole answers are split as the reference splits them") {
    const Json data = golden();
    REQUIRE(data["cases"].size() == 26);
    const auto check = [](const ToolParse& parse, const Json& expected) {
        CHECK(parse.content.value_or("") ==
              (expected["content"].is_null() ? "" : expected["content"].get<std::string>()));
        REQUIRE(parse.calls.size() == expected["calls"].size());
        for (std::size_t i = 0; i < parse.calls.size(); ++i) {
            CHECK(parse.calls[i].name == expected["calls"][i]["name"].get<std::string>());
            CHECK(parse.calls[i].arguments == expected["calls"][i]["arguments"].get<std::string>());
        }
    };
    for (const Json& item : data["cases"]) {
        const auto text = item["text"].get<std::string>();
        INFO(text);
        const ReasoningSplit split = splitReasoning(text);
        CHECK(split.reasoning == item["reasoning"].get<std::string>());
        const Json& rest = item["content_after_reasoning"];
        CHECK(split.content.has_value() == !rest.is_null());
        if (split.content && !rest.is_null()) CHECK(*split.content == rest.get<std::string>());
        check(parseToolCalls(split.content.value_or(""), data["tools"]), item["tool_parse_of_content"]);
        check(parseToolCalls(text, data["tools"]), item["tool_parse_of_whole_text"]);
    }
}

TEST_CASE("a streamed answer says the same wherever it is cut") {
    const Json data = golden();
    std::mt19937 rng(1);
    for (const Json& item : data["cases"]) {
        const auto text = item["text"].get<std::string>();
        INFO(text);
        for (const bool reasoning : {false, true}) {
            for (const Json& tools : {Json(), data["tools"]}) {
                const std::string whole = parsed(text, reasoning, tools, {});
                std::size_t differing = 0;
                std::vector<std::size_t> everywhere;
                for (std::size_t cut = 0; cut <= text.size(); ++cut) {
                    differing += parsed(text, reasoning, tools, {cut}) != whole;
                    everywhere.push_back(cut);
                }
                differing += parsed(text, reasoning, tools, everywhere) != whole;
                for (int round = 0; round < 20; ++round) {
                    std::vector<std::size_t> some;
                    for (std::size_t cut = 0; cut <= text.size(); ++cut)
                        if (rng() % 7 == 0) some.push_back(cut);
                    differing += parsed(text, reasoning, tools, some) != whole;
                }
                CHECK(differing == 0);
            }
        }
    }
}

TEST_CASE("text in front of a marker is sent before the marker is complete, the marker never") {
    OutputParser parser(true, Json());
    const auto deltas = parser.push("thinking </thi");
    REQUIRE(deltas.size() == 1);
    CHECK(deltas[0].text == "thinking ");
    CHECK(parser.inReasoning());
    const auto more = parser.push("nk>answer");
    REQUIRE(more.size() == 1);
    CHECK(more[0].kind == OutputDelta::Kind::kContent);
    CHECK(more[0].text == "answer");
    CHECK(!parser.inReasoning());
}

TEST_CASE("what only looks like a marker is text") {
    CHECK(parsed("a </thin b < c", true, Json(), {}) == "[a </thin b < c][]");
    CHECK(parsed("a</think", true, Json(), {}) == "[a</think][]");
    CHECK(parsed("</think></think>x", true, Json(), {}) == "[][</think>x]");
}

TEST_CASE("a call that never ends keeps its name and has no arguments, in pieces as whole") {
    const Json tools = golden()["tools"];
    const std::string text =
        "<｜tool_calls_begin｜><｜tool_call_begin｜>function<｜tool_sep｜><steptml:invoke "
        "name=\"f\"><｜tool_calls_end｜>rest";
    const std::string whole = parsed(text, false, tools, {});
    CHECK(whole == "[][rest]\nf ");
    for (std::size_t cut = 0; cut <= text.size(); ++cut) CHECK(parsed(text, false, tools, {cut}) == whole);
}

TEST_CASE("arguments are cast by the tool's schema, and stay text where they do not fit") {
    const Json tools = Json::parse(R"([{"type": "function", "function": {"name": "f", "parameters": {"type": "object",
        "properties": {"i": {"type": "integer"}, "n": {"type": "number"}, "b": {"type": "boolean"},
                       "z": {"type": "null"}, "s": {"type": "string"}}}}}])");
    const auto arguments = [&](const std::string& name, const std::string& value) {
        const ToolParse parse = parseToolCalls(
            "<｜tool_calls_begin｜><｜tool_call_begin｜>function<｜tool_sep｜><steptml:invoke "
            "name=\"f\"><steptml:parameter "
            "name=\"" +
                name + "\">" + value + "</steptml:parameter></steptml:invoke><｜tool_call_end｜><｜tool_calls_end｜>",
            tools);
        REQUIRE(parse.calls.size() == 1);
        return parse.calls[0].arguments;
    };
    CHECK(arguments("i", " 12 ") == R"({"i": 12})");
    CHECK(arguments("i", "+12") == R"({"i": 12})");
    CHECK(arguments("i", "1.5") == R"({"i": "1.5"})");
    CHECK(arguments("i", "99999999999999999999") == R"({"i": "99999999999999999999"})");
    CHECK(arguments("n", "1.50") == R"({"n": 1.5})");
    CHECK(arguments("n", "3") == R"({"n": 3})");
    CHECK(arguments("n", "inf") == R"({"n": "inf"})");
    CHECK(arguments("b", "TRUE") == R"({"b": true})");
    CHECK(arguments("b", "yes") == R"({"b": "yes"})");
    CHECK(arguments("z", "None") == R"({"z": null})");
    CHECK(arguments("s", "12") == R"({"s": "12"})");
    CHECK(arguments("other", "12") == R"({"other": "12"})");
    CHECK(arguments("s", "\"q\" \\ 你") == R"({"s": "\"q\" \\ 你"})");
}
