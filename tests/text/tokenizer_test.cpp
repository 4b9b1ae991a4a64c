#include "engine/text/tokenizer.h"

#include <fstream>
#include <iterator>
#include <random>
#include <string>

#include <catch2/catch.hpp>

#include "engine/error.h"
#include "engine/json.h"
#include "engine/text/sentencepiece_tokenizer.h"
#include "engine/utf8.h"

using namespace step3;
using namespace step3::text;
using Ids = std::vector<TokenId>;

namespace {

const std::string kData = STEP3_TEST_DATA;

std::shared_ptr<const Tokenizer> bpe() {
    return Tokenizer::fromFile(kData + "/golden/tiny-bf16/tokenizer.json");
}
std::shared_ptr<const Tokenizer> sentencepiece(const std::string& name) {
    return Tokenizer::fromFile(kData + "/fuzz/corpus/sentencepiece/" + name + ".model");
}

}  // namespace

TEST_CASE("the golden texts have the reference's ids") {
    std::ifstream file(kData + "/golden/tokenizer/tiny.json");
    REQUIRE(file);
    const Json golden = Json::parse(file);
    const auto tokenizer = bpe();
    REQUIRE(golden["cases"].size() > 20);
    for (const Json& item : golden["cases"]) {
        const auto text = item["text"].get<std::string>();
        INFO(text);
        CHECK(tokenizer->encode(text) == item["ids"].get<Ids>());
    }
}

TEST_CASE("special tokens are found in a text, and left out of the decoded one on demand") {
    const auto tokenizer = bpe();
    const auto id = tokenizer->idOf("<im_patch>");
    REQUIRE(id);
    CHECK(tokenizer->isSpecial(*id));
    CHECK(tokenizer->tokenBytes(*id) == "<im_patch>");
    const Ids ids = tokenizer->encode("a<im_patch>b");
    REQUIRE(ids.size() == 3);
    CHECK(ids[1] == *id);
    CHECK(tokenizer->decode(ids) == "a<im_patch>b");
    CHECK(tokenizer->decode(ids, true) == "ab");
    CHECK(!tokenizer->idOf("<no such token>"));
    CHECK(tokenizer->tokenBytes(-1).empty());
    CHECK(tokenizer->tokenBytes(1 << 20).empty());
    CHECK(!tokenizer->isSpecial(1 << 20));
    // A token as the vocabulary spells it.
    CHECK(tokenizer->tokenText(*id) == "<im_patch>");
    for (const auto part : tokenizer->encode("Hello world")) CHECK(tokenizer->idOf(tokenizer->tokenText(part)) == part);
    CHECK(tokenizer->tokenText(tokenizer->encode(" world").front()).starts_with("\u0120"));
    CHECK(tokenizer->tokenText(-1).empty());
    CHECK(tokenizer->tokenText(1 << 20).empty());
}

TEST_CASE("bytes that are no UTF-8 are encoded as the replacement character") {
    const auto tokenizer = bpe();
    CHECK(tokenizer->decode(tokenizer->encode("a\xFF\xE4\xBDz")) == "a\uFFFD\uFFFDz");
}

TEST_CASE("a detokenizer never sends part of a character, and nothing is lost") {
    std::mt19937 rng(1);
    for (const auto& tokenizer : {bpe(), sentencepiece("bpe")}) {
        for (const bool skipSpecial : {false, true}) {
            for (int round = 0; round < 300; ++round) {
                Ids ids;
                for (unsigned i = rng() % 40; i > 0; --i)
                    ids.push_back(static_cast<TokenId>(rng() % static_cast<unsigned>(tokenizer->vocabSize() + 3)) - 1);
                Detokenizer stream(tokenizer, skipSpecial);
                std::string text;
                for (const TokenId id : ids) {
                    const std::string piece = stream.push(id);
                    REQUIRE(validUtf8(piece) == piece);
                    text += piece;
                }
                const std::string rest = stream.flush();
                REQUIRE(validUtf8(rest) == rest);
                REQUIRE(text + rest == tokenizer->decode(ids, skipSpecial));
            }
        }
    }
}

TEST_CASE("a character in several tokens is sent with its last") {
    const auto tokenizer = bpe();
    const Ids ids = tokenizer->encode("😀");
    REQUIRE(ids.size() > 1);
    Detokenizer stream(tokenizer);
    for (std::size_t i = 0; i + 1 < ids.size(); ++i) CHECK(stream.push(ids[i]).empty());
    CHECK(stream.push(ids.back()) == "😀");
    CHECK(stream.flush().empty());
    CHECK(stream.push(ids.front()).empty());
    CHECK(stream.flush() == "\uFFFD");
}

