// Masks over tokens: against the language itself, token by token, and random walks that follow them to the end.

#include <algorithm>
#include <random>

#include <catch2/catch.hpp>

#include "engine/error.h"
#include "engine/sampling/sampler.h"
#include "engine/sampling/structured/constraint_compiler.h"
#include "engine/sampling/structured/free_text.h"
#include "engine/sampling/structured/gbnf.h"
#include "engine/sampling/structured/json_schema.h"
#include "engine/sampling/structured/structural_tag.h"
#include "tests/sampling/structured_support.h"

using namespace step3;
using namespace step3::sampling::structured;
using namespace step3::sampling::structured::testing;

namespace {

using Kind = StructuredOutput::Kind;

/// Tokens that cross the borders of strings, members and characters.
std::shared_ptr<const ByteTokenizer> tokenizer() {
    return std::make_shared<const ByteTokenizer>(
        std::vector<std::string>{"{\"",    "\":",   "\": ", ",\"",      ", \"",     "\"}",
                                 "\",\"",  "}]",    "]}",   "true",     "false",    "null",
                                 "12",     "34.5",  "e1",   "\xE6\xBC", "\xA2",     "\xE6\xBC\xA2\"",
                                 "é\\n",   "\\u00", "  ",   "\n  ",     "\"name\"", "red",
                                 "redish", "a\"b",  "a",    "",         "</",       "<think>"},
        std::vector<std::string>{"</think>", "<|BOT|>"});
}

std::shared_ptr<ConstraintProgram> compile(const AnswerForm& form, std::int64_t maskSize = 0) {
    const auto words = tokenizer();
    ConstraintCompiler compiler(words, {words->eos()}, std::max(maskSize, words->vocabSize()));
    return compiler.compile(form);
}

AnswerForm formOf(Kind kind, const std::string& text) {
    AnswerForm form;
    form.structured.kind = kind;
    form.structured.text = text;
    return form;
}

std::vector<std::int32_t> allowedIds(TokenConstraint& constraint) {
    const auto mask = constraint.allowed();
    std::vector<std::int32_t> ids;
    for (std::int32_t id = 0; id < mask->vocabSize(); ++id) {
        if (mask->allows(id)) ids.push_back(id);
    }
    CHECK(static_cast<std::int64_t>(ids.size()) == mask->count());
    return ids;
}

/// Follows the mask at random until the answer ends; nothing if it is still open after `maxTokens`.
std::optional<std::string> walk(TokenConstraint constraint, std::mt19937& random, int maxTokens) {
    const auto words = tokenizer();
    std::string text;
    for (int i = 0; i < maxTokens; ++i) {
        const auto ids = allowedIds(constraint);
        REQUIRE_FALSE(ids.empty());
        std::int32_t id = ids[random() % ids.size()];
        if (random() % 2 == 0) {  // go for an end
            for (const char* closer : {"}", "\"", "]"}) {
                const auto found = std::find(ids.begin(), ids.end(), *words->idOf(closer));
                if (found != ids.end()) id = *found;
            }
            if (ids.back() == words->eos()) id = ids.back();
        }
        if (id == words->eos()) {
            CHECK(constraint.accepts());
            return text;
        }
        REQUIRE(constraint.accept(id));
        text += words->tokenBytes(id);
        if (constraint.isComplete()) return text;
    }
    return std::nullopt;
}

constexpr std::int32_t kAgain = 256 + 26;  // a second token "a"

const char* const kSchema = R"({"type":"object","properties":{
    "name":{"type":"string","minLength":1,"maxLength":5},
    "tags":{"type":"array","items":{"enum":["red","redish","漢"]},"maxItems":3},
    "score":{"type":"number","minimum":-2.5,"maximum":34.5},
    "next":{"anyOf":[{"type":"null"},{"$ref":"#"}]}},"required":["name","score"]})";

}  // namespace

