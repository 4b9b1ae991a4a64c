// Words that must not be said: which tokens they ban, and when.

#include "engine/sampling/bad_words.h"

#include <map>

#include <catch2/catch.hpp>

#include "engine/sampling/sampler.h"

using namespace step3;
using Ids = std::vector<std::int32_t>;

namespace {

/// Knows whole texts only.
class Phrases final : public text::Tokenizer {
public:
    explicit Phrases(std::map<std::string, Ids> phrases) : phrases_(std::move(phrases)) {}
    [[nodiscard]] Ids encode(std::string_view text) const override { return phrases_.at(std::string(text)); }
    [[nodiscard]] std::string tokenBytes(text::TokenId) const override { return {}; }
    [[nodiscard]] std::optional<text::TokenId> idOf(std::string_view) const override { return std::nullopt; }
    [[nodiscard]] bool isSpecial(text::TokenId) const override { return false; }
    [[nodiscard]] std::int64_t vocabSize() const override { return 10; }
    [[nodiscard]] std::string decode(const Ids&, bool) const override { return {}; }

private:
    std::map<std::string, Ids> phrases_;
};

Ids banned(const sampling::BadWords& words, const Ids& answer) {
    Ids ids;
    words.appendBanned(answer, ids);
    return ids;
}

}  // namespace

TEST_CASE("a word of one token is banned always, in both of its forms") {
    const Phrases tokenizer({{"red", {5}}, {" red", {6}}});
    for (const char* word : {"red", "  red"}) {
        const sampling::BadWords words({word}, tokenizer);
        CHECK(banned(words, {}) == Ids{5, 6});
        CHECK(banned(words, {1, 2}) == Ids{5, 6});
    }
}

TEST_CASE("of several tokens the last is banned where the answer ends with the others") {
    const Phrases tokenizer({{"a b", {1, 2, 3}}, {" a b", {4, 2, 3}}, {"one", {7}}, {" one", {8, 7}}});
    const sampling::BadWords words({"a b", "one"}, tokenizer);
    CHECK(banned(words, {}) == Ids{7});  // " one" is longer: not another form of one token
    CHECK(banned(words, {1}) == Ids{7});
    CHECK(banned(words, {9, 1, 2}) == Ids{3, 7});
    CHECK(banned(words, {4, 2}) == Ids{3, 7});
    CHECK(banned(words, {1, 2, 9}) == Ids{7});
    CHECK(banned(words, {1, 3}) == Ids{7});
}

TEST_CASE("no words ban nothing") {
    CHECK(banned(sampling::BadWords({}, Phrases({})), {1}).empty());
    CHECK(banned(sampling::BadWords({" "}, Phrases({{"", {}}, {" ", {9}}})), {1}).empty());
}

TEST_CASE("only allowed tokens are drawn") {
    sampling::SamplingParams params;
    params.allowedTokenIds = {2, 4};
    for (const float temperature : {0.0F, 1.0F}) {
        params.temperature = temperature;
        params.seed = 1;
        sampling::Sampler sampler(params, {}, 6);
        for (int i = 0; i < 20; ++i) {
            std::vector<float> logits{9, 8, 1, 7, 2, 6};
            const std::int32_t id = sampler.sample(logits);
            CHECK((id == 4 || (temperature > 0 && id == 2)));
        }
        std::vector<float> logits{9, 8, 1, 7, 2, 6};
        CHECK_THROWS_WITH(sampler.sample(logits, Ids{2, 4}), Catch::Contains("every token banned"));
    }
}
