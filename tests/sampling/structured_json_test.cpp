// JSON and JSON schemas: random schemas and values against an independent checker, and what is refused.

#include <array>
#include <cmath>
#include <random>

#include <catch2/catch.hpp>

#include "engine/error.h"
#include "engine/sampling/structured/json_grammar.h"
#include "engine/sampling/structured/json_schema.h"
#include "engine/sampling/structured/number_range.h"
#include "tests/sampling/structured_support.h"

using namespace step3;
using namespace step3::sampling::structured;
using namespace step3::sampling::structured::testing;

namespace {

std::string randomString(std::mt19937& random, std::size_t maxCharacters) {
    static constexpr std::array kCharacters{"a",  "b",  "Z",    "0", " ", "\"", "\\",
                                            "\n", "\t", "\x01", "/", "é", "漢", "😀"};
    std::string text;
    for (std::size_t i = random() % (maxCharacters + 1); i > 0; --i) text += kCharacters[random() % kCharacters.size()];
    return text;
}

Json randomJson(std::mt19937& random, int depth) {
    switch (random() % (depth > 0 ? 7U : 5U)) {
        case 0: return nullptr;
        case 1: return random() % 2 == 0;
        case 2: return static_cast<std::int64_t>(random() % 2000001) - 1000000;
        case 3: return std::ldexp(static_cast<double>(random() % 2001) - 1000, static_cast<int>(random() % 40) - 20);
        case 4: return randomString(random, 6);
        case 5: {
            Json array = Json::array();
            for (std::size_t i = random() % 4; i > 0; --i) array.push_back(randomJson(random, depth - 1));
            return array;
        }
        default: {
            Json object = Json::object();
            for (std::size_t i = random() % 4; i > 0; --i)
                object[randomString(random, 3)] = randomJson(random, depth - 1);
            return object;
        }
    }
}

/// The text with one byte taken out, put in or changed.
std::string mutated(std::mt19937& random, std::string text) {
    static constexpr std::string_view kBytes = "{}[]\",:0159.eE+-\\ntu \n\xC3\xA9x";
    const std::size_t at = random() % (text.size() + 1);
    const char byte = kBytes[random() % kBytes.size()];
    switch (random() % 3) {
        case 0:
            if (at < text.size()) text.erase(at, 1);
            return text;
        case 1: return text.insert(at, 1, byte);
        default:
            if (at < text.size()) text[at] = byte;
            return text;
    }
}

Json randomSchema(std::mt19937& random, int depth);

Json randomObjectSchema(std::mt19937& random, int depth) {
    Json schema{{"type", "object"}, {"properties", Json::object()}};
    Json required = Json::array();
    for (std::size_t i = random() % 4; i > 0; --i) {
        const std::string name = randomString(random, 2) + std::to_string(i);
        schema["properties"][name] = randomSchema(random, depth - 1);
        if (random() % 2 == 0) required.push_back(name);
    }
    if (random() % 2 == 0) schema["required"] = required;
    if (random() % 3 == 0)
        schema["additionalProperties"] = random() % 2 == 0 ? Json(false) : randomSchema(random, depth - 1);
    return schema;
}

Json randomArraySchema(std::mt19937& random, int depth) {
    Json schema{{"type", "array"}, {"items", randomSchema(random, depth - 1)}};
    if (random() % 3 == 0) {
        schema["prefixItems"] = Json::array();
        for (std::size_t i = 1 + random() % 2; i > 0; --i)
            schema["prefixItems"].push_back(randomSchema(random, depth - 1));
    }
    if (random() % 2 == 0) schema["minItems"] = random() % 3;
    if (random() % 2 == 0) schema["maxItems"] = 2 + random() % 3;
    return schema;
}

Json randomSchema(std::mt19937& random, int depth) {
    switch (random() % (depth > 0 ? 11U : 7U)) {
        case 0: return {{"type", "boolean"}};
        case 1: return {{"type", Json::array({"null", "integer"})}};
        case 2:
            return {{"type", "integer"},
                    {"minimum", static_cast<int>(random() % 200) - 150},
                    {"maximum", 50 + random() % 2000}};
        case 3:
            return {{"type", "number"},
                    {"exclusiveMinimum", static_cast<int>(random() % 20) - 15},
                    {"maximum", 5 + static_cast<double>(random() % 100) / 8}};
        case 4: return {{"type", "string"}, {"minLength", random() % 3}, {"maxLength", 2 + random() % 5}};
        case 5: return {{"enum", Json::array({randomJson(random, 1), randomJson(random, 1), "x"})}};
        case 6: return {{"type", "string"}};
        case 7: return randomObjectSchema(random, depth);
        case 8: return randomArraySchema(random, depth);
        case 9: return {{"anyOf", Json::array({randomSchema(random, depth - 1), randomSchema(random, depth - 1)})}};
        default: return {{"allOf", Json::array({randomObjectSchema(random, depth), randomObjectSchema(random, 0)})}};
    }
}

/// A valid value in the order of members the translator writes, or nothing if none was hit upon.
std::optional<Json> randomValue(std::mt19937& random, const Json& schema) {
    if (schema.contains("anyOf")) return randomValue(random, schema["anyOf"][random() % 2]);
    if (schema.contains("allOf")) return std::nullopt;
    if (schema.contains("enum")) return schema["enum"][random() % schema["enum"].size()];
    const std::string type =
        schema["type"].is_array() ? schema["type"][random() % 2].get<std::string>() : schema["type"].get<std::string>();
    if (type == "null") return Json(nullptr);
    if (type == "boolean") return Json(random() % 2 == 0);
    if (type == "integer") {
        const int low = schema.value("minimum", -5);
        return Json(low + static_cast<int>(random() % static_cast<unsigned>(schema.value("maximum", 5) - low + 1)));
    }
    if (type == "number") {
        const double low = schema["exclusiveMinimum"].get<double>();
        const double span = schema["maximum"].get<double>() - low;
        return Json(low + span * static_cast<double>(1 + random() % 64) / 64);
    }
    if (type == "string") {
        for (int i = 0; i < 50; ++i) {
            const Json text = randomString(random, 6);
            if (isValid(schema, text, schema)) return text;
        }
        return std::nullopt;
    }
    if (type == "array") {
        const Json prefix = schema.value("prefixItems", Json::array());
        const std::size_t min = schema.value("minItems", 0U);
        const std::size_t max = schema.value("maxItems", 4U);
        Json array = Json::array();
        for (std::size_t size = min + random() % (max - min + 1); array.size() < size;) {
            const auto item =
                randomValue(random, array.size() < prefix.size() ? prefix[array.size()] : schema["items"]);
            if (!item) return std::nullopt;
            array.push_back(*item);
        }
        return array;
    }
    Json object = Json::object();
    const Json required = schema.value("required", Json::array());
    for (const auto& [name, part] : schema["properties"].items()) {
        if (std::find(required.begin(), required.end(), name) == required.end() && random() % 2 == 0) continue;
        const auto member = randomValue(random, part);
        if (!member) return std::nullopt;
        object[name] = *member;
    }
    if (schema.contains("additionalProperties") && schema["additionalProperties"] != false) {
        for (std::size_t i = random() % 3; i > 0; --i) {
            const auto member = randomValue(random, schema["additionalProperties"]);
            if (member) object["more" + std::to_string(i)] = *member;
        }
    }
    return object;
}

Language anyObject() {
    return Language([](Grammar& grammar) { return JsonGrammar(grammar).object(); });
}

}  // namespace