TEST_CASE("constraint: the mask holds the tokens that go on in the language, and no other") {
    std::mt19937 random(5);
    const auto words = tokenizer();
    Language language = jsonSchema(kSchema);
    const auto program = compile(formOf(Kind::kJsonSchema, kSchema));
    for (int round = 0; round < 30; ++round) {
        TokenConstraint constraint(program);
        std::string text;
        while (text.size() < 60 && !constraint.isComplete()) {
            const auto mask = constraint.allowed();
            std::vector<std::int32_t> ids;
            for (std::int32_t id = 0; id < words->vocabSize(); ++id) {
                const std::string next = text + words->tokenBytes(id);
                INFO(next);
                const bool ordinary =
                    !words->isSpecial(id) && words->tokenBytes(id) != "<think>" && next.size() > text.size();
                // Leading white space is left to the answer, not to the schema.
                const auto first = next.find_first_not_of(" \n\t");
                if (first != std::string::npos && first > 0) continue;
                if (first == std::string::npos) continue;
                if (id != words->eos()) REQUIRE(mask->allows(id) == (ordinary && language.isPrefix(next)));
                if (id == words->eos()) CHECK(mask->allows(id) == language.matches(text));
                if (mask->allows(id)) ids.push_back(id);
            }
            REQUIRE_FALSE(ids.empty());
            const std::int32_t id = ids[random() % ids.size()];
            if (id == words->eos()) break;
            REQUIRE(constraint.accept(id));
            text += words->tokenBytes(id);
        }
    }
}

TEST_CASE("constraint: random walks along the mask end in valid answers") {
    std::mt19937 random(6);
    const auto program = compile(formOf(Kind::kJsonSchema, kSchema));
    const Json schema = Json::parse(kSchema);
    int finished = 0;
    for (int i = 0; i < 300; ++i) {
        const auto text = walk(TokenConstraint(program), random, 300);
        if (!text) continue;
        ++finished;
        INFO(*text);
        REQUIRE(Json::accept(*text));
        REQUIRE(isValid(schema, Json::parse(*text), schema));
    }
    CHECK(finished > 200);
}

TEST_CASE("constraint: other kinds of forms") {
    std::mt19937 random(7);
    SECTION("json_object") {
        const auto program = compile(formOf(Kind::kJsonObject, ""));
        int finished = 0;
        for (int i = 0; i < 100; ++i) {
            const auto text = walk(TokenConstraint(program), random, 400);
            if (!text) continue;
            ++finished;
            CHECK(Json::parse(*text).is_object());
        }
        CHECK(finished > 50);
    }
    SECTION("choice") {
        AnswerForm form = formOf(Kind::kChoice, "");
        form.structured.choices = {"red", "redish", "漢字", "a\"b"};
        const auto program = compile(form);
        std::vector<std::string> seen;
        for (int i = 0; i < 100; ++i) seen.push_back(walk(TokenConstraint(program), random, 20).value());
        for (const std::string& text : seen) {
            CHECK(std::find(form.structured.choices.begin(), form.structured.choices.end(), text) !=
                  form.structured.choices.end());
        }
        for (const std::string& choice : form.structured.choices) {
            CHECK(std::find(seen.begin(), seen.end(), choice) != seen.end());
        }
    }
    SECTION("regex") {
        const auto program = compile(formOf(Kind::kRegex, "(red|é)+-\\d{2,3}"));
        Language language = regex("(red|é)+-\\d{2,3}");
        for (int i = 0; i < 50; ++i) CHECK(language.matches(walk(TokenConstraint(program), random, 500).value()));
    }
    SECTION("structural_tag") {
        const char* const tag =
            R"({"triggers":["<a","<b>"],"structures":[{"begin":"<a1>","schema":{"enum":[1,2]},"end":"</a>"},
                {"begin":"<a2>","schema":{"type":"boolean"},"end":"."},{"begin":"<b>","schema":{"const":"x"},"end":""}]})";
        Language language([&](Grammar& grammar) { return structuralTags(grammar, tag); });
        const auto program = compile(formOf(Kind::kStructuralTag, tag));
        for (int i = 0; i < 50; ++i) {
            if (const auto text = walk(TokenConstraint(program), random, 500)) CHECK(language.matches(*text));
        }
        for (const char* good : {"", "free <c> text", "<a1>1</a>", "x<a1>2</a>y<a2>true.<b>\"x\"z", "<<b>\"x\""}) {
            INFO(good);
            CHECK(language.matches(good));
        }
        for (const char* bad : {"<a", "<a3>", "<a1>3</a>", "<a1>1", "<a2>1.", "<b>x", "x <ab"}) {
            INFO(bad);
            CHECK_FALSE(language.matches(bad));
        }
        CHECK(refusal([&] {
                  compile(formOf(Kind::kStructuralTag, R"({"triggers":["<"],"structures":[
                {"begin":"f","schema":{},"end":""}]})"));
              }) == "structural_tag: structures[0].begin: expected one of the triggers at its beginning, found none");
        CHECK(refusal([&] { compile(formOf(Kind::kStructuralTag, R"({"triggers":[],"structures":[]})")); }) ==
              "structural_tag: triggers must not be empty");
    }
    SECTION("grammar") {
        const auto program =
            compile(formOf(Kind::kGrammar, "root ::= term (\"+\" term)*\nterm ::= [0-9]{1,2} | \"(\" root \")\""));
        Language language = Language([](Grammar& grammar) {
            return parseGbnf(grammar, "root ::= term (\"+\" term)*\nterm ::= [0-9]{1,2} | \"(\" root \")\"");
        });
        for (int i = 0; i < 50; ++i) {
            if (const auto text = walk(TokenConstraint(program), random, 500)) CHECK(language.matches(*text));
        }
    }
}

