#include "engine/text/byte_level_bpe.h"

#include <array>
#include <fstream>
#include <functional>
#include <random>
#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include "engine/error.h"
#include "engine/json.h"
#include "engine/text/added_tokens.h"
#include "engine/text/bpe_merges.h"
#include "engine/text/deepseek_splitter.h"
#include "engine/text/regex_splitter.h"
#include "engine/text/vocabulary.h"
#include "engine/utf8.h"

using namespace std::string_literals;
using namespace step3;
using namespace step3::text;

namespace {

const std::string kData = STEP3_TEST_DATA;

Json readJson(const std::string& name) {
    std::ifstream file(kData + "/golden/" + name);
    REQUIRE(file);
    return Json::parse(file);
}

/// The smallest tokenizer.json there is, changed by `change`.
std::string tokenizerJson(const std::function<void(Json&)>& change) {
    Json root = {{"pre_tokenizer", {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"use_regex", true}}},
                 {"model",
                  {{"type", "BPE"},
                   {"vocab", {{"a", 0}, {"b", 1}, {"ab", 2}, {"Ġ", 3}}},
                   {"merges", Json::array({Json::array({"a", "b"})})}}}};
    change(root);
    return root.dump();
}

std::string failure(const std::string& json) {
    try {
        makeByteLevelBpe(json, "tokenizer.json");
    } catch (const Error& error) {
        return error.what();
    }
    return "nothing was wrong";
}

}  // namespace

TEST_CASE("texts of all scripts are cut and encoded as the reference does") {
    const Json golden = readJson("tokenizer/mixed.json");
    const auto tokenizer = Tokenizer::fromFile(kData + "/golden/tiny-bf16/tokenizer.json");
    REQUIRE(golden["cases"].size() == 300);
    std::string whole;
    for (const Json& item : golden["cases"]) {
        const auto text = item["text"].get<std::string>();
        std::vector<std::string_view> pieces;
        splitDeepSeek(text, pieces);
        std::vector<std::size_t> sizes;
        std::string joined;
        for (const std::string_view piece : pieces) {
            sizes.push_back(piece.size());
            joined += piece;
        }
        CHECK(sizes == item["pieces"].get<std::vector<std::size_t>>());
        CHECK(joined == text);
        const auto ids = tokenizer->encode(text);
        CHECK(ids == item["ids"].get<std::vector<TokenId>>());
        CHECK(tokenizer->decode(ids) == text);
        whole += text + "\n";
    }
    // Enough text for the cache of pieces to matter.
    CHECK(tokenizer->decode(tokenizer->encode(whole + whole)) == whole + whole);
}

TEST_CASE("the written-out splitter agrees with the regular expressions applied in sequence") {
    std::vector<RegexSplitter> splitters;
    for (const std::string_view pattern : kDeepSeekPatterns)
        splitters.emplace_back(std::string(pattern), false, "test");
    // Characters of every class the patterns tell apart, and both sides of every border.
    const std::u32string pool =
        U"aZé\u00dfПعक한々〇一龥\u9fa6\u4dff\u303f\u3040\u3041\u309f\u3097\u3099\u309b\u30a0・ーア\u30ff\u3100"
        U"019٣Ⅷ²½\u0301\u20dd!'\"#.,;:-_~`^$+<>|\\/@[](){}€©→😀   \t\v\f\r\n\r\n\u0085\u00a0\u2003\u2028\u3000"
        U"\u200b\u200d\ufeff\u0001\u0000\u007f\ue000\U0010ffff\u0378"s;
    std::mt19937 random(7);
    std::uniform_int_distribution<std::size_t> pick(0, pool.size() - 1);
    for (int round = 0; round < 20000; ++round) {
        std::string text;
        for (std::size_t length = 1 + random() % 12; length > 0; --length) {
            const char32_t c = pool[pick(random)];
            for (std::size_t repeat = random() % 4 == 0 ? 1 + random() % 4 : 1; repeat > 0; --repeat)
                appendUtf8(text, c);
        }
        std::vector<std::string_view> expected{text};
        for (const RegexSplitter& splitter : splitters) {
            std::vector<std::string_view> next;
            for (const std::string_view piece : expected) splitter.split(piece, next);
            expected = std::move(next);
        }
        std::vector<std::string_view> found;
        splitDeepSeek(text, found);
        if (found != expected) {
            INFO(Json(text).dump());
            REQUIRE(found == expected);
        }
    }
}

