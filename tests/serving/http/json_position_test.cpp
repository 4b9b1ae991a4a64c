// Where a body stops being JSON, as Python's json module counts.

#include "engine/serving/http/json_position.h"

#include <catch2/catch.hpp>

using namespace step3::serving::http;

TEST_CASE("the position of an error is Python's") {
    struct Row {
        std::string_view text;
        std::size_t position;  // of json.JSONDecodeError
    };
    static constexpr Row kRows[] = {
        {"{\"messages\": [}", 14},
        {"{", 1},
        {"{\"a\":1", 6},
        {"{\"a\":1,}", 7},
        {"{\"a\" 1}", 5},
        {"nope", 0},
        {"{\"a\":\"b", 5},
        {"{\"a\":tru}", 5},
        {"{\"a\":\"é€\",}", 10},
        {"{\"a\":1}x", 7},
        {"{'a':1}", 1},
        {"{\"a\":01}", 6},
        {"[1,2", 4},
        {"[1,]", 3},
        {"[1 2]", 3},
        {"{\"a\":\"\\x\"}", 6},
        {"{\"a\":\"\\", 5},
        {"{\"a\":\"\\u12\"}", 7},
        {"{\"a\":\"\\u12zz\"}", 7},
        {"{\"a\":\"\\u1234", 7},
        {"\n{\"a\":\n}", 7},
        {"{\"a\":1 \"b\":2}", 7},
        {"[1,", 3},
        {"{\"a\":\"x\ty\"}", 7},
        {"{\"a\":-}", 5},
        {"{\"a\":1.}", 6},
        {"{\"a\":1e}", 6},
        {"{\"a\":1e+}", 6},
        {"{\"a\":.5}", 5},
        {" ", 1},
        {"", 0},
        {"{,}", 1},
        {"{\"a\":}", 5},
        {"{\"a\",1}", 4},
        {"[}", 1},
        {"{]", 1},
        {"[1}", 2},
        {"{\"a\":1]", 6},
        {"{\"a\":[{\"b\":\"c\"},{\"d\"}]}", 20},
        {"-", 0},
        {"+1", 0},
        {"nul", 0},
        {"\"a\" \"b\"", 4},
        {"[tr]", 1},
        {"[[1],,]", 5},
        {"{1:2}", 1},
    };
    for (const Row& row : kRows) {
        INFO(row.text);
        CHECK(jsonErrorPosition(row.text) == row.position);
    }
}

TEST_CASE("a text that Python takes has no error") {
    for (const char* text : {"{}", " [ ] ", "[1, -2.5e+3, \"a\\u00e9\\n\", null, true, false]",
                             "{\"a\": {\"b\": [[], {}]}}", "NaN", "-Infinity", "{\"a\":1,\"a\":2}", "\"\"", "0"}) {
        INFO(text);
        CHECK_FALSE(jsonErrorPosition(text));
    }
}

TEST_CASE("deep nesting takes no stack") {
    CHECK(jsonErrorPosition(std::string(1'000'000, '[')) == 1'000'000U);
}