TEST_CASE("constraint: reasoning is free and ends with its own token") {
    AnswerForm form = formOf(Kind::kRegex, "a{3}");
    form.startsInReasoning = true;
    const auto words = tokenizer();
    TokenConstraint constraint(compile(form));
    const std::int32_t close = *words->idOf("</think>");
    for (const char* text : {"{\"", "\xE6\xBC", "red", "</"}) {
        CHECK_FALSE(constraint.allowed()->allows(words->eos()));
        CHECK_FALSE(constraint.allowed()->allows(*words->idOf("<|BOT|>")));
        CHECK(constraint.allowed()->allows(close));
        REQUIRE(constraint.accept(*words->idOf(text)));
    }
    REQUIRE(constraint.accept(close));
    CHECK(allowedIds(constraint) == std::vector<std::int32_t>{'a', kAgain});
    for (int i = 0; i < 3; ++i) REQUIRE(constraint.accept('a'));
    CHECK(constraint.isComplete());
    CHECK(allowedIds(constraint) == std::vector<std::int32_t>{words->eos()});
    CHECK_FALSE(constraint.accept('a'));
    CHECK_FALSE(constraint.accept(words->eos()));
}

TEST_CASE("constraint: without the token, the end of reasoning is spelled") {
    const auto words = std::make_shared<const ByteTokenizer>();
    ConstraintCompiler compiler(words, {words->eos()}, words->vocabSize());
    AnswerForm form = formOf(Kind::kRegex, "ab");
    form.startsInReasoning = true;
    TokenConstraint constraint(compiler.compile(form));
    for (const char c : std::string("x</thin</think>a")) {
        REQUIRE(constraint.accept(static_cast<unsigned char>(c)));
    }
    CHECK(allowedIds(constraint) == std::vector<std::int32_t>{'b'});
}

TEST_CASE("constraint: copies go on independently, and forgotten states are found again") {
    const auto words = tokenizer();
    const auto program = compile(formOf(Kind::kRegex, "[ab]{0,200}c"), std::int64_t{8} << 20U);  // masks of a megabyte
    TokenConstraint first(program);
    REQUIRE(first.accept('a'));
    TokenConstraint second = first;
    for (int i = 0; i < 150; ++i) {
        first.allowed();  // more than may be kept
        REQUIRE(first.accept(i % 2 == 0 ? 'a' : 'b'));
    }
    CHECK(allowedIds(second) == std::vector<std::int32_t>{'a', 'b', 'c', kAgain});
    for (int i = 0; i < 199; ++i) REQUIRE(second.accept('b'));
    CHECK(allowedIds(second) == std::vector<std::int32_t>{'c'});
    for (int i = 0; i < 49; ++i) REQUIRE(first.accept('a'));
    CHECK(allowedIds(first) == std::vector<std::int32_t>{'c'});
}