TEST_CASE("merging by array and by heap both take the lowest rank, leftmost first") {
    std::mt19937 random(3);
    for (int round = 0; round < 300; ++round) {
        // Random rules over four bytes; a rule's parts are bytes or results of earlier rules.
        std::array<TokenId, 256> byteIds{};
        byteIds.fill(-1);
        for (int b = 0; b < 4; ++b) byteIds[static_cast<std::size_t>('a' + b)] = b;
        struct Rule {
            TokenId left, right, merged;
        };
        std::vector<Rule> rules;
        BpeMerges merges(byteIds, 24);
        for (int r = 0; r < 24; ++r) {
            const auto any = [&] { return static_cast<TokenId>(random() % static_cast<unsigned>(4 + r)); };
            rules.push_back({any(), any(), 4 + r});
            merges.add(rules.back().left, rules.back().right, static_cast<std::uint32_t>(r), rules.back().merged);
        }
        const std::size_t lengths[] = {0, 1, 2, 7, BpeMerges::kArraySymbols, BpeMerges::kArraySymbols + 1, 200};
        for (const std::size_t length : lengths) {
            std::string piece;
            while (piece.size() < length) piece += "abcd?"[random() % 5];  // no token for "?"
            std::vector<TokenId> expected;
            for (const char c : piece)
                if (c != '?') expected.push_back(c - 'a');
            for (bool merged = true; merged;) {
                merged = false;
                for (const Rule& rule : rules) {
                    for (std::size_t i = 0; i + 1 < expected.size(); ++i) {
                        if (expected[i] != rule.left || expected[i + 1] != rule.right) continue;
                        expected[i] = rule.merged;
                        expected.erase(expected.begin() + static_cast<std::ptrdiff_t>(i) + 1);
                        merged = true;
                        break;
                    }
                    if (merged) break;
                }
            }
            std::vector<TokenId> found;
            merges.encode(piece, found);
            CHECK(found == expected);
        }
    }
}

TEST_CASE("a vocabulary finds its tokens by text and by id") {
    Vocabulary vocabulary;
    CHECK_FALSE(vocabulary.find("x").has_value());
    for (TokenId id = 0; id < 3000; ++id)
        REQUIRE(vocabulary.add(2 * id, "token" + std::to_string(id), std::to_string(id), false));
    CHECK(vocabulary.size() == 5999);
    CHECK(vocabulary.find("token2999") == 5998);
    CHECK(vocabulary.bytes(5998) == "2999");
    CHECK(vocabulary.bytes(1).empty());
    CHECK(vocabulary.bytes(-1).empty());
    CHECK(vocabulary.bytes(6000).empty());
    CHECK_FALSE(vocabulary.find("token3000").has_value());
    CHECK_FALSE(vocabulary.add(2, "new", "new", false));
    CHECK_FALSE(vocabulary.add(1, "token7", "7", false));
    vocabulary.makeVerbatim(14, true);
    CHECK(vocabulary.bytes(14) == "token7");
    CHECK(vocabulary.isSpecial(14));
}

TEST_CASE("added tokens are found leftmost, then longest") {
    AddedTokens tokens;
    tokens.add("<a>", 1);
    tokens.add("<a><b>", 2);
    tokens.add("bc", 3);
    AddedTokens::Found found;
    CHECK(tokens.next("x<a><a><b>", 0, found) == 1);
    CHECK((found.id == 1 && found.length == 3));
    CHECK(tokens.next("x<a><a><b>", 4, found) == 4);
    CHECK((found.id == 2 && found.length == 6));
    CHECK(tokens.next("<a", 0, found) == 2);
    CHECK(found.id == -1);
    CHECK(tokens.next("bbc", 0, found) == 1);
    CHECK(found.id == 3);
}

