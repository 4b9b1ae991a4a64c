#include "engine/serving/markup_guard.h"

#include <catch2/catch.hpp>

#include "tests/serving/fakes.h"

using namespace step3;
using namespace step3::serving;
using testing::FakeTokenizer;

namespace {

constexpr text::TokenId kPatch = 4, kEnd = 5, kUnreachable = 7;

const FakeTokenizer& tokenizer() {
    static const FakeTokenizer instance({"<", ">", "a", "｜", "<im_patch>", "<|EOT|>", "\n", "", "<think>", "patch",
                                         "im_", "|EOT|", "ab", "think", "<<", "｜x｜"},
                                        {kPatch, kEnd, 6, kUnreachable, 15});
    return instance;
}

const MarkupGuard& guard() {
    static const MarkupGuard instance(tokenizer(), [] {
        model::ModelConfig config;
        config.generation.eosTokenIds = {12};  // "ab" ends an answer here
        return config;
    }());
    return instance;
}

using Cuts = std::vector<std::size_t>;

}  // namespace

TEST_CASE("only the exact text of markup is cut, after its first character") {
    CHECK(guard().cuts("").empty());
    CHECK(guard().cuts("a < b > im_patch <im_patc> |EOT|").empty());
    CHECK(guard().cuts("<im_patch>") == Cuts{1});
    CHECK(guard().cuts("x<im_patch>y<|EOT|>") == Cuts{2, 13});
    CHECK(guard().cuts("<<im_patch>") == Cuts{2});
    CHECK(guard().cuts("a\nb\n").empty());      // one-character tokens are no markup
    CHECK(guard().cuts("<think>") == Cuts{1});  // by its name, though it is no special token
    CHECK(guard().cuts("cab") == Cuts{2});      // by the model's stop tokens
    CHECK(guard().cuts("｜x｜") == Cuts{3});    // a character of three bytes
}

TEST_CASE("what a cut leaves is searched again") {
    const FakeTokenizer overlapping({"x", "xyx", "yxy", "y"}, {1, 2});
    const MarkupGuard twice(overlapping, {});
    CHECK(twice.cuts("xyxy") == Cuts{1, 2});  // cut as x|yxy, the rest would be the other token
    CHECK(MarkupGuard::encode(overlapping, twice.marked("xyxy", "#"), "#") == std::vector<text::TokenId>{0, 3, 0, 3});
}

TEST_CASE("guarded text spells markup out and encodes all else as ever") {
    const std::string mark = MarkupGuard::chooseMark([](const std::string&) { return false; });
    const auto encode = [&](const std::string& text) {
        return MarkupGuard::encode(tokenizer(), guard().marked(text, mark), mark);
    };
    CHECK(encode("a<im_patch>a") == std::vector<text::TokenId>{2, 0, 10, 9, 1, 2});
    CHECK(encode("<|EOT|>") == std::vector<text::TokenId>{0, 11, 1});
    CHECK(encode("a<>a\n") == tokenizer().encode("a<>a\n"));
    CHECK(tokenizer().decode(encode("a<im_patch><|EOT|>a"), false) == "a<im_patch><|EOT|>a");
}

TEST_CASE("a token that begins in one text and ends in the next is cut too") {
    using Texts = std::vector<std::string>;
    CHECK(guard().markedTogether({"a<im_", "patch>a"}, "#") == Texts{"a<#im_", "patch>a"});
    CHECK(guard().markedTogether({"<", "im_patch>"}, "#") == Texts{"<#", "im_patch>"});
    CHECK(guard().markedTogether({"a", "", "b"}, "#") == Texts{"a#", "", "b"});
    CHECK(guard().markedTogether({"<im_patch", "", "><|EOT|>"}, "#") == Texts{"<#im_patch", "", "><#|EOT|>"});
}

TEST_CASE("the mark is one that the texts do not contain") {
    const std::string first = MarkupGuard::chooseMark([](const std::string&) { return false; });
    const std::string second = MarkupGuard::chooseMark([&](const std::string& mark) { return mark == first; });
    CHECK(first == "\xEF\xB7\x90");  // U+FDD0
    CHECK(second == "\xEF\xB7\x91");
    CHECK(MarkupGuard::chooseMark([](const std::string&) { return true; }).empty());
}