TEST_CASE("constraint: a mask is computed once, and programs are shared") {
    const auto words = tokenizer();
    ConstraintCompiler compiler(words, {words->eos()}, words->vocabSize());
    const auto program = compiler.compile(formOf(Kind::kJsonObject, ""));
    CHECK(compiler.compile(formOf(Kind::kJsonObject, "")) == program);
    CHECK(compiler.compile(formOf(Kind::kRegex, "a")) != program);
    for (int i = 0; i < 3; ++i) {
        TokenConstraint constraint(program);
        constraint.allowed();
        constraint.accept('{');
        constraint.allowed();
    }
    CHECK(program->masksComputed() == 2);
    CHECK(compiler.compile({}) == nullptr);
}

TEST_CASE("constraint: too many readings end the request, not the program") {
    // After n times a there are 2^n ways in which b and c may follow.
    const auto program = compile(formOf(Kind::kGrammar, "root ::= \"a\" root \"b\" | \"a\" root \"c\" | \"a\""));
    TokenConstraint constraint(program);
    const auto run = [&] {
        for (int i = 0; i < 60; ++i) constraint.accept('a');
    };
    CHECK_THROWS_AS(run(), Error);
    TokenConstraint other(program);
    REQUIRE(other.accept('a'));
    REQUIRE(other.accept('a'));
    CHECK(allowedIds(other) == std::vector<std::int32_t>{'a', 'b', 'c', kAgain});
}

TEST_CASE("constraint: a vocabulary that cannot go on is an error") {
    class Letters final : public text::Tokenizer {
        [[nodiscard]] std::vector<text::TokenId> encode(std::string_view) const override { return {}; }
        [[nodiscard]] std::string tokenBytes(text::TokenId id) const override { return id == 0 ? "a" : ""; }
        [[nodiscard]] std::optional<text::TokenId> idOf(std::string_view) const override { return std::nullopt; }
        [[nodiscard]] bool isSpecial(text::TokenId) const override { return false; }
        [[nodiscard]] std::int64_t vocabSize() const override { return 2; }
        [[nodiscard]] std::string decode(const std::vector<text::TokenId>&, bool) const override { return {}; }
    };
    ConstraintCompiler compiler(std::make_shared<const Letters>(), {1}, 2);
    TokenConstraint constraint(compiler.compile(formOf(Kind::kRegex, "ab")));
    REQUIRE(constraint.accept(0));
    CHECK_THROWS_WITH(constraint.allowed(),
                      "the model's vocabulary has no token that goes on in the form asked for the answer");
}

TEST_CASE("constraint: the sampler draws from the mask only, before temperature and top-k") {
    sampling::TokenMask mask(4);
    mask.allow(1);
    mask.allow(3);
    mask.allow(7);  // no such token
    CHECK(mask.count() == 2);
    sampling::SamplingParams params;
    const auto draw = [&](sampling::Sampler& sampler) {
        std::vector<float> logits{9.0F, 1.0F, 8.0F, 1.0F};
        return sampler.sample(logits, {}, &mask);
    };
    sampling::Sampler greedy(params, {}, 4);
    CHECK(draw(greedy) == 1);
    params.temperature = 1.0F;
    params.topK = 1;
    sampling::Sampler one(params, {}, 4);
    CHECK(draw(one) == 1);  // the likeliest of those allowed
    params.topK = 0;
    params.frequencyPenalty = 2.0F;
    params.seed = 3;
    sampling::Sampler both(params, {}, 4);
    int seen[4] = {};
    for (int i = 0; i < 200; ++i) ++seen[draw(both)];
    CHECK(seen[0] + seen[2] == 0);
    CHECK(seen[1] > 80);
    CHECK(seen[3] > 80);
    sampling::Sampler none({}, {}, 4);
    std::vector<float> logits(4, 0.0F);
    const std::int32_t banned[] = {1, 3};
    CHECK_THROWS_AS(none.sample(logits, banned, &mask), Error);
}