TEST_CASE("json: every object is accepted, in compact and in indented form") {
    std::mt19937 random(1);
    Language language = anyObject();
    for (int i = 0; i < 500; ++i) {
        Json value = Json::object();
        for (std::size_t n = random() % 4; n > 0; --n) value[randomString(random, 4)] = randomJson(random, 4);
        const bool ascii = random() % 2 == 0;
        INFO(value.dump());
        CHECK(language.matches(value.dump(-1, ' ', ascii)));
        CHECK(language.matches(value.dump(2, ' ', ascii)));
        CHECK(language.matches(value.dump(1, '\t', ascii)));
    }
    CHECK(language.matches("{ \"a\": 1, \"b\": [ ], \"c\": { } }"));
}

TEST_CASE("json: what is accepted is JSON") {
    std::mt19937 random(2);
    Language language = anyObject();
    int accepted = 0;
    for (int i = 0; i < 5000; ++i) {
        Json value = Json::object();
        for (std::size_t n = random() % 3; n > 0; --n) value[randomString(random, 3)] = randomJson(random, 2);
        const std::string text = mutated(random, value.dump());
        if (!language.matches(text)) continue;
        ++accepted;
        INFO(text);
        REQUIRE(Json::accept(text));
        CHECK(Json::parse(text).is_object());
    }
    CHECK(accepted > 100);
    for (int i = 0; i < 300; ++i) {
        const auto text = language.randomText(random, 4000);
        if (!text) continue;
        INFO(*text);
        REQUIRE(Json::accept(*text));
    }
    for (const char* text : {"", "[]", "{}x", " {}", "{\"a\":01}", "{\"a\":+1}", "{\"a\":1.}", "{\"a\":.5}",
                             "{\"a\":1,}", "{\"a\":\"\\ud800\"}", "{\"a\":\"\\udc00\\ud800\"}", "{\"a\":\"\xC3\"}",
                             "{\"a\":\"\n\"}", "{\"a\":\"\\x\"}", "{a:1}", "{\"a\" :tru}", "{\"a\":1e999}"}) {
        CHECK_FALSE(language.matches(text));
    }
    CHECK(language.matches("{\"a\":\"\\ud83d\\ude00\\u00e9\\/\"}"));
}

