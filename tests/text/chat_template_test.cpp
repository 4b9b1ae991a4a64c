#include "engine/text/chat_template.h"

#include <fstream>
#include <string>

#include <catch2/catch.hpp>

#include "engine/error.h"
#include "engine/text/jinja/ast.h"
#include "engine/text/python_json.h"

using namespace step3;
using namespace step3::text;

namespace {

const Json kVariables = Json::parse(R"({"a": [1, 2, 3], "d": {"k": "v", "n": null}, "s": "Hello", "t": true, "x": 7,
    "u": "\u4f60\u597d", "people": [{"name": "Ann", "age": 30}, {"name": "Bob", "age": 20}, {"name": "Cy"}]})");

std::string rendered(const std::string& source, const jinja::Limits& limits = {}) {
    return jinja::render(jinja::parse(source), kVariables, limits);
}

struct Failure {
    ErrorCode code = ErrorCode::kInternal;
    std::string message = "no error";
};

Failure failureOf(const std::string& source, const jinja::Limits& limits = {}) {
    try {
        static_cast<void>(rendered(source, limits));
    } catch (const Error& error) {
        return {error.code(), error.what()};
    }
    return {};
}

}  // namespace

TEST_CASE("the golden conversations render exactly") {
    std::ifstream file(std::string(STEP3_TEST_DATA) + "/golden/chat/prompts.json");
    REQUIRE(file);
    const Json golden = Json::parse(file);
    const auto chat = ChatTemplate::fromFolder(std::string(STEP3_TEST_DATA) + "/golden/tiny-bf16");
    REQUIRE(golden["cases"].size() == 10);
    for (const Json& item : golden["cases"]) {
        const Json tools = item.contains("tools") ? item["tools"] : Json();
        const bool prompt = !item.contains("add_generation_prompt") || item["add_generation_prompt"] == true;
        CHECK(chat->render(item["messages"], tools, prompt) == item["rendered"].get<std::string>());
    }
}

TEST_CASE("a part of kind image_url counts as a picture") {
    const auto chat = ChatTemplate::fromSource(
        "{% for m in messages %}{% for p in m.content %}{{ p.type }};{% endfor %}{% endfor %}", "", "");
    const Json messages = Json::parse(R"([{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}},
                                                      {"type": "text", "text": "y"}]}])");
    CHECK(chat->render(messages, Json(), false) == "image;text;");
}

TEST_CASE("expressions give what Jinja gives") {
    struct Case {
        const char* source;
        const char* expected;
    };
    const Case cases[] = {
        {"{{ 1 + 2 * 3 }}", "7"},
        {"{{ (1 + 2) * 3 }}", "9"},
        {"{{ 7 // 2 }} {{ -7 // 2 }} {{ -7 % 3 }} {{ 7 % -3 }}", "3 -4 2 -2"},
        {"{{ 7 / 2 }} {{ 4 / 2 }}", "3.5 2.0"},
        {"{{ 1.0 }} {{ 0.1 + 0.2 }}", "1.0 0.30000000000000004"},
        {"{{ 'a' ~ 1 ~ none ~ true }}", "a1NoneTrue"},
        {"{{ 'ab' * 3 }}", "ababab"},
        {"{{ [1, 'x', none, {'k': 2.5}] }}", "[1, 'x', None, {'k': 2.5}]"},
        {"{{ 'it\\'s' }}", "it's"},
        {"{{ 1 < 2 and not (2 > 3) or false }}", "True"},
        {"{{ 1 in a }} {{ 9 not in a }} {{ 'ell' in s }} {{ 'k' in d }}", "True True True True"},
        {"{{ 'yes' if x > 5 else 'no' }}{{ 'gone' if false }}", "yes"},
        {"{{ a[0] }}{{ a[-1] }}{{ d.k }}{{ d['k'] }}{{ s[1] }}{{ u[1] }}", "13vve好"},
        {"{{ a[1:] }}{{ a[::-1] }}{{ s[1:4] }}{{ s[:-1] }}{{ u[:1] }}", "[2, 3][3, 2, 1]ellHell你"},
        {"{{ missing is defined }} {{ missing | default('d') }} {{ d.n is none }}", "False d True"},
        {"{{ s is string }} {{ a is iterable }} {{ d is mapping }} {{ x is odd }} {{ x is number }}",
         "True True True True True"},
        {"{{ s | upper }}{{ s | lower }}{{ s | length }}{{ ' x ' | trim }}{{ u | length }}", "HELLOhello5x2"},
        {"{{ a | join('-') }} {{ a | first }} {{ a | last }} {{ a | reverse | list }}", "1-2-3 1 3 [3, 2, 1]"},
        {"{{ people | map(attribute='name') | join(',') }}", "Ann,Bob,Cy"},
        {"{{ people | selectattr('age') | map(attribute='name') | list }}", "['Ann', 'Bob']"},
        {"{{ people | rejectattr('name', 'equalto', 'Bob') | list | length }}", "2"},
        {"{{ [1, 1, 2] | unique | list }} {{ '3' | string }} {{ -3 | abs }} {{ 3.9 | int }}", "[1, 2] 3 3 3"},
        {"{{ d | tojson }}", R"({"k": "v", "n": null})"},
        {"{{ u | tojson }}{{ u | tojson(ensure_ascii=True) }}", R"("你好""\u4f60\u597d")"},
        {"{{ s.startswith('He') }} {{ s.replace('l', 'L') }} {{ 'a,b'.split(',') }} {{ ' x'.strip() }}",
         "True HeLLo ['a', 'b'] x"},
        {"{{ '你好你'.strip('你') }} {{ s.find('l') }} {{ d.get('z', 'q') }}", "好 2 q"},
        {"{% for k, v in d.items() %}{{ k }}={{ v }};{% endfor %}", "k=v;n=None;"},
        {"{{ range(3) | list }} {{ range(1, 10, 4) | list }}", "[0, 1, 2] [1, 5, 9]"},
    };
    for (const Case& c : cases) {
        INFO(c.source);
        CHECK(rendered(c.source) == c.expected);
    }
}

