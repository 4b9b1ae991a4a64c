#include "engine/serving/answer_stream.h"

#include <catch2/catch.hpp>

#include "tests/serving/fakes.h"

using namespace step3;
using namespace step3::serving;
using namespace step3::serving::testing;

namespace {

const std::vector<std::string> kTokens{"a",
                                       "b",
                                       "c",
                                       "\n",
                                       "</think>",
                                       "<|EOT|>",
                                       "\xE5\xA4",
                                       "\xA9",
                                       "<｜tool_calls_begin｜>",
                                       "<｜tool_call_begin｜>",
                                       "<｜tool_sep｜>",
                                       "<｜tool_call_end｜>",
                                       "<｜tool_calls_end｜>",
                                       "function",
                                       "<steptml:invoke name=\"f\">",
                                       "<steptml:parameter name=\"x\">",
                                       "1",
                                       "</steptml:parameter>",
                                       "</steptml:invoke>",
                                       "ab"};

std::shared_ptr<const text::Tokenizer> tokenizer() {
    return std::make_shared<const FakeTokenizer>(kTokens, std::set<text::TokenId>{5});
}

struct Run {
    std::vector<Event> events;
    std::vector<std::string> pieces;  // text emitted by each push
    std::optional<std::string> stop;
    std::int32_t reasoningTokens = 0;
    int calls = 0;
};

Run run(const std::vector<text::TokenId>& ids, const sampling::SamplingParams& params = {}, const Json& tools = nullptr,
        bool reasoning = false) {
    AnswerStream stream(tokenizer(), params, tools, reasoning);
    Run result;
    const auto keep = [&](const std::vector<Event>& events) {
        result.pieces.push_back(reasoningOf(events) + textOf(events));
        result.events.insert(result.events.end(), events.begin(), events.end());
    };
    for (const text::TokenId id : ids) {
        keep(stream.push(id));
        if (stream.stopString()) break;
    }
    keep(stream.finish());
    result.stop = stream.stopString();
    result.reasoningTokens = stream.reasoningTokens();
    result.calls = stream.toolCallCount();
    return result;
}

sampling::SamplingParams stopAt(std::vector<std::string> stop) {
    sampling::SamplingParams params;
    params.stop = std::move(stop);
    return params;
}

}  // namespace

TEST_CASE("text that may become a stop string is held back, and no more") {
    const Run result = run({0, 1, 0, 1, 2, 2}, stopAt({"abc"}));
    CHECK(result.pieces == std::vector<std::string>{"", "", "ab", "", "", ""});
    CHECK(textOf(result.events) == "ab");
    CHECK(result.stop == "abc");
}

TEST_CASE("text flows on at once if it cannot start a stop string") {
    const Run result = run({2, 0, 2, 0}, stopAt({"ab"}));
    CHECK(result.pieces == std::vector<std::string>{"c", "", "ac", "", "a"});
    CHECK_FALSE(result.stop);
}

TEST_CASE("the earliest stop string wins, of two at one place the longer") {
    CHECK(run({0, 1, 2}, stopAt({"c", "b"})).stop == "b");
    CHECK(textOf(run({0, 1, 2}, stopAt({"c", "b"})).events) == "a");
    CHECK(run({19}, stopAt({"a", "ab"})).stop == "ab");
}

TEST_CASE("stop strings count from the least number of tokens on") {
    auto params = stopAt({"b"});
    params.minTokens = 3;
    const Run result = run({0, 1, 2, 1, 0}, params);
    CHECK(textOf(result.events) == "abc");
    CHECK(result.stop == "b");
}

TEST_CASE("a character split over tokens comes whole, a broken one as a replacement") {
    CHECK(textOf(run({6, 7}).events) == "天");
    CHECK(textOf(run({0, 6}).events) == "a\xEF\xBF\xBD");
    CHECK(run({6, 7}, stopAt({"天"})).stop == "天");
}

TEST_CASE("special tokens have no text") {
    CHECK(textOf(run({0, 5, 1}).events) == "ab");
}