TEST_CASE("json: nesting is bounded, and no word that was begun gets stuck at the bound") {
    Language language = anyObject();
    std::string open = "{\"a\":";
    std::size_t depth = 0;
    while (language.isPrefix(open) && depth < 1000) {
        open += "[";
        ++depth;
    }
    CHECK(depth > 60);
    CHECK(depth < 200);
    open.pop_back();
    CHECK(language.matches(open + std::string(depth - 1, ']') + "}"));
    const std::string scalar = open + "0" + std::string(depth - 1, ']') + "}";
    CHECK(language.isPrefix(open + "0") == language.matches(scalar));
}

TEST_CASE("schema: valid values are accepted, and whatever is accepted is valid") {
    std::mt19937 random(3);
    int values = 0, accepted = 0, written = 0;
    for (int round = 0; round < 400; ++round) {
        const Json schema = randomSchema(random, 3);
        INFO(schema.dump());
        std::optional<Language> language;
        try {
            language.emplace(jsonSchema(schema.dump()));
        } catch (const Error&) {  // parts of "allOf" that exclude each other
            CHECK(schema.dump().find("allOf") != std::string::npos);
            continue;
        }
        for (int i = 0; i < 20; ++i) {
            const auto value = randomValue(random, schema);
            if (!value) continue;
            REQUIRE(isValid(schema, *value, schema));
            const std::string text = value->dump();
            INFO(text);
            ++values;
            REQUIRE(language->matches(text));
            REQUIRE(language->matches(value->dump(2)));
            for (int k = 0; k < 10; ++k) {
                const std::string other = mutated(random, text);
                if (!language->matches(other)) continue;
                INFO(other);
                ++accepted;
                REQUIRE(Json::accept(other));
                REQUIRE(isValid(schema, Json::parse(other), schema));
            }
        }
        for (int i = 0; i < 10; ++i) {
            const auto text = language->randomText(random, 2000);
            if (!text) continue;
            INFO(*text);
            ++written;
            REQUIRE(Json::accept(*text));
            REQUIRE(isValid(schema, Json::parse(*text), schema));
        }
    }
    CHECK(values > 3000);
    CHECK(accepted > 1000);
    CHECK(written > 2000);
}

