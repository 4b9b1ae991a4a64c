#include "engine/json.h"

#include <string>

#include <catch2/catch.hpp>

#include "engine/error.h"

using namespace step3;

TEST_CASE("JSON is read as the library reads it, members in their order") {
    for (const char* text : {"null", "true", "-7", "18446744073709551615", "1.5e3", "\"\\u00e9\\ud83d\\ude00\"", "[]",
                             "{}", "[1, [2, {\"a\": [3]}], \"x\"]", "{\"z\": 1, \"a\": {\"y\": [], \"b\": null}}"}) {
        CAPTURE(text);
        CHECK(parseJson(text, "x") == Json::parse(text));
        CHECK(parseJson(text, "x").dump() == Json::parse(text).dump());
    }
}

TEST_CASE("texts that are no JSON are told where") {
    const auto failure = [](const std::string& text) -> std::string {
        try {
            static_cast<void>(parseJson(text, "x"));
        } catch (const Error& error) {
            return error.what();
        }
        return "no error";
    };
    CHECK(failure("") == "x: expected JSON, found a syntax error at byte 1");
    CHECK(failure("{\"a\": 1,}") == "x: expected JSON, found a syntax error at byte 9");
    CHECK(failure("1 2") == "x: expected JSON, found a syntax error at byte 3");
    CHECK(failure("\"\xFF\"") == "x: expected JSON, found a syntax error at byte 2");
    CHECK(failure("1e999") == "x: expected JSON, found a number beyond double precision");
    CHECK(failure("[{\"a\": 1, \"b\": 2, \"a\": 3}]") == "x: expected JSON, found \"a\" twice in one object");
    CHECK(failure("{\"a\": {\"a\": {\"a\": 1}}, \"b\": {\"a\": 1}}") == "no error");
    CHECK(failure(std::string(64, '[') + std::string(64, ']')) == "no error");
    CHECK(failure(std::string(65, '[')) == "x: expected JSON, found more than 64 levels of nesting");
    CHECK(failure(std::string(1'000'000, '[')) == "x: expected JSON, found more than 64 levels of nesting");
}

TEST_CASE("an object of very many members is read in time linear in its size") {
    std::string text = "{";
    for (int i = 0; i < 200'000; ++i) text += "\"token" + std::to_string(i) + "\":" + std::to_string(i) + ",";
    text.back() = '}';
    const Json value = parseJson(text, "x");  // minutes if every member searched for its name
    CHECK(value.size() == 200'000);
    CHECK(value.back() == 199'999);
}