TEST_CASE("constraint: requests that make no sense are refused") {
    AnswerForm choice = formOf(Kind::kChoice, "");
    CHECK(refusal([&] { compile(choice); }) == "choice must not be empty");
    CHECK(refusal([&] { compile(formOf(Kind::kRegex, "")); }) == "regex must not be empty");
    AnswerForm call;
    call.toolChoice.kind = ToolChoice::Kind::kRequired;
    CHECK(refusal([&] { compile(call); }) == "tool_choice needs tools");
}

TEST_CASE("free text: none of the forbidden words occurs in it") {
    const std::vector<std::string> words{"</p>", "</q>", "aab", "ab"};
    Language language([&](Grammar& grammar) { return textWithout(grammar, words); });
    std::mt19937 random(9);
    int clean = 0;
    for (int i = 0; i < 3000; ++i) {
        std::string text;
        for (std::size_t n = random() % 9; n > 0; --n) text += "</pqab>"[random() % 7];
        const bool forbidden = std::any_of(
            words.begin(), words.end(), [&](const std::string& word) { return text.find(word) != std::string::npos; });
        INFO(text);
        REQUIRE(language.matches(text) != forbidden);
        clean += forbidden ? 0 : 1;
    }
    CHECK(clean > 500);
}

TEST_CASE("gbnf: grammars are read, and errors name the line") {
    const auto language = [](const char* text) {
        return Language([&](Grammar& grammar) { return parseGbnf(grammar, text); });
    };
    Language list = language(
        "# a list\nroot ::= \"[\" ws (item (\",\" ws\n item)*)? \"]\"  # of items\nitem ::= [^\\]\\n,]+ |\n "
        "\"\\x41\\u00e9\\\"\" ws\n"
        "ws ::= [ \\t]*");
    CHECK(list.matches("[a, b,c]"));
    CHECK(list.matches("[]"));
    CHECK(list.matches("[Aé\" ]"));
    CHECK_FALSE(list.matches("[a,]"));
    CHECK(language("root ::= .{2} [a-c-]?").matches("é漢-"));
    struct Case {
        const char* text;
        const char* message;
    };
    const Case cases[] = {
        {"", "grammar: expected a rule \"root\", found none"},
        {"a ::= \"x\"", "grammar: expected a rule \"root\", found none"},
        {"root ::= a", "grammar: the rule \"a\" is used, but not defined"},
        {"root ::= \"a\"\nroot ::= \"b\"", "grammar, line 2: the rule \"root\" is defined twice"},
        {"root ::= (\"a\"", "grammar, line 1: missing )"},
        {"root ::= \"a", "grammar, line 1: missing \""},
        {"root ::= [a", "grammar, line 1: missing ]"},
        {"root ::= \"a\"\n\nroot = b", "grammar, line 3: expected a text, a class, a group or the name of a rule"},
        {"root ::= \"\\q\"", "grammar, line 1: an escape that is not known"},
        {"root ::= \"a\"{3,1}", "grammar, line 1: the bounds of a repetition are out of order"},
        {"root ::= root \"a\" | \"a\"",
         "grammar: the rule root refers to itself before it says anything (left recursion), which is not supported"},
        {"root ::= a\na ::= b? c\nb ::= \"\"\nc ::= a | \"x\"",
         "grammar: the rule a refers to itself before it says anything (left recursion), which is not supported"},
        {"root ::= \"a\" root",
         "no answer can have the form that is asked for: its rules contradict each other or never end"},
    };
    for (const Case& each : cases) {
        INFO(each.text);
        CHECK(refusal([&] { language(each.text); }) == each.message);
    }
}