TEST_CASE("statements do what Jinja's do") {
    CHECK(rendered("{% if x == 1 %}a{% elif x == 7 %}b{% else %}c{% endif %}") == "b");
    CHECK(rendered("{% for i in a %}{{ loop.index }}{{ loop.first }}{{ loop.last }} {% endfor %}") ==
          "1TrueFalse 2FalseFalse 3FalseTrue ");
    CHECK(rendered("{% for i in a if i > 1 %}{{ i }}{% endfor %}{% for i in [] %}{% else %}none{% endfor %}") ==
          "23none");
    CHECK(rendered("{% set y = 1 %}{% for i in a %}{% set y = i %}{% endfor %}{{ y }}") == "1");
    CHECK(rendered("{% set ns = namespace(y=1) %}{% for i in a %}{% set ns.y = i %}{% endfor %}{{ ns.y }}") == "3");
    CHECK(rendered("{% set b %}x{{ x }}{% endset %}{{ b }}") == "x7");
    CHECK(rendered("{% macro m(p, q='d') %}{{ p }}{{ q }}{% endmacro %}{{ m(1) }}{{ m(1, q=2) }}") == "1d12");
    CHECK(rendered("{% macro m() %}{{ hidden is defined }}{% endmacro %}{% for hidden in a %}{{ m() }}{% endfor %}") ==
          "FalseFalseFalse");
    CHECK(rendered("a{# no #}b") == "ab");
    CHECK(rendered("{% generation %}g{% endgeneration %}") == "g");
}

TEST_CASE("white space is trimmed as trim_blocks, lstrip_blocks and minus signs say") {
    CHECK(rendered("a\n  {% if t %}\nb\n  {% endif %}\nc") == "a\nb\nc");
    CHECK(rendered("a  {%- if t -%}  b  {%- endif -%}  c") == "abc");
    CHECK(rendered("a {{- x -}} b") == "a7b");
    CHECK(rendered("a\n{{ x }}\nb") == "a\n7\nb");
    CHECK(rendered("x {# c #}\ny") == "x y");
}

TEST_CASE("what this program does not know is named") {
    struct Case {
        const char* source;
        ErrorCode code;
        const char* message;
    };
    const auto unsupported = ErrorCode::kUnsupported;
    const auto bad = ErrorCode::kInvalidData;
    const Case cases[] = {
        {"{% extends 'x' %}", unsupported,
         "chat template, line 1: this program does not know the template construct 'extends'"},
        {"\n{{ x | pprint }}", unsupported,
         "chat template, line 2: this program does not know the template construct filter 'pprint'"},
        {"{{ x is prime }}", unsupported,
         "chat template, line 1: this program does not know the template construct test 'prime'"},
        {"{{ cycler(1) }}", unsupported,
         "chat template, line 1: this program does not know the template construct function 'cycler'"},
        {"{{ 2 ** 3 }}", bad, "chat template, line 1: expected an expression, found '**'"},
        {"{{ raise_exception('roles must alternate') }}", bad,
         "chat template, line 1: the template refuses: roles must alternate"},
        {"{{ missing.field }}", bad,
         "chat template, line 1: expected a mapping before '.field', found 'missing', which is undefined"},
        {"{{ 1 + 'a' }}", bad, "chat template, line 1: expected operands that fit '+', found a number and a string"},
        {"{{ 1 // 0 }}", bad, "chat template, line 1: expected a divisor other than 0, found 0"},
        {"{{ 9223372036854775807 + 1 }}", bad,
         "chat template, line 1: expected a number below 2^63 from '+', found more"},
        {"{{ (0 - 9223372036854775807 - 1) | abs }}", bad,
         "chat template, line 1: expected a number below 2^63 from '-', found more"},
        {"{{ 10000000000000000000.5 | int }}", bad,
         "chat template, line 1: expected a number below 2^63 for 'int', found 1e+19"},
        {"{% for i in x %}{% endfor %}", bad, "chat template, line 1: expected a list for 'list', found a number"},
        {"{% for i, j in a %}{% endfor %}", bad, "chat template, line 1: expected 2 values to unpack, found a number"},
        {"{{ a[::0] }}", bad, "chat template, line 1: expected a slice step other than 0, found 0"},
        {"{{ 'unfinished }}", bad,
         "chat template, line 1: expected the end of a string, found the end of the template"},
    };
    for (const Case& c : cases) {
        INFO(c.source);
        const Failure failure = failureOf(c.source);
        CHECK(failure.message == c.message);
        CHECK(failure.code == c.code);
    }
}