TEST_CASE("schema: bounds of numbers") {
    std::mt19937 random(4);
    const auto decimal = [&](std::int64_t scaled) {  // in thousandths
        return static_cast<double>(scaled) / 1000;
    };
    for (int round = 0; round < 300; ++round) {
        const bool fractions = random() % 2 == 0;
        const auto pick = [&] {
            const std::int64_t range = random() % 2 == 0 ? 3000 : 2000000;
            return static_cast<std::int64_t>(random() % static_cast<std::uint64_t>(2 * range)) - range;
        };
        std::int64_t low = pick(), high = pick();
        if (low > high) std::swap(low, high);
        Json schema{{"type", fractions ? "number" : "integer"}};
        const bool hasLow = random() % 4 != 0, hasHigh = random() % 4 != 0;
        const char* lowName = random() % 2 == 0 ? "minimum" : "exclusiveMinimum";
        const char* highName = random() % 2 == 0 ? "maximum" : "exclusiveMaximum";
        if (hasLow) schema[lowName] = decimal(low);
        if (hasHigh) schema[highName] = decimal(high);
        INFO(schema.dump());
        std::optional<Language> language;
        try {
            language.emplace(jsonSchema(schema.dump()));
        } catch (const Error&) {
            const double first = std::floor(decimal(low)), last = std::ceil(decimal(high));
            CHECK((high == low || (!fractions && last - first <= 2)));
            continue;
        }
        for (int i = 0; i < 100; ++i) {
            std::int64_t scaled = random() % 2 == 0
                                      ? pick()
                                      : (random() % 2 == 0 ? low : high) + static_cast<std::int64_t>(random() % 5) - 2;
            if (!fractions) scaled = scaled / 1000 * 1000;
            const Json value = fractions ? Json(decimal(scaled)) : Json(scaled / 1000);
            const std::string text = scaled % 1000 == 0 ? std::to_string(scaled / 1000) : value.dump();
            INFO(text);
            REQUIRE(language->matches(text) == isValid(schema, value, schema));
        }
    }
    CHECK(jsonSchema(R"({"type":"integer","minimum":-9223372036854775808,"maximum":9223372036854775807})")
              .matches("-12"));
    Language small = jsonSchema(R"({"type":"number","minimum":1e-7,"exclusiveMaximum":1})");
    CHECK(small.matches("0.0000001"));
    CHECK(small.matches("0.999"));
    CHECK_FALSE(small.matches("0.00000009"));
    CHECK_FALSE(small.matches("0"));
    CHECK_FALSE(small.matches("1.0"));
}

TEST_CASE("schema: references, recursion and merged parts") {
    Language tree = jsonSchema(R"({"$ref":"#/$defs/node","$defs":{"node":{"type":"object","properties":{
        "v":{"type":"integer"},"kids":{"type":"array","items":{"$ref":"#/$defs/node"}}},"required":["v"]}}})");
    CHECK(tree.matches(R"({"v":1})"));
    CHECK(tree.matches(R"({"v":1,"kids":[{"v":2,"kids":[]},{"v":3,"kids":[{"v":4}]}]})"));
    CHECK_FALSE(tree.matches(R"({"v":1,"kids":[{"kids":[]}]})"));
    CHECK_FALSE(tree.matches(R"({"kids":[],"v":1})"));  // not in the order of the schema

    Language list = jsonSchema(
        R"({"anyOf":[{"type":"null"},{"type":"object","properties":{"next":{"$ref":"#"}},"required":["next"]}]})");
    CHECK(list.matches(R"({"next":{"next":null}})"));

    Language merged =
        jsonSchema(R"({"allOf":[{"$ref":"#/definitions/base"}],"properties":{"b":{"type":"string","maxLength":2}},
        "required":["b"],"definitions":{"base":{"type":"object","properties":{"a":{"type":"integer"},"b":{"minLength":1}},"required":["a"]}}})");
    CHECK(merged.matches(R"({"a":1,"b":"xy"})"));
    CHECK_FALSE(merged.matches(R"({"a":1,"b":""})"));
    CHECK_FALSE(merged.matches(R"({"a":1,"b":"xyz"})"));
    CHECK_FALSE(merged.matches(R"({"a":1})"));

    // Two recursive schemas at once: their merged parts refer to merged parts again.
    Language both = jsonSchema(R"({"allOf":[{"$ref":"#/$defs/a"},{"$ref":"#/$defs/b"}],"$defs":{
        "a":{"type":"object","properties":{"n":{"$ref":"#/$defs/a"},"x":{"type":"integer"}}},
        "b":{"type":"object","properties":{"n":{"$ref":"#/$defs/b"}},"required":["x"]}}})");
    CHECK(both.matches(R"({"n":{"x":2},"x":1})"));
    CHECK_FALSE(both.matches(R"({"n":{},"x":1})"));

    Language escaped = jsonSchema(R"({"$ref":"#/$defs/a~1b%20c","$defs":{"a/b c":{"const":"é\n"}}})");
    CHECK(escaped.matches("\"é\\n\""));

    Language sides = jsonSchema(
        R"({"type":"object","properties":{"k":{"enum":["a","b"]}},"required":["k"],"additionalProperties":true})");
    CHECK(sides.matches(R"({"k":"a","l":[1]})"));
    CHECK(sides.matches(R"({"k":"a","kk":1,"":2})"));
    CHECK_FALSE(sides.matches(R"({"k":"a","k":1})"));
    CHECK_FALSE(sides.matches(R"({"k":"a","\u006b":1})"));
}

