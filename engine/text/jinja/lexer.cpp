#include "engine/text/jinja/lexer.h"

#include <algorithm>
#include <cctype>
#include <string_view>

#include "engine/error.h"

namespace step3::text::jinja {
namespace {

[[noreturn]] void fail(int line, const std::string& what) {
    throw Error(ErrorCode::kInvalidData, "chat template, line " + std::to_string(line) + ": " + what);
}

class Lexer {
public:
    explicit Lexer(const std::string& source) : source_(source) {}

    std::vector<Token> run() {
        while (at_ < source_.size()) {
            const std::size_t open = nextDelimiter();
            text(open);
            if (open == std::string::npos) break;
            at_ = open;
            delimited();
        }
        tokens_.push_back({Token::Kind::kEnd, "", line_});
        return std::move(tokens_);
    }

private:
    [[nodiscard]] std::size_t nextDelimiter() const {
        for (std::size_t i = at_; (i = source_.find('{', i)) != std::string::npos; ++i)
            if (i + 1 < source_.size() && (source_[i + 1] == '{' || source_[i + 1] == '%' || source_[i + 1] == '#'))
                return i;
        return std::string::npos;
    }

    /// The text up to the delimiter at `end`, trimmed by what stands on both sides of it.
    void text(std::size_t end) {
        std::string piece = source_.substr(at_, end == std::string::npos ? end : end - at_);
        const int line = line_;
        line_ += static_cast<int>(std::count(piece.begin(), piece.end(), '\n'));
        if (stripNext_) {
            const auto first = piece.find_first_not_of(" \t\r\n");
            piece.erase(0, first);
        } else if (dropNewline_ && piece.starts_with('\n')) {  // trim_blocks
            piece.erase(0, 1);
        } else if (dropNewline_ && piece.starts_with("\r\n")) {
            piece.erase(0, 2);
        }
        if (end != std::string::npos) {
            const char sign = end + 2 < source_.size() ? source_[end + 2] : '\0';
            if (sign == '-') {
                while (!piece.empty() && std::isspace(static_cast<unsigned char>(piece.back()))) piece.pop_back();
            } else if (source_[end + 1] != '{' && sign != '+') {  // lstrip_blocks
                const auto last = piece.find_last_not_of(" \t");
                const bool lineStart = last == std::string::npos ? at_ == 0 || lineBegan_ : piece[last] == '\n';
                if (lineStart) piece.erase(last == std::string::npos ? 0 : last + 1);
            }
        }
        if (!piece.empty()) tokens_.push_back({Token::Kind::kText, piece, line});
        stripNext_ = dropNewline_ = false;
        if (end == std::string::npos) at_ = source_.size();
    }

    void delimited() {
        const char kind = source_[at_ + 1];
        if (kind == '#') {
            const auto end = source_.find("#}", at_ + 2);
            if (end == std::string::npos)
                fail(line_, "expected #} at the end of a comment, found the end of the template");
            line_ += static_cast<int>(std::count(source_.begin() + static_cast<std::ptrdiff_t>(at_),
                                                 source_.begin() + static_cast<std::ptrdiff_t>(end), '\n'));
            stripNext_ = source_[end - 1] == '-';
            dropNewline_ = true;
            at_ = end + 2;
            noteLineStart();
            return;
        }
        const bool output = kind == '{';
        tokens_.push_back({output ? Token::Kind::kOutputBegin : Token::Kind::kBlockBegin, "", line_});
        at_ += 2;
        if (at_ < source_.size() && (source_[at_] == '-' || source_[at_] == '+')) ++at_;
        const std::string close = output ? "}}" : "%}";
        while (true) {
            while (at_ < source_.size() && std::isspace(static_cast<unsigned char>(source_[at_])))
                line_ += source_[at_++] == '\n';
            if (at_ >= source_.size()) fail(line_, "expected " + close + ", found the end of the template");
            const bool minus = source_[at_] == '-' && source_.compare(at_ + 1, 2, close) == 0;
            if ((minus || source_.compare(at_, 2, close) == 0) && depth_ == 0) {
                stripNext_ = minus;
                dropNewline_ = !output;
                at_ += minus ? 3 : 2;
                break;
            }
            token();
        }
        tokens_.push_back({output ? Token::Kind::kOutputEnd : Token::Kind::kBlockEnd, "", line_});
        noteLineStart();
    }

    /// Whether what follows begins a line, for lstrip_blocks of a block right behind it.
    void noteLineStart() { lineBegan_ = dropNewline_ && at_ < source_.size() && source_[at_] == '\n'; }

    void token() {
        const char c = source_[at_];
        const std::size_t begin = at_;
        if (std::isalpha(static_cast<unsigned char>(c)) || c == '_') {
            while (at_ < source_.size() &&
                   (std::isalnum(static_cast<unsigned char>(source_[at_])) || source_[at_] == '_'))
                ++at_;
            tokens_.push_back({Token::Kind::kName, source_.substr(begin, at_ - begin), line_});
        } else if (std::isdigit(static_cast<unsigned char>(c))) {
            while (at_ < source_.size() && (std::isdigit(static_cast<unsigned char>(source_[at_])) ||
                                            (source_[at_] == '.' && at_ + 1 < source_.size() &&
                                             std::isdigit(static_cast<unsigned char>(source_[at_ + 1])))))
                ++at_;
            tokens_.push_back({Token::Kind::kNumber, source_.substr(begin, at_ - begin), line_});
        } else if (c == '"' || c == '\'') {
            tokens_.push_back({Token::Kind::kString, string(c), line_});
        } else {
            static constexpr std::string_view kLong[] = {"==", "!=", "<=", ">=", "//", "**"};
            std::string op(1, c);
            for (const std::string_view candidate : kLong)
                if (source_.compare(at_, 2, candidate) == 0) op = candidate;
            if (std::string_view("+-*/%~=!<>()[]{},.:|").find(c) == std::string_view::npos || op == "!" || op == "**")
                fail(line_, "expected an expression, found '" + op + "'");
            if (op == "(" || op == "[" || op == "{") ++depth_;
            if ((op == ")" || op == "]" || op == "}") && depth_ > 0) --depth_;
            at_ += op.size();
            tokens_.push_back({Token::Kind::kOperator, op, line_});
        }
    }

    std::string string(char quote) {
        std::string value;
        for (++at_; at_ < source_.size() && source_[at_] != quote; ++at_) {
            char c = source_[at_];
            if (c == '\n') ++line_;
            if (c == '\\' && at_ + 1 < source_.size()) {
                c = source_[++at_];
                switch (c) {
                    case 'n': c = '\n'; break;
                    case 't': c = '\t'; break;
                    case 'r': c = '\r'; break;
                    case '\\':
                    case '\'':
                    case '"': break;
                    default: value += '\\'; break;
                }
            }
            value += c;
        }
        if (at_ >= source_.size()) fail(line_, "expected the end of a string, found the end of the template");
        ++at_;
        return value;
    }

    const std::string& source_;
    std::vector<Token> tokens_;
    std::size_t at_ = 0;
    int line_ = 1;
    int depth_ = 0;             // of brackets inside an expression
    bool stripNext_ = false;    // a minus sign eats all white space behind
    bool dropNewline_ = false;  // trim_blocks eats one newline behind
    bool lineBegan_ = false;
};

}  // namespace

std::vector<Token> lex(const std::string& source) {
    return Lexer(source).run();
}

}  // namespace step3::text::jinja