TEST_CASE("extreme integers are no trouble") {
    CHECK(rendered("{{ range(9223372036854775806, 9223372036854775807, 5) | list }}") == "[9223372036854775806]");
    CHECK(rendered("{{ a[0:3:9223372036854775807] }}") == "[1]");
    CHECK(rendered("{{ (0 - 9223372036854775807 - 1) % 3 }}") == "1");
    CHECK(rendered("{{ (0 - 9223372036854775807 - 1) % -1 }}") == "0");
}

TEST_CASE("templates that would never end or fill the memory are stopped") {
    jinja::Limits small;
    small.steps = 10'000;
    small.valueBytes = 1 << 16;
    small.workBytes = 1 << 20;
    const auto message = [&](const std::string& source) { return failureOf(source, small).message; };
    CHECK(message("{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}") ==
          "chat template, line 1: expected values of at most 65536 bytes, found more");
    CHECK(message("{% for i in range(200) %}{% for j in range(200) %}x{% endfor %}{% endfor %}") ==
          "chat template, line 1: expected at most 10000 steps, found an endless template");
    CHECK(message("{% set ns = namespace(s='ab') %}{% for i in range(99) %}{% set ns.s = ns.s + ns.s %}{% endfor %}") ==
          "chat template, line 1: expected values of at most 65536 bytes, found more");
    CHECK(
        message("{% set ns = namespace(l=[1]) %}{% for i in range(999) %}{% set ns.l = [ns.l, ns.l] %}{% endfor %}") ==
        "chat template, line 1: expected values of at most 65536 bytes, found more");
    CHECK(message("{% set ns = namespace(l=[1]) %}{% for i in range(999) %}{% set ns.l = [ns.l] %}{% endfor %}") ==
          "chat template, line 1: expected values nested at most 100 deep, found more");
    CHECK(message("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}") ==
          "chat template, line 1: expected at most 50 macros inside macros, found more");
    CHECK(failureOf("{% for i in range(99999) %}{% for j in range(99) %}{{ x }}{% endfor %}{% endfor %}").message ==
          "chat template, line 1: expected at most 2000000 steps, found an endless template");
    CHECK(failureOf("{{ ('a' * 1000000).replace('a', 'b' * 1000) }}").message ==
          "chat template, line 1: expected at most 16777216 bytes of text from 'replace', found more");
    CHECK(failureOf("{{ range(99999) | join('b' * 1000) }}").message ==
          "chat template, line 1: expected at most 16777216 bytes of text from 'join', found more");
}

TEST_CASE("a long conversation stays within the budget") {
    Json messages = Json::array();
    for (int i = 0; i < 400; ++i)
        messages.push_back({{"role", i % 2 == 0 ? "user" : "assistant"}, {"content", std::string(2000, 'x')}});
    const auto chat = ChatTemplate::fromFolder(std::string(STEP3_TEST_DATA) + "/golden/tiny-bf16");
    CHECK(chat->render(messages, Json(), true).size() > 800'000);
}

TEST_CASE("JSON is written as Python writes it") {
    const Json value = Json::parse(R"({"b": [1, 2.0, 1e22, -0.5], "a": {}, "c": "\u00e9\n"})");
    CHECK(pythonJson(value) == "{\"b\": [1, 2.0, 1e+22, -0.5], \"a\": {}, \"c\": \"é\\n\"}");
    CHECK(pythonJson(value["c"], true) == "\"\\u00e9\\n\"");
    CHECK(pythonJson(Json::parse("[1, {\"a\": []}]"), false, 2) == "[\n  1,\n  {\n    \"a\": []\n  }\n]");
    CHECK(pythonFloat(1.0) == "1.0");
    CHECK(pythonFloat(1e16) == "1e+16");
    CHECK(pythonFloat(123456789012345680.0) == "1.2345678901234568e+17");
    CHECK(pythonFloat(0.0001) == "0.0001");
    CHECK(pythonFloat(0.00001) == "1e-05");
    CHECK(pythonFloat(-0.0) == "-0.0");
}