TEST_CASE("a sentencepiece model gives its ids") {
    const auto tokenizer = sentencepiece("bpe");
    CHECK(tokenizer->vocabSize() == 400);
    CHECK(tokenizer->encode("hello world 123") == Ids{336, 266, 325, 341, 272, 314, 284, 336, 371, 373, 367});
    CHECK(tokenizer->encode("  two  spaces") == Ids{262, 355, 341, 271, 349, 305, 265});
    CHECK(tokenizer->encode("Step3 <im_patch> 你好 😀") ==
          Ids{336, 370, 291, 367, 336, 3, 336, 232, 193, 164, 233, 169, 193, 336, 244, 163, 156, 132});
    CHECK(tokenizer->encode("").empty());
    CHECK(tokenizer->isSpecial(3));  // <im_patch>
    CHECK(tokenizer->idOf("<im_patch>") == 3);
    CHECK(tokenizer->isSpecial(1));  // <s>
    CHECK(!tokenizer->isSpecial(336));
    CHECK(tokenizer->tokenBytes(232) == "\xE4");
    CHECK(tokenizer->tokenBytes(272) == " w");
    CHECK(tokenizer->tokenText(272) == "\u2581w");
    CHECK(tokenizer->tokenText(232) == "<0xE4>");
    CHECK(tokenizer->tokenText(400).empty());
    CHECK(!tokenizer->idOf("no such piece"));
    CHECK(tokenizer->decode({336, 232, 193, 164}) == " 你");
    CHECK(tokenizer->decode({336, 232, 193}) == " \uFFFD");
    CHECK(tokenizer->decode({3, 341}, true) == "o");

    const auto unigram = sentencepiece("unigram");
    CHECK(unigram->encode("hello world 123") == Ids{3, 62, 13, 13, 9, 84, 13, 11, 119});
    CHECK(unigram->decode({0}) == "\uFFFD");  // the unknown piece
}

TEST_CASE("what is no sentencepiece model is refused with the file's name") {
    for (const std::string bytes : {"", "nonsense", "\n\xFF\xFF\xFF\xFF\x0F"}) {
        try {
            static_cast<void>(makeSentencepiece(bytes, "tokenizer.model"));
            FAIL("it was accepted");
        } catch (const Error& error) {
            CHECK(error.code() == ErrorCode::kInvalidData);
            CHECK_THAT(error.what(), Catch::StartsWith("tokenizer.model: expected a sentencepiece model"));
        }
    }
}

TEST_CASE("a sentencepiece model with a piece its trie cannot hold is refused") {
    std::ifstream file(kData + "/fuzz/corpus/sentencepiece/unigram.model", std::ios::binary);
    std::string model((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
    const std::size_t piece = model.find("</s>");
    REQUIRE(piece != std::string::npos);
    REQUIRE(model[piece + 4 + 5] == '\x18');  // the field "type" behind the score, here 3: control
    model[piece] = '\0';
    model[piece + 4 + 6] = 4;  // user defined
    try {
        static_cast<void>(makeSentencepiece(model, "tokenizer.model"));
        FAIL("it was accepted");
    } catch (const Error& error) {
        CHECK(error.code() == ErrorCode::kInvalidData);
        CHECK_THAT(error.what(), Catch::StartsWith("tokenizer.model: expected a sentencepiece model, found: "));
    }
}

TEST_CASE("lengths of UTF-8 characters") {
    CHECK(utf8Length("a") == 1);
    CHECK(utf8Length("é") == 2);
    CHECK(utf8Length("你") == 3);
    CHECK(utf8Length("😀") == 4);
    CHECK(utf8Length("\xF0\x9F\x98") == 0);
    CHECK(utf8Length("\xE4") == 0);
    CHECK(utf8Length("\xE4z") == -1);
    CHECK(utf8Length("\xF0\x9F\x98z") == -3);
    CHECK(utf8Length("\x80") == -1);
    CHECK(utf8Length("\xC0\x80") == -1);      // overlong
    CHECK(utf8Length("\xED\xA0\x80") == -1);  // surrogate
    CHECK(utf8Length("\xF4\x90\x80\x80") == -1);
    CHECK(validUtf8("\xED\xA0\x80") == "\uFFFD\uFFFD\uFFFD");
    CHECK(validUtf8("ok \xF0\x9F\x98") == "ok \uFFFD");
}

TEST_CASE("errors are one line of UTF-8 whatever they name") {
    CHECK(std::string(Error(ErrorCode::kIo, "a\nb\x1B[31m\xFF").what()) == "a b [31m\uFFFD");
}
