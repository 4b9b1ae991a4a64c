// The prefix cache: names of blocks, and what requests find of each other's prompts.

#include <filesystem>
#include <numeric>

#include <catch2/catch.hpp>

#include "engine/engine.h"
#include "engine/serving/block_names.h"
#include "tests/serving/fakes.h"

using namespace step3;
using namespace step3::serving;
using namespace step3::serving::testing;

namespace {

const std::filesystem::path kGolden = std::filesystem::path(STEP3_TEST_DATA) / "golden";
constexpr std::int32_t kBlock = 64;

std::unique_ptr<Engine> open(bool prefixCache, std::int64_t pages = 1000) {
    OpenOptions options;
    options.model = kGolden / "tiny-fp8";
    options.threads = 2;
    options.prefixCache = prefixCache;
    options.kvMemoryBytes = static_cast<std::uint64_t>(pages) * 64 * 5 * 2 * 64 * 2;  // 5 layers, D = 64, BF16
    return Engine::open(options);
}

Message turn(const std::string& role, const std::string& text, std::shared_ptr<const image::Image> picture = nullptr) {
    Message message;
    message.role = role;
    if (picture) message.parts.push_back({Message::Part::Kind::kImage, "", std::move(picture)});
    message.parts.push_back({Message::Part::Kind::kText, text, nullptr});
    return message;
}

std::shared_ptr<const image::Image> picture(std::uint8_t shade) {
    auto result = std::make_shared<image::Image>(image::Image{64, 48, {}});
    result->rgb.resize(64 * 48 * 3, 90);
    result->rgb.back() = shade;
    return result;
}

Request request(std::vector<Message> messages, std::int32_t maxTokens = 10) {
    Request result;
    result.messages = std::move(messages);
    result.sampling.maxTokens = maxTokens;
    result.sampling.ignoreEos = true;
    return result;
}

struct Outcome {
    std::string text;
    Usage usage;
};
Outcome answer(Engine& engine, const Request& request) {
    EventLog log;
    engine.submit(request, log.sink());
    const auto events = log.wait();
    return {reasoningOf(events) + textOf(events), finishedOf(events).usage};
}

const std::string kLong =
    "Please tell everything about the colours, the shapes, the words and the numbers that are to be seen here, and say "
    "how sure you are of each of them; leave nothing out, and do not guess.";

ExpandedPrompt promptOf(std::vector<std::int32_t> ids, std::vector<std::int32_t> positions = {},
                        std::vector<std::int32_t> counts = {}) {
    ExpandedPrompt prompt;
    prompt.ids = std::move(ids);
    prompt.rowPositions = std::move(positions);
    prompt.pictureRows = std::move(counts);
    return prompt;
}

std::vector<afd::BlockName> namesOf(const BlockNames& names, const ExpandedPrompt& prompt,
                                    std::vector<afd::BlockName> pictures = {}) {
    std::vector<afd::BlockName> result;
    names.extend(result, prompt.ids, prompt, pictures);
    return result;
}

}  // namespace

TEST_CASE("SipHash gives the values of its reference") {
    const SipHash hash({0x0706050403020100U, 0x0f0e0d0c0b0a0908U});
    std::vector<std::uint8_t> bytes(63);
    std::iota(bytes.begin(), bytes.end(), std::uint8_t{0});
    CHECK(hash({}) == SipHash::Value{0xe6a825ba047f81a3U, 0x930255c71472f66dU});
    CHECK(hash(std::span(bytes).first(1)) == SipHash::Value{0x44af996bd8c187daU, 0x45fc229b11597634U});
    CHECK(hash(std::span(bytes).first(8)) == SipHash::Value{0x61f55862baa9623bU, 0xb49714f364e2830fU});
    CHECK(hash(bytes) == SipHash::Value{0x4a83502f77d15051U, 0x7cbd3f979a063e50U});
}

TEST_CASE("a block's name depends on its tokens, what is before it and the pictures' pixels") {
    const BlockNames names(4);
    const auto plain = namesOf(names, promptOf({1, 2, 3, 4, 5, 6, 7, 8, 9}));
    REQUIRE(plain.size() == 2);
    CHECK(plain[0] != plain[1]);
    CHECK(namesOf(names, promptOf({1, 2, 3, 4, 5, 6, 7, 8})) == plain);
    const auto otherStart = namesOf(names, promptOf({0, 2, 3, 4, 5, 6, 7, 8}));
    CHECK(otherStart[0] != plain[0]);
    CHECK(otherStart[1] != plain[1]);
    CHECK(namesOf(BlockNames(4), promptOf({1, 2, 3, 4})) != namesOf(names, promptOf({1, 2, 3, 4})));  // own keys

    const afd::BlockName red = names.ofPicture(*picture(1)), blue = names.ofPicture(*picture(2));
    CHECK(red == names.ofPicture(*picture(1)));
    CHECK(red != blue);
    const ExpandedPrompt pictures = promptOf({1, 9, 9, 2, 9, 9, 3, 3}, {1, 2, 4, 5}, {2, 2});
    const auto both = namesOf(names, pictures, {red, blue});
    CHECK(namesOf(names, pictures, {red, blue}) == both);
    CHECK(namesOf(names, pictures, {red, red})[0] == both[0]);
    CHECK(namesOf(names, pictures, {red, red})[1] != both[1]);
    CHECK(namesOf(names, pictures, {blue, blue})[0] != both[0]);
    CHECK(namesOf(names, promptOf({1, 9, 9, 2, 9, 9, 3, 3}))[0] != both[0]);

    std::vector<afd::BlockName> growing;
    const ExpandedPrompt none = promptOf({1, 2, 3, 4, 5, 6, 7, 8});
    names.extend(growing, std::span(none.ids).first(5), none, {});
    CHECK(growing.size() == 1);
    names.extend(growing, none.ids, none, {});
    CHECK(growing == plain);
}

