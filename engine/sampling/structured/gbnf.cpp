#include "engine/sampling/structured/gbnf.h"

#include <algorithm>
#include <map>
#include <optional>
#include <string>

#include "engine/sampling/structured/char_set.h"
#include "engine/utf8.h"

namespace step3::sampling::structured {

namespace {

constexpr int kMaxNesting = 100;
constexpr std::size_t kMaxText = 262144;  // bytes

bool isNameCharacter(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

class Parser {
public:
    Parser(Grammar& grammar, std::string_view text) : grammar_(grammar), text_(text) {
        if (text.size() > kMaxText) {
            throw Error(ErrorCode::kInvalidArgument,
                        "the grammar is longer than " + std::to_string(kMaxText) + " bytes");
        }
    }

    Grammar::Expr parse() {
        skipSpace();
        while (!atEnd()) parseRule();
        for (const auto& [name, rule] : rules_) {
            if (!grammar_.rules()[rule].defined) {
                throw Error(ErrorCode::kInvalidArgument, "grammar: the rule \"" + name + "\" is used, but not defined");
            }
        }
        const auto root = rules_.find("root");
        if (root == rules_.end())
            throw Error(ErrorCode::kInvalidArgument, "grammar: expected a rule \"root\", found none");
        return grammar_.call(root->second);
    }

private:
    [[noreturn]] void fail(const std::string& what) const {
        const auto line = 1 + std::count(text_.begin(), text_.begin() + static_cast<std::ptrdiff_t>(at_), '\n');
        throw Error(ErrorCode::kInvalidArgument, "grammar, line " + std::to_string(line) + ": " + what);
    }
    [[nodiscard]] bool atEnd() const { return at_ == text_.size(); }
    [[nodiscard]] char peek() const { return atEnd() ? '\0' : text_[at_]; }
    bool take(std::string_view word) {
        if (!text_.substr(at_).starts_with(word)) return false;
        at_ += word.size();
        return true;
    }
    void skipSpace() {
        while (!atEnd()) {
            if (peek() == '#') {
                at_ = std::min(text_.find('\n', at_), text_.size());
            } else if (peek() == ' ' || peek() == '\t' || peek() == '\r' || peek() == '\n') {
                ++at_;
            } else {
                return;
            }
        }
    }

    std::string takeName() {
        const std::size_t begin = at_;
        while (isNameCharacter(peek())) ++at_;
        if (at_ == begin) fail("expected the name of a rule");
        return std::string(text_.substr(begin, at_ - begin));
    }
    Grammar::Rule ruleOf(const std::string& name) {
        const auto found = rules_.find(name);
        return found != rules_.end() ? found->second : rules_[name] = grammar_.declare("grammar: the rule " + name);
    }
    /// A name and ::= stand here.
    [[nodiscard]] bool atRule() {
        const std::size_t begin = at_;
        while (isNameCharacter(peek())) ++at_;
        const bool named = at_ > begin;
        skipSpace();
        const bool result = named && text_.substr(at_).starts_with("::=");
        at_ = begin;
        return result;
    }

    void parseRule() {
        const std::string name = takeName();
        const Grammar::Rule rule = ruleOf(name);
        if (grammar_.rules()[rule].defined) fail("the rule \"" + name + "\" is defined twice");
        skipSpace();
        if (!take("::=")) fail("expected ::= after the name of a rule");
        grammar_.define(rule, parseChoice(0));
        if (!atEnd() && !atRule()) fail("expected a rule");
    }

    Grammar::Expr parseChoice(int nesting) {
        if (nesting > kMaxNesting) fail("groups nested deeper than " + std::to_string(kMaxNesting));
        std::vector<Grammar::Expr> alternatives;
        do {
            alternatives.push_back(parseSequence(nesting));
        } while (take("|"));
        return grammar_.choice(std::move(alternatives));
    }

    Grammar::Expr parseSequence(int nesting) {
        std::vector<Grammar::Expr> parts;
        for (skipSpace(); !atEnd() && peek() != '|' && peek() != ')' && !atRule(); skipSpace()) {
            parts.push_back(parseRepeated(nesting));
        }
        return grammar_.sequence(std::move(parts));
    }

    Grammar::Expr parseRepeated(int nesting) {
        auto part = parsePart(nesting);
        for (;;) {
            if (take("*")) {
                part = grammar_.repeat(part, 0);
            } else if (take("+")) {
                part = grammar_.repeat(part, 1);
            } else if (take("?")) {
                part = grammar_.optional(part);
            } else if (take("{")) {
                const std::uint32_t min = takeNumber();
                std::uint32_t max = min;
                if (take(",")) max = peek() == '}' ? Grammar::kUnbounded : takeNumber();
                if (!take("}")) fail("expected } of a repetition");
                if (max < min) fail("the bounds of a repetition are out of order");
                part = grammar_.repeat(part, min, max);
            } else {
                return part;
            }
        }
    }

    std::uint32_t takeNumber() {
        const std::size_t begin = at_;
        std::uint32_t value = 0;
        for (; peek() >= '0' && peek() <= '9'; ++at_) {
            value = value * 10 + static_cast<std::uint32_t>(peek() - '0');
            if (value > GrammarLimits::kRepetitions) {
                fail("more than " + std::to_string(GrammarLimits::kRepetitions) + " repetitions");
            }
        }
        if (at_ == begin) fail("expected a number in a repetition");
        return value;
    }

    Grammar::Expr parsePart(int nesting) {
        if (take("(")) {
            const auto inner = parseChoice(nesting + 1);
            if (!take(")")) fail("missing )");
            return inner;
        }
        if (take("\"")) {
            std::string bytes;
            while (!take("\"")) {
                if (atEnd()) fail("missing \"");
                appendUtf8(bytes, takeCharacter());
            }
            return grammar_.text(bytes);
        }
        if (take("[")) return spell(grammar_, takeClass(), Spelling::kPlain);
        if (take(".")) return spell(grammar_, CharSet::all(), Spelling::kPlain);
        if (isNameCharacter(peek())) return grammar_.call(ruleOf(takeName()));
        fail("expected a text, a class, a group or the name of a rule");
    }

    CharSet takeClass() {
        const bool negated = take("^");
        CharSet set;
        while (!take("]")) {
            if (atEnd()) fail("missing ]");
            const char32_t low = takeCharacter();
            char32_t high = low;
            if (peek() == '-' && at_ + 1 < text_.size() && text_[at_ + 1] != ']') {
                ++at_;
                high = takeCharacter();
            }
            if (low > high) fail("the ends of a range are out of order");
            set = set.unite(CharSet({{low, high}}));
        }
        if (set.empty() && !negated) fail("an empty class");
        return negated ? set.complement() : set;
    }

    char32_t takeCharacter() {
        if (take("\\")) return takeEscape();
        std::string_view rest = text_.substr(at_);
        const auto code = takeCodePoint(rest);
        if (!code) fail("expected UTF-8");
        at_ = text_.size() - rest.size();
        return *code;
    }

    char32_t takeEscape() {
        const char c = peek();
        if (!atEnd()) ++at_;
        switch (c) {
            case 'n': return '\n';
            case 'r': return '\r';
            case 't': return '\t';
            case 'x': return takeHex(2);
            case 'u': return takeHex(4);
            case 'U': return takeHex(8);
            case '"':
            case '\\':
            case '[':
            case ']':
            case '-':
            case '^': return static_cast<char32_t>(c);
            default: fail("an escape that is not known");
        }
    }

    char32_t takeHex(int count) {
        char32_t value = 0;
        for (int i = 0; i < count; ++i) {
            const auto digit = hexDigit(peek());
            if (!digit) fail("expected " + std::to_string(count) + " hexadecimal digits");
            value = value << 4U | static_cast<char32_t>(*digit);
            ++at_;
        }
        if (value > 0x10FFFF || (value >= 0xD800 && value <= 0xDFFF)) fail("an escape that is no character");
        return value;
    }

    Grammar& grammar_;
    std::string_view text_;
    std::size_t at_ = 0;
    std::map<std::string, Grammar::Rule> rules_;
};

}  // namespace

Grammar::Expr parseGbnf(Grammar& grammar, std::string_view text) {
    return Parser(grammar, text).parse();
}

}  // namespace step3::sampling::structured
