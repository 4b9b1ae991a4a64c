#include "engine/sampling/structured/regex_syntax.h"

#include <algorithm>
#include <optional>
#include <string>

#include "engine/utf8.h"

namespace step3::sampling::structured {

namespace {

constexpr int kMaxNesting = 100;            // of groups
constexpr std::size_t kMaxPattern = 65536;  // bytes

bool isLetterOrDigit(char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

const CharSet& digits() {
    static const CharSet set({{'0', '9'}});
    return set;
}
const CharSet& wordCharacters() {
    static const CharSet set({{'0', '9'}, {'A', 'Z'}, {'_', '_'}, {'a', 'z'}});
    return set;
}
const CharSet& spaces() {
    static const CharSet set({{'\t', '\r'}, {' ', ' '}});
    return set;
}

class Parser {
public:
    explicit Parser(std::string_view pattern) : pattern_(pattern) {
        if (pattern.size() > kMaxPattern) {
            throw Error(ErrorCode::kInvalidArgument,
                        "the regular expression is longer than " + std::to_string(kMaxPattern) + " bytes");
        }
    }

    RegexNode parse() {
        RegexNode node = parseChoice(0);
        if (!atEnd()) fail("unmatched )");
        return node;
    }

private:
    [[noreturn]] void fail(const std::string& what) const {
        throw Error(ErrorCode::kInvalidArgument, "regular expression, at byte " + std::to_string(at_) + ": " + what);
    }
    [[noreturn]] void unsupported(const std::string& what) const { fail(what + " not supported"); }

    [[nodiscard]] bool atEnd() const { return at_ == pattern_.size(); }
    [[nodiscard]] char peek() const { return atEnd() ? '\0' : pattern_[at_]; }
    bool take(std::string_view text) {
        if (!pattern_.substr(at_).starts_with(text)) return false;
        at_ += text.size();
        return true;
    }

    char32_t takeCharacter() {
        std::string_view rest = pattern_.substr(at_);
        const auto code = takeCodePoint(rest);
        if (!code) fail("expected UTF-8");
        at_ = pattern_.size() - rest.size();
        return *code;
    }

    RegexNode parseChoice(int nesting) {
        if (nesting > kMaxNesting) fail("groups nested deeper than " + std::to_string(kMaxNesting));
        RegexNode choice;
        choice.kind = RegexNode::Kind::kChoice;
        do {
            choice.children.push_back(parseSequence(nesting));
            choice.anchored |= choice.children.back().anchored;
        } while (take("|"));
        if (choice.children.size() > 1) return choice;
        RegexNode only = std::move(choice.children[0]);
        return only;
    }

    RegexNode parseSequence(int nesting) {
        RegexNode sequence;
        while (!atEnd() && peek() != '|' && peek() != ')') {
            RegexNode part = parseQuantified(nesting);
            sequence.anchored |= part.anchored;
            sequence.children.push_back(std::move(part));
        }
        return sequence;
    }

    RegexNode parseQuantified(int nesting) {
        RegexNode part = parsePart(nesting);
        const std::size_t before = at_;
        std::uint32_t min = 0;
        std::uint32_t max = Grammar::kUnbounded;
        if (take("*")) {
        } else if (take("+")) {
            min = 1;
        } else if (take("?")) {
            max = 1;
        } else if (take("{")) {
            min = takeNumber();
            max = min;
            if (take(",")) max = peek() == '}' ? Grammar::kUnbounded : takeNumber();
            if (!take("}")) fail("expected } of a quantifier; a { that is none is written \\{");
            if (max < min) fail("the bounds of a quantifier are out of order");
        } else {
            return part;
        }
        if (part.anchored) {
            at_ = before;
            unsupported("repeated anchors are");
        }
        if (peek() == '+') unsupported("possessive quantifiers are");
        take("?");
        if (peek() == '*' || peek() == '+' || peek() == '?' || peek() == '{') fail("a quantifier follows a quantifier");
        RegexNode repeat;
        repeat.kind = RegexNode::Kind::kRepeat;
        repeat.min = min;
        repeat.max = max;
        repeat.children.push_back(std::move(part));
        return repeat;
    }

    std::uint32_t takeNumber() {
        const std::size_t begin = at_;
        std::uint64_t value = 0;
        for (; !atEnd() && peek() >= '0' && peek() <= '9'; ++at_) {
            value = value * 10 + static_cast<std::uint64_t>(peek() - '0');
            if (value > GrammarLimits::kRepetitions) {
                fail("more than " + std::to_string(GrammarLimits::kRepetitions) + " repetitions");
            }
        }
        if (at_ == begin) fail("expected a number in a quantifier; a { that begins none is written \\{");
        return static_cast<std::uint32_t>(value);
    }

    static RegexNode setNode(CharSet set) {
        RegexNode node;
        node.kind = RegexNode::Kind::kSet;
        node.set = std::move(set);
        return node;
    }
    static RegexNode anchor(RegexNode::Kind kind) {
        RegexNode node;
        node.kind = kind;
        node.anchored = true;
        return node;
    }

    RegexNode parsePart(int nesting) {
        if (take("(")) return parseGroup(nesting);
        if (take("[")) return setNode(parseClass());
        if (take("^") || take("\\A")) return anchor(RegexNode::Kind::kBegin);
        if (take("$") || take("\\Z")) return anchor(RegexNode::Kind::kEnd);
        if (take(".")) return setNode(CharSet({{'\n', '\n'}, {'\r', '\r'}, {0x2028, 0x2029}}).complement());
        if (peek() == '*' || peek() == '+' || peek() == '?') fail("nothing to repeat");
        if (peek() == '{') fail("a { that is no quantifier is written \\{");
        if (take("\\")) return setNode(parseEscape(false));
        return setNode(CharSet::of(takeCharacter()));
    }

    RegexNode parseGroup(int nesting) {
        if (take("?")) {
            if (pattern_.substr(at_).starts_with("=") || pattern_.substr(at_).starts_with("!") ||
                pattern_.substr(at_).starts_with("<=") || pattern_.substr(at_).starts_with("<!")) {
                unsupported("look-around is");
            }
            if (take("P<") || take("<")) {
                const std::size_t end = pattern_.find('>', at_);
                if (end == std::string_view::npos || end == at_) fail("expected the name of a group");
                at_ = end + 1;
            } else if (!take(":")) {
                unsupported("groups that begin with (?" + std::string(1, peek()) + " are");
            }
        }
        RegexNode inner = parseChoice(nesting + 1);
        if (!take(")")) fail("missing )");
        return inner;
    }

    char32_t takeHex(int digitCount) {
        char32_t value = 0;
        for (int i = 0; i < digitCount; ++i) {
            const auto digit = hexDigit(peek());
            if (!digit) fail("expected " + std::to_string(digitCount) + " hexadecimal digits");
            value = value * 16 + static_cast<char32_t>(*digit);
            ++at_;
        }
        return value;
    }

    char32_t takeUnicodeEscape() {  // behind \u
        if (take("{")) {
            char32_t value = 0;
            const std::size_t begin = at_;
            for (; hexDigit(peek()); ++at_) {
                value = value * 16 + static_cast<char32_t>(*hexDigit(peek()));
                if (value > 0x10FFFF) fail("a code point above 10FFFF");
            }
            if (at_ == begin || !take("}")) fail("expected \\u{H...}");
            return value;
        }
        const char32_t high = takeHex(4);
        if (high < 0xD800 || high > 0xDFFF) return high;
        if (high > 0xDBFF || !take("\\u")) fail("half of a surrogate pair");
        const char32_t low = takeHex(4);
        if (low < 0xDC00 || low > 0xDFFF) fail("half of a surrogate pair");
        return 0x10000 + ((high - 0xD800) << 10U) + (low - 0xDC00);
    }

    CharSet parseEscape(bool inClass) {  // behind the backslash
        if (atEnd()) fail("a backslash at the end");
        const char c = peek();
        if (!isLetterOrDigit(c)) return CharSet::of(takeCharacter());
        ++at_;
        switch (c) {
            case 'd': return digits();
            case 'D': return digits().complement();
            case 'w': return wordCharacters();
            case 'W': return wordCharacters().complement();
            case 's': return spaces();
            case 'S': return spaces().complement();
            case 't': return CharSet::of('\t');
            case 'n': return CharSet::of('\n');
            case 'r': return CharSet::of('\r');
            case 'f': return CharSet::of('\f');
            case 'v': return CharSet::of('\v');
            case 'x': return CharSet::of(takeHex(2));
            case 'u': {
                const char32_t code = takeUnicodeEscape();
                if (code >= 0xD800 && code <= 0xDFFF) fail("half of a surrogate pair");
                return CharSet::of(code);
            }
            case 'c':
                if (!isLetterOrDigit(peek()) || (peek() >= '0' && peek() <= '9')) fail("expected a letter after \\c");
                return CharSet::of(static_cast<char32_t>(pattern_[at_++] & 0x1F));
            case '0':
                if (peek() >= '0' && peek() <= '9') unsupported("octal escapes are");
                return CharSet::of(0);
            case 'b':
                if (inClass) return CharSet::of('\b');
                --at_;
                unsupported("word boundaries are");
            default: break;
        }
        --at_;
        if (c == 'B') unsupported("word boundaries are");
        if (c >= '1' && c <= '9') unsupported("back-references are");
        if (c == 'p' || c == 'P') unsupported("Unicode properties are");
        unsupported(std::string("the escape \\") + c + " is");
    }

    CharSet parseClass() {  // behind the [
        const bool negated = take("^");
        if (peek() == ']') fail("an empty class; a ] in a class is written \\]");
        CharSet set;
        while (!take("]")) {
            if (atEnd()) fail("missing ]");
            if (pattern_.substr(at_).starts_with("[:")) unsupported("named classes [:...:] are");
            const CharSet first = takeClassItem();
            const bool isRange = peek() == '-' && at_ + 1 < pattern_.size() && pattern_[at_ + 1] != ']';
            if (!isRange) {
                set = set.unite(first);
                continue;
            }
            ++at_;
            const CharSet last = takeClassItem();
            const auto single = [](const CharSet& item) {
                return item.ranges().size() == 1 && item.ranges()[0].low == item.ranges()[0].high;
            };
            if (!single(first) || !single(last)) fail("a range needs a character at both ends");
            const char32_t low = first.ranges()[0].low;
            const char32_t high = last.ranges()[0].low;
            if (low > high) fail("the ends of a range are out of order");
            set = set.unite(CharSet({{low, high}}));
        }
        return negated ? set.complement() : set;
    }

    CharSet takeClassItem() {
        if (atEnd()) fail("missing ]");
        return take("\\") ? parseEscape(true) : CharSet::of(takeCharacter());
    }

    std::string_view pattern_;
    std::size_t at_ = 0;
};

}  // namespace

RegexNode parseRegex(std::string_view pattern) {
    return Parser(pattern).parse();
}

}  // namespace step3::sampling::structured