TEST_CASE("reasoning goes to the first end of thinking and its tokens are counted") {
    const Run result = run({0, 1, 4, 2, 4}, {}, nullptr, true);
    CHECK(reasoningOf(result.events) == "ab");
    CHECK(textOf(result.events) == "c</think>");
    CHECK(result.reasoningTokens == 2);
    CHECK(run({0, 1}, {}, nullptr, true).reasoningTokens == 2);
    CHECK(run({0, 4}, {}, nullptr, false).reasoningTokens == 0);
}

TEST_CASE("a stop string also ends the reasoning") {
    const Run result = run({0, 1, 4, 2}, stopAt({"b"}), nullptr, true);
    CHECK(reasoningOf(result.events) == "a");
    CHECK(textOf(result.events).empty());
}

TEST_CASE("tool calls are events of their own") {
    const Json tools = Json::parse(
        R"([{"type":"function","function":{"name":"f","parameters":{"type":"object","properties":{"x":{"type":"integer"}}}}}])");
    const Run result = run({0, 8, 9, 13, 10, 14, 15, 16, 17, 18, 11, 12}, {}, tools);
    CHECK(textOf(result.events) == "a");
    CHECK(result.calls == 1);
    std::string name;
    std::string arguments;
    for (const Event& event : result.events) {
        if (const auto* delta = std::get_if<ToolCallDelta>(&event)) {
            CHECK(delta->index == 0);
            name += delta->name;
            arguments += delta->arguments;
        }
    }
    CHECK(name == "f");
    CHECK(arguments == R"({"x": 1})");
    CHECK(run({0, 8, 9, 13, 10, 14, 18, 11, 12}).calls == 0);  // without tools the markup is text
}

TEST_CASE("a stop string may be kept") {
    sampling::SamplingParams params;
    params.stop = {"bc"};
    params.includeStopString = true;
    AnswerStream stream(tokenizer(), params, nullptr, false);
    std::string text;
    for (const text::TokenId id : {0, 1, 2}) text += textOf(stream.push(id));
    text += textOf(stream.finish());
    CHECK(text == "abc");
    CHECK(stream.stopString() == "bc");
    params.stop = {"a"};
    AnswerStream early(tokenizer(), params, nullptr, false);  // the match ends inside a token
    CHECK(textOf(early.push(19)) == "a");
}

TEST_CASE("special tokens are shown and ids reported if asked for") {
    const std::vector<text::TokenId> ids{0, 5, 6, 7};
    for (const bool hidden : {true, false}) {
        AnswerStream stream(tokenizer(), {}, nullptr, false, {.skipSpecialTokens = hidden, .tokenIds = true});
        std::vector<Event> events;
        const auto keep = [&](const std::vector<Event>& more) {
            events.insert(events.end(), more.begin(), more.end());
        };
        for (const text::TokenId id : ids) {
            const std::vector<Event> own = stream.push(id);
            REQUIRE(own.size() == 1);  // also of a token without text, or with a part of a character
            CHECK(std::get<TextDelta>(own.front()).tokenIds == std::vector<std::int32_t>{id});
            keep(own);
        }
        stream.pushSilent(5);
        keep(stream.finish());
        CHECK(textOf(events) == (hidden ? "a天" : "a<|EOT|>天"));
        std::vector<std::int32_t> reported;
        for (const Event& event : events) {
            const auto& more = std::get<TextDelta>(event).tokenIds;
            reported.insert(reported.end(), more.begin(), more.end());
        }
        CHECK(reported == std::vector<std::int32_t>{0, 5, 6, 7, 5});
    }
}

TEST_CASE("a token is reported at once while its text waits for what could be a stop string") {
    sampling::SamplingParams params;
    params.stop = {"bc"};
    AnswerStream stream(tokenizer(), params, nullptr, false, {.tokenIds = true});
    const std::vector<Event> held = stream.push(1);
    REQUIRE(held.size() == 1);
    CHECK(std::get<TextDelta>(held.front()).text.empty());
    CHECK(std::get<TextDelta>(held.front()).tokenIds == std::vector<std::int32_t>{1});
    CHECK(textOf(stream.push(0)) == "ba");
}