TEST_CASE("schema: patterns and formats") {
    struct Case {
        const char* schema;
        std::vector<const char*> valid, invalid;
    };
    const Case cases[] = {
        {R"({"pattern":"^[A-Z]{2}-\\d+$"})", {"\"AB-12\""}, {"\"AB-\"", "\"xAB-1\"", "AB-12"}},
        {R"({"pattern":"b\"\\n"})", {R"("ab\"\nc")", R"("b\"\n")"}, {R"("b\"n")", "\"b\"\n\""}},
        {R"({"format":"date"})",
         {"\"2024-02-29\"", "\"2026-11-25\""},
         {"\"2023-02-29\"", "\"2026-11-31\"", "\"26-1-1\""}},
        {R"({"format":"time"})", {"\"23:59:59Z\"", "\"01:02:03.5+02:00\""}, {"\"24:00:00Z\"", "\"01:02\""}},
        {R"({"format":"date-time"})", {"\"2026-11-25T18:00:00Z\""}, {"\"2026-11-25 18:00:00Z\"", "\"2026-11-25\""}},
        {R"({"format":"duration"})", {"\"P3D\"", "\"PT1H30M\"", "\"P1Y2M3DT4H\""}, {"\"P\"", "\"PT\"", "\"P1H\""}},
        {R"({"format":"email"})", {"\"a.b@c.org\""}, {"\"a.b\"", "\"a..b@c.org\"", "\"a@-c\""}},
        {R"({"format":"hostname"})", {"\"a-b.example\""}, {"\"-a\"", "\"a..b\""}},
        {R"({"format":"ipv4"})", {"\"255.0.10.1\""}, {"\"256.0.0.1\"", "\"1.2.3\"", "\"01.2.3.4\""}},
        {R"({"format":"ipv6"})",
         {"\"::1\"", "\"fe80::1:2\"", "\"1:2:3:4:5:6:7:8\"", "\"1::\""},
         {"\"1::2::3\"", "\"1:2:3\"", "\":1\""}},
        {R"({"format":"uri"})", {"\"https://a.example/b?c=d#e\""}, {"\"a.example\"", "\"https://a b\""}},
        {R"({"format":"uuid"})", {"\"123e4567-e89b-12d3-a456-426614174000\""}, {"\"123e4567\""}},
    };
    for (const Case& each : cases) {
        INFO(each.schema);
        Language language = jsonSchema(each.schema);
        for (const char* text : each.valid) {
            INFO(text);
            CHECK(language.matches(text));
        }
        for (const char* text : each.invalid) {
            INFO(text);
            CHECK_FALSE(language.matches(text));
        }
    }
}

