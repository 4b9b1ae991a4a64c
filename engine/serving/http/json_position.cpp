#include "engine/serving/http/json_position.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "engine/utf8.h"

namespace step3::serving::http {

namespace {

constexpr bool isDigit(char c) {
    return c >= '0' && c <= '9';
}
constexpr bool isHexDigit(char c) {
    return isDigit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

/// Goes through the text as Python's decoder does; each step is false once `error_` is known.
class Scanner {
public:
    explicit Scanner(std::string_view text) : text_(text) {}

    /// The byte of the first error.
    std::optional<std::size_t> run() {
        skipSpace();
        bool alive = value();
        while (alive && !open_.empty()) alive = std::exchange(justOpened_, false) ? element() : afterValue();
        if (!alive) return error_;
        skipSpace();
        return at_ < text_.size() ? std::optional(at_) : std::nullopt;
    }

private:
    [[nodiscard]] char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }
    bool fail(std::size_t byte) {
        error_ = byte;
        return false;
    }
    void skipSpace() { at_ = std::min(text_.find_first_not_of(" \t\n\r", at_), text_.size()); }

    /// A scalar, or the beginning of an object or array; an empty one as a whole.
    bool value() {
        const char c = peek();
        if (c == '"') return string();
        if (c == '{' || c == '[') {
            ++at_;
            skipSpace();
            const char end = c == '{' ? '}' : ']';
            if (peek() == end) {
                ++at_;
                return true;
            }
            open_.push_back(end);
            justOpened_ = true;
            return true;
        }
        for (const std::string_view word : {"null", "true", "false", "NaN", "Infinity", "-Infinity"}) {
            if (text_.substr(at_, word.size()) != word) continue;
            at_ += word.size();
            return true;
        }
        return number();
    }

    /// The next value of the innermost object or array; of an object with its key.
    bool element() {
        if (open_.back() == '}') {
            if (peek() != '"') return fail(at_);
            if (!string()) return false;
            skipSpace();
            if (peek() != ':') return fail(at_);
            ++at_;
            skipSpace();
        }
        return value();
    }

    bool afterValue() {
        skipSpace();
        if (peek() == open_.back()) {
            ++at_;
            open_.pop_back();
            return true;
        }
        if (peek() != ',') return fail(at_);
        ++at_;
        skipSpace();
        return element();
    }

    bool string() {
        const std::size_t start = at_++;
        while (at_ < text_.size()) {
            const char c = text_[at_];
            if (c == '"') {
                ++at_;
                return true;
            }
            if (static_cast<unsigned char>(c) < 0x20) return fail(at_);
            if (c == '\\') {
                if (at_ + 1 == text_.size()) break;
                const char escape = text_[at_ + 1];
                if (std::string_view("\"\\/bfnrtu").find(escape) == std::string_view::npos) return fail(at_);
                ++at_;
                if (escape == 'u' && !fourDigits(text_.substr(at_ + 1))) return fail(at_);
                at_ += escape == 'u' ? 4 : 0;
            }
            ++at_;
        }
        return fail(start);
    }
    /// Something must follow them.
    static bool fourDigits(std::string_view text) {
        return text.size() > 4 && std::all_of(text.begin(), text.begin() + 4, isHexDigit);
    }

    /// The longest beginning that is a number; what is left of it then stands where a comma should.
    bool number() {
        std::size_t next = at_ + (peek() == '-' ? 1 : 0);
        const auto digits = [&](std::size_t from) {
            while (from < text_.size() && isDigit(text_[from])) ++from;
            return from;
        };
        if (next == text_.size() || !isDigit(text_[next])) return fail(at_);
        next = text_[next] == '0' ? next + 1 : digits(next);
        if (next < text_.size() && text_[next] == '.' && digits(next + 1) > next + 1) next = digits(next + 1);
        if (next < text_.size() && (text_[next] == 'e' || text_[next] == 'E')) {
            const bool sign = next + 1 < text_.size() && (text_[next + 1] == '+' || text_[next + 1] == '-');
            const std::size_t first = next + (sign ? 2 : 1);
            if (digits(first) > first) next = digits(first);
        }
        at_ = next;
        return true;
    }

    std::string_view text_;
    std::size_t at_ = 0;
    std::size_t error_ = 0;
    std::vector<char> open_;   // what ends each open object and array
    bool justOpened_ = false;  // the innermost; its first value is due
};

}  // namespace

std::optional<std::size_t> jsonErrorPosition(std::string_view text) {
    const auto byte = Scanner(text).run();
    if (!byte) return std::nullopt;
    return characterCount(text.substr(0, *byte));
}

}  // namespace step3::serving::http