TEST_CASE("ignore_merges takes a whole piece that is in the vocabulary") {
    const auto change = [](bool ignore) {
        return [ignore](Json& root) {
            root["model"]["ignore_merges"] = ignore;
            root["model"]["vocab"]["Ġab"] = 4;
        };
    };
    const std::string text = " ab";
    CHECK(makeByteLevelBpe(tokenizerJson(change(true)), "t")->encode(text) == std::vector<TokenId>{4});
    CHECK(makeByteLevelBpe(tokenizerJson(change(false)), "t")->encode(text) == std::vector<TokenId>{3, 2});
}

TEST_CASE("defects of a tokenizer.json are named") {
    CHECK(failure(tokenizerJson([](Json&) {})) == "nothing was wrong");
    CHECK_THAT(failure("{"), Catch::Contains("tokenizer.json: expected JSON, found a syntax error at byte"));
    CHECK_THAT(failure("[1]"), Catch::Contains("expected a JSON object, found array"));
    const auto defect = [](const std::function<void(Json&)>& change) { return failure(tokenizerJson(change)); };
    CHECK_THAT(defect([](Json& r) { r["model"]["vocab"]["b"] = "x"; }),
               Catch::Contains("field model.vocab.b: expected an integer, found \"x\""));
    CHECK_THAT(defect([](Json& r) { r["model"]["vocab"]["b"] = Json::array(); }),
               Catch::Contains("field model.vocab.b: expected an integer, found a list"));
    CHECK_THAT(defect([](Json& r) { r["model"]["vocab"]["b"] = -1; }),
               Catch::Contains("model.vocab.b: expected an id from 0"));
    CHECK_THAT(defect([](Json& r) { r["model"]["vocab"]["b"] = 1e30; }),
               Catch::Contains("model.vocab.b: expected an integer"));
    CHECK_THAT(defect([](Json& r) { r["model"]["vocab"]["b"] = ~0ULL; }),
               Catch::Contains("model.vocab.b: expected an id"));
    CHECK_THAT(defect([](Json& r) { r["model"]["vocab"]["b"] = 0; }),
               Catch::Contains("id 0: expected one token, found two"));
    CHECK_THAT(defect([](Json& r) { r["model"]["vocab"] = 3; }), Catch::Contains("model.vocab: expected an object"));
    CHECK_THAT(defect([](Json& r) { r["model"].erase("vocab"); }),
               Catch::Contains("model.vocab: expected an object of tokens and ids, found nothing"));
    CHECK_THAT(defect([](Json& r) { r["model"].erase("merges"); }),
               Catch::Contains("model.merges: expected a list, found nothing"));
    CHECK_THAT(defect([](Json& r) { r["model"]["merges"].push_back("ab"); }),
               Catch::Contains("model.merges[1]: expected two tokens, found \"ab\""));
    CHECK_THAT(defect([](Json& r) { r["model"]["merges"].push_back(7); }),
               Catch::Contains("model.merges[1]: expected two tokens, found 7"));
    CHECK_THAT(defect([](Json& r) { r["model"]["merges"].push_back(Json::array({"a"})); }),
               Catch::Contains("model.merges[1]: expected two tokens, found a list of 1"));
    CHECK_THAT(defect([](Json& r) {
                   r["model"]["merges"].push_back(Json::array({"a", Json::array()}));
               }),
               Catch::Contains("model.merges[1]: expected two tokens"));
    CHECK_THAT(defect([](Json& r) { r["model"]["merges"].push_back("a z"); }),
               Catch::Contains("model.merges[1]: expected tokens of model.vocab"));
    CHECK_THAT(defect([](Json& r) {
                   r["added_tokens"] = Json::array({{{"content", "<x>"}, {"id", 1}}});
               }),
               Catch::Contains("id 1: expected one token"));
    CHECK_THAT(defect([](Json& r) {
                   r["normalizer"] = {{"type", "NFC"}};
               }),
               Catch::Contains("field normalizer: expected none"));
    CHECK_THAT(defect([](Json& r) {
                   r["pre_tokenizer"] = {{"type", "Whitespace"}};
               }),
               Catch::Contains("pre_tokenizer.type: expected Split or ByteLevel"));
}