TEST_CASE("the second turn of a conversation reads only what is new and answers the same") {
    const auto cached = open(true);
    const auto plain = open(false);
    std::vector<Message> messages{turn("user", kLong, picture(1))};
    const Outcome first = answer(*cached, request(messages));
    CHECK(first.usage.cachedTokens == 0);
    CHECK(answer(*plain, request(messages)).text == first.text);
    messages.push_back(turn("assistant", "It is grey."));
    messages.push_back(turn("user", "And what else?"));
    const Outcome second = answer(*cached, request(messages));
    CHECK(second.usage.cachedTokens % kBlock == 0);
    CHECK(second.usage.cachedTokens > first.usage.promptTokens - 2 * kBlock);
    const Outcome same = answer(*plain, request(messages));
    CHECK(second.text == same.text);
    CHECK(same.usage.cachedTokens == 0);
    const Metrics metrics = cached->metrics();
    CHECK(metrics.prefixQueryTokens ==
          static_cast<std::uint64_t>(first.usage.promptTokens) + static_cast<std::uint64_t>(second.usage.promptTokens));
    CHECK(metrics.prefixHitTokens == static_cast<std::uint64_t>(second.usage.cachedTokens));
    CHECK(metrics.promptTokens == metrics.prefixQueryTokens);
    CHECK(metrics.promptCachedTokens == metrics.prefixHitTokens);
    CHECK(metrics.imagesEncoded == 1);
    CHECK(metrics.imageCacheHits == 1);  // its rows are in the blocks that were found
    CHECK(metrics.kvBlocksUsed == 0);
    CHECK(metrics.kvBlocksCached > 0);
    CHECK(plain->metrics().prefixQueryTokens == 0);
    CHECK(plain->metrics().kvBlocksCached == 0);
}

TEST_CASE("another picture in the same words is not taken for the first") {
    const auto cached = open(true);
    const auto plain = open(false);
    const std::vector<Message> one{turn("user", kLong, picture(1))}, other{turn("user", kLong, picture(200))};
    const Outcome first = answer(*cached, request(one));
    const Outcome second = answer(*cached, request(other));
    CHECK(second.usage.cachedTokens == 0);  // the picture is in the first block
    CHECK(second.text == answer(*plain, request(other)).text);
    const Outcome again = answer(*cached, request(one));
    CHECK(again.usage.cachedTokens == (first.usage.promptTokens - 1) / kBlock * kBlock);
    CHECK(again.text == first.text);
    CHECK(cached->metrics().imagesEncoded == 2);
}

TEST_CASE("what is forgotten when room is needed is read again with the same answer") {
    const auto small = open(true, 6);
    const Outcome first = answer(*small, request({turn("user", kLong)}));
    const auto found = [&] { return answer(*small, request({turn("user", kLong)})); };
    CHECK(found().usage.cachedTokens > 0);
    for (int i = 0; i < 3; ++i) answer(*small, request({turn("user", std::to_string(i) + kLong + kLong)}, 60));
    const Outcome later = found();
    CHECK(later.usage.cachedTokens < (first.usage.promptTokens - 1) / kBlock * kBlock);
    CHECK(later.text == first.text);
    CHECK(small->metrics().kvBlocksUsed == 0);
}

TEST_CASE("a cancelled request leaves no block behind") {
    const auto engine = open(true, 20);
    for (int i = 0; i < 4; ++i) {
        EventLog log;
        Gate gate;
        int events = 0;
        const RequestId id = engine->submit(request({turn("user", kLong)}, 500), log.sink([&](const Event&) {
            if (++events == 2 + 3 * i) gate.pass();
        }));
        gate.waitForGuest();
        engine->cancel(id);
        gate.open();
        CHECK(finishedOf(log.wait()).reason == FinishReason::kCancelled);
        CHECK(engine->metrics().kvBlocksUsed == 0);
    }
    CHECK(engine->metrics().kvTokensUsed == 0);
}

TEST_CASE("several answers to one prompt share its blocks") {
    const auto engine = open(true);
    EventLog log;
    std::vector<EventSink> sinks{log.sink(), log.sink(), log.sink()};
    engine->submitChoices(request({turn("user", kLong)}), std::move(sinks));
    const Usage leader = finishedOf(log.wait(0)).usage;
    CHECK(leader.cachedTokens == 0);
    for (std::size_t i = 1; i < 3; ++i) {
        CHECK(finishedOf(log.wait(i)).usage.cachedTokens == (leader.promptTokens - 1) / kBlock * kBlock);
        CHECK(textOf(log.wait(i)) == textOf(log.wait(0)));
    }
}