TEST_CASE("schema: what is not supported is refused by name and place") {
    struct Case {
        const char* schema;
        const char* message;
    };
    const Case cases[] = {
        {"{", "json_schema at #: expected JSON, found a syntax error at byte 2"},
        {"[]", "json_schema at #: expected a schema: an object or a boolean"},
        {R"({"type":"objekt"})",
         "json_schema at #/type: expected object, array, string, number, integer, boolean or null, or a list of these"},
        {R"({"type":[]})",
         "json_schema at #/type: expected object, array, string, number, integer, boolean or null, or a list of these"},
        {R"({"properties":{"a/b":{"not":{}}}})", "json_schema at #/properties/a~1b: \"not\" is not supported"},
        {R"({"items":{"multipleOf":2}})", "json_schema at #/items: \"multipleOf\" is not supported"},
        {R"({"type":"array","uniqueItems":true})", "json_schema at #: \"uniqueItems\" is not supported"},
        {R"({"minLenght":2})", "json_schema at #: \"minLenght\" is not supported"},
        {R"({"patternProperties":{}})", "json_schema at #: \"patternProperties\" is not supported"},
        {R"({"if":{},"then":{}})", "json_schema at #: \"if\" is not supported"},
        {R"({"anyOf":[]})", "json_schema at #/anyOf: expected a list of schemas"},
        {R"({"anyOf":[{},{"type":"string","format":"iri"}]})",
         "json_schema at #/anyOf/1/format: \"iri\" is not supported"},
        {R"({"enum":[]})", "json_schema at #/enum: expected a list of values"},
        {R"({"enum":["a"],"minLength":1})", "json_schema at #: \"minLength\" beside \"enum\" is not supported"},
        {R"x({"type":"string","pattern":"(?=a)"})x",
         "json_schema at #/pattern: regular expression, at byte 2: look-around is not supported"},
        {R"({"type":"string","pattern":"a","minLength":1})",
         "json_schema at #: \"pattern\" together with \"minLength\" or \"maxLength\" is not supported"},
        {R"({"type":"string","minLength":-1})", "json_schema at #/minLength: expected a whole number of at least 0"},
        {R"({"type":"string","maxLength":200000})", "json_schema at #/maxLength: more than 100000 is not supported"},
        {R"({"type":"integer","minimum":"1"})", "json_schema at #/minimum: expected a number"},
        {R"({"items":[{}]})", "json_schema at #/items: a list of schemas is not supported; \"prefixItems\" is"},
        {R"({"properties":[]})", "json_schema at #/properties: expected an object"},
        {R"({"required":"a"})", "json_schema at #/required: expected a list of names"},
        {R"({"required":["a"],"additionalProperties":false})",
         "json_schema at #/required: \"a\" is not among the properties"},
        {R"({"$ref":"other.json"})",
         "json_schema at #: \"$ref\" must point into the same schema (\"#/...\"), got \"other.json\""},
        {R"({"items":{"$ref":"#/$defs/x"}})",
         "json_schema at #/items: \"$ref\" points to \"#/$defs/x\", which is not there"},
        {R"({"$ref":"#"})",
         "json_schema at # refers to itself before it says anything (left recursion), which is not supported"},
        {R"({"allOf":[{"$ref":"#"}]})", "json_schema at #: \"$ref\" and \"allOf\" refer to each other in a circle"},
        {R"({"allOf":[{"type":"string"},{"type":"integer"}]})",
         "no answer can have the form that is asked for: its rules contradict each other or never end"},
        {R"({"allOf":[{"pattern":"a"},{"pattern":"b"}]})",
         "json_schema at #: two different values of \"pattern\" at once are not supported"},
        {R"({"type":"object","properties":{"a":{"$ref":"#"}},"required":["a"]})",
         "no answer can have the form that is asked for: its rules contradict each other or never end"},
        {R"({"type":"integer","minimum":3,"maximum":2})",
         "no answer can have the form that is asked for: its rules contradict each other or never end"},
        {"false", "no answer can have the form that is asked for: its rules contradict each other or never end"},
    };
    for (const Case& each : cases) {
        INFO(each.schema);
        CHECK(refusal([&] { jsonSchema(each.schema); }) == each.message);
    }
    // Small texts that stand for large ones.
    Json laughs = Json::object();
    for (int i = 0; i < 20; ++i) {
        const Json next{{"$ref", "#/$defs/" + std::to_string(i + 1)}};
        laughs["$defs"][std::to_string(i)] = {{"allOf", Json::array({next, next})}};
    }
    laughs["$defs"]["20"] = {{"type", "object"}};
    laughs["$ref"] = "#/$defs/0";
    CHECK(refusal([&] { jsonSchema(laughs.dump()); }) == "json_schema at #/$defs/0: is made of more than 1000 parts");
    Json wide{{"anyOf", Json::array()}, {"description", ""}, {"enum", Json::array({std::string(60000, 'x')})}};
    for (int i = 0; i < 1000; ++i) wide["anyOf"].push_back({{"const", std::to_string(i)}});
    CHECK(refusal([&] { jsonSchema(wide.dump()); }).find("is longer than 8 MiB") != std::string::npos);
    CHECK(refusal([&] { jsonSchema("\"" + std::string(300000, 'x') + "\""); }) ==
          "json_schema at #: longer than 256 KiB");
    std::string deep = "{}";
    for (int i = 0; i < 70; ++i) deep.insert(0, "{\"items\":").append("}");
    CHECK(refusal([&] { jsonSchema(deep); }) == "json_schema at #: must not be nested deeper than 64 levels");
}
