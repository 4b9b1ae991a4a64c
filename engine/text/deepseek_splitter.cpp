#include "engine/text/deepseek_splitter.h"

#include "engine/text/unicode_classes.h"
#include "engine/utf8.h"

namespace step3::text {

const std::array<std::string_view, 3> kDeepSeekPatterns = {
    R"(\p{N}{1,3})",
    "[一-龥\u3040-ゟ゠-ヿ]+",
    R"([!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^)"
    "\r\n"
    R"(\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[)"
    "\r\n"
    R"(]*|\s*[)"
    "\r\n"
    R"(]+|\s+(?!\S)|\s+)",
};

namespace {

constexpr unsigned kWord = kLetter | kMark;
constexpr unsigned kSign = kPunctuation | kSymbol;

bool isAsciiLetter(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

class Splitter {
public:
    Splitter(std::string_view text, std::vector<std::string_view>& out)
        : at_(text.data()), end_(text.data() + text.size()), out_(out), classes_(UnicodeClasses::instance()) {
        for (unsigned c = 0; c < ascii_.size(); ++c) ascii_[c] = classes_.of(c);
    }

    /// Patterns 1 and 2 cut the text into numbers, runs of Han or kana, and the rest; pattern 3 sees each alone.
    void split() {
        while (at_ < end_) {
            const unsigned bits = classesAt(at_).bits;
            if ((bits & kNumber) != 0) {
                const char* p = at_;
                for (int count = 0; count < 3 && p < end_; ++count) {
                    const Character c = classesAt(p);
                    if ((c.bits & kNumber) == 0) break;
                    p += c.length;
                }
                emit(at_, p);  // pattern 3 matches nothing in it
                at_ = p;
            } else {
                const unsigned wanted = bits & kHanOrKana;
                const char* p = at_;
                while (p < end_) {
                    const Character c = classesAt(p);
                    if ((c.bits & (kNumber | kHanOrKana)) != wanted) break;
                    p += c.length;
                }
                splitWords(at_, p);
                at_ = p;
            }
        }
    }

private:
    struct Character {
        unsigned bits;
        int length;
    };

    [[nodiscard]] Character classesAt(const char* p) const {
        const auto lead = static_cast<unsigned char>(*p);
        if (lead < 0x80) return {ascii_[lead], 1};
        const CodePoint c = codePointAt(p);
        return {classes_.of(c.value), c.length};
    }

    /// End of the run of characters with one of `wanted` that begins at `p`.
    [[nodiscard]] const char* runEnd(const char* p, const char* end, unsigned wanted) const {
        while (p < end) {
            const Character c = classesAt(p);
            if ((c.bits & wanted) == 0) break;
            p += c.length;
        }
        return p;
    }

    void emit(const char* begin, const char* end) { out_.emplace_back(begin, static_cast<std::size_t>(end - begin)); }

    /// Pattern 3: the first of its alternatives that matches; what none matches goes on to the next match.
    void splitWords(const char* begin, const char* end) {
        const char* gap = begin;
        for (const char* p = begin; p < end;) {
            const char* stop = matchWord(p, end);
            if (stop == p) {
                p += classesAt(p).length;
                continue;
            }
            if (gap < p) emit(gap, p);
            emit(p, stop);
            gap = p = stop;
        }
        if (gap < end) emit(gap, end);
    }

    /// End of the match at `p`, or `p`.
    [[nodiscard]] const char* matchWord(const char* p, const char* end) const {
        const Character first = classesAt(p);
        const char* next = p + first.length;
        // [!"#...~][A-Za-z]+ : every ASCII sign
        if (first.length == 1 && (first.bits & kSign) != 0 && next < end && isAsciiLetter(*next)) {
            while (next < end && isAsciiLetter(*next)) ++next;
            return next;
        }
        // [^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+
        if ((first.bits & (kLineBreak | kLetter | kSign)) == 0) {
            const char* stop = runEnd(next, end, kWord);
            if (stop != next) return stop;
        }
        if ((first.bits & kWord) != 0) return runEnd(next, end, kWord);
        // ?[\p{P}\p{S}]+[\r\n]*
        const char* sign = *p == ' ' ? next : p;
        if (const char* stop = runEnd(sign, end, kSign); stop != sign) return runEnd(stop, end, kLineBreak);
        if ((first.bits & kSpace) == 0) return p;
        return matchSpace(p, end);
    }

    /// \s*[\r\n]+|\s+(?!\S)|\s+ at a space: up to the last line break of the run; without one, all of it at the end of
    /// the piece, else all but the last, which belongs to the word that follows.
    [[nodiscard]] const char* matchSpace(const char* p, const char* end) const {
        const char* last = p;
        const char* afterBreak = p;
        const char* q = p;
        while (q < end) {
            const Character c = classesAt(q);
            if ((c.bits & kSpace) == 0) break;
            last = q;
            q += c.length;
            if ((c.bits & kLineBreak) != 0) afterBreak = q;
        }
        if (afterBreak != p) return afterBreak;
        return q == end || last == p ? q : last;
    }

    const char* at_;
    const char* end_;
    std::vector<std::string_view>& out_;
    const UnicodeClasses& classes_;
    std::array<std::uint8_t, 128> ascii_{};
};

}  // namespace

void splitDeepSeek(std::string_view text, std::vector<std::string_view>& out) {
    Splitter(text, out).split();
}

}  // namespace step3::text
