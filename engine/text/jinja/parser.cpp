#include <algorithm>
#include <charconv>
#include <limits>
#include <set>

#include "engine/error.h"
#include "engine/text/jinja/ast.h"
#include "engine/text/jinja/lexer.h"

// Grammar: text, {{ expression }}, {# comment #} and the statements if/elif/else, for [if] [else], set (name,
// ns.attribute, block form), macro, with the operators, tests and filters listed in evaluator.cpp. Precedence as in
// Jinja, lowest first: conditional, or, and, not, comparison and `in`, ~, + -, * / // %, filter and test, unary,
// postfix.
namespace step3::text::jinja {
namespace {

constexpr int kMaxDepth = 100;
constexpr int kMaxHeight = 200;  // of an expression: a chain of operators is as high as it is long

class Parser {
public:
    explicit Parser(const std::string& source) : tokens_(lex(source)) {}

    Block run() {
        Block block = statements({});
        if (peek().kind != Token::Kind::kEnd) unsupported(peek());
        return block;
    }

private:
    using Kind = Token::Kind;

    [[nodiscard]] const Token& peek(std::size_t ahead = 0) const {
        return tokens_[std::min(at_ + ahead, tokens_.size() - 1)];
    }
    Token take() { return tokens_[at_ + 1 < tokens_.size() ? at_++ : at_]; }
    [[nodiscard]] bool isOperator(const char* text, std::size_t ahead = 0) const {
        return peek(ahead).kind == Kind::kOperator && peek(ahead).text == text;
    }
    [[nodiscard]] bool isName(const char* text, std::size_t ahead = 0) const {
        return peek(ahead).kind == Kind::kName && peek(ahead).text == text;
    }
    bool takeOperator(const char* text) { return isOperator(text) && (take(), true); }
    bool takeName(const char* text) { return isName(text) && (take(), true); }
    void expectOperator(const char* text) {
        if (!takeOperator(text))
            fail(std::string("expected '") + text + "', found " + shown(peek()), ErrorCode::kInvalidData);
    }
    std::string expectName() {
        if (peek().kind != Kind::kName) fail("expected a name, found " + shown(peek()), ErrorCode::kInvalidData);
        return take().text;
    }
    void expectKind(Kind kind, const char* text) {
        if (peek().kind != kind)
            fail(std::string("expected ") + text + ", found " + shown(peek()), ErrorCode::kInvalidData);
        take();
    }
    static std::string shown(const Token& token) {
        switch (token.kind) {
            case Kind::kEnd: return "the end of the template";
            case Kind::kOutputEnd: return "}}";
            case Kind::kBlockEnd: return "%}";
            case Kind::kText: return "text";
            default: return "'" + token.text + "'";
        }
    }
    [[noreturn]] void fail(const std::string& what, ErrorCode code) const {
        throw Error(code, "chat template, line " + std::to_string(peek().line) + ": " + what);
    }
    [[noreturn]] void unsupported(const Token& token) const {
        fail("this program does not know the template construct " + shown(token), ErrorCode::kUnsupported);
    }

    /// Statements up to a block tag named in `ends`, which is left unread.
    Block statements(const std::set<std::string>& ends) {
        const Depth guard(*this);
        Block block;
        while (peek().kind != Kind::kEnd) {
            if (peek().kind == Kind::kText) {
                Statement text;
                text.kind = Statement::Kind::kText;
                text.line = peek().line;
                text.text = take().text;
                block.push_back(std::move(text));
            } else if (peek().kind == Kind::kOutputBegin) {
                Statement output;
                output.kind = Statement::Kind::kOutput;
                output.line = take().line;
                output.value = expression();
                expectKind(Kind::kOutputEnd, "}}");
                block.push_back(std::move(output));
            } else if (peek().kind == Kind::kBlockBegin) {
                if (peek(1).kind == Kind::kName && ends.count(peek(1).text) > 0) return block;
                take();
                block.push_back(statement());
            } else {
                unsupported(peek());
            }
        }
        if (!ends.empty())
            fail("expected {% " + *ends.begin() + " %}, found the end of the template", ErrorCode::kInvalidData);
        return block;
    }

    Statement statement() {
        const Token tag = peek();
        if (takeName("if")) return ifStatement();
        if (takeName("for")) return forStatement();
        if (takeName("set")) return setStatement();
        if (takeName("macro")) return macroStatement();
        if (takeName("generation")) {  // marks assistant text for training; only its body matters here
            expectKind(Kind::kBlockEnd, "%}");
            Statement always;
            always.kind = Statement::Kind::kIf;
            always.branches.emplace_back(nullptr, statements({"endgeneration"}));
            endTag("endgeneration");
            return always;
        }
        unsupported(tag);
    }

    void endTag(const char* name) {
        take();  // {%
        if (!takeName(name))
            fail(std::string("expected ") + name + ", found " + shown(peek()), ErrorCode::kInvalidData);
        if (std::string_view(name) == "endmacro" && peek().kind == Kind::kName) take();
        expectKind(Kind::kBlockEnd, "%}");
    }

    Statement ifStatement() {
        Statement result;
        result.kind = Statement::Kind::kIf;
        result.line = peek().line;
        ExpressionPtr condition = expression();
        expectKind(Kind::kBlockEnd, "%}");
        while (true) {
            result.branches.emplace_back(std::move(condition), statements({"elif", "else", "endif"}));
            if (isName("endif", 1)) break;
            take();  // {%
            if (takeName("elif")) {
                condition = expression();
            } else {
                take();  // else
                condition = nullptr;
            }
            expectKind(Kind::kBlockEnd, "%}");
        }
        endTag("endif");
        return result;
    }

    Statement forStatement() {
        Statement result;
        result.kind = Statement::Kind::kFor;
        result.line = peek().line;
        const bool parenthesis = takeOperator("(");
        do result.targets.push_back(expectName());
        while (takeOperator(","));
        if (parenthesis) expectOperator(")");
        if (!takeName("in")) fail("expected 'in', found " + shown(peek()), ErrorCode::kInvalidData);
        result.value = orExpression();
        if (takeName("if")) result.filter = expression();
        if (isName("recursive")) unsupported(peek());
        expectKind(Kind::kBlockEnd, "%}");
        result.body = statements({"else", "endfor"});
        if (isName("else", 1)) {
            take();
            take();
            expectKind(Kind::kBlockEnd, "%}");
            result.otherwise = statements({"endfor"});
        }
        endTag("endfor");
        return result;
    }

    Statement setStatement() {
        Statement result;
        result.kind = Statement::Kind::kSet;
        result.line = peek().line;
        do result.targets.push_back(expectName());
        while (takeOperator(","));
        if (takeOperator(".")) result.text = expectName();
        if (takeOperator("=")) {
            result.value = expression();
            expectKind(Kind::kBlockEnd, "%}");
        } else {
            expectKind(Kind::kBlockEnd, "%}");
            result.body = statements({"endset"});
            endTag("endset");
        }
        return result;
    }

    Statement macroStatement() {
        Statement result;
        result.kind = Statement::Kind::kMacro;
        result.line = peek().line;
        result.text = expectName();
        expectOperator("(");
        while (!takeOperator(")")) {
            result.targets.push_back(expectName());
            result.defaults.push_back(takeOperator("=") ? expression() : nullptr);
            if (!isOperator(")")) expectOperator(",");
        }
        expectKind(Kind::kBlockEnd, "%}");
        result.body = statements({"endmacro"});
        endTag("endmacro");
        return result;
    }

    ExpressionPtr make(Expression::Kind kind, std::string text = {}) const {
        auto result = std::make_unique<Expression>();
        result->kind = kind;
        result->line = peek().line;
        result->text = std::move(text);
        return result;
    }
    /// Puts `child` (may be null) below `parent`.
    void add(Expression& parent, ExpressionPtr child) const {
        grow(parent, child.get());
        parent.items.push_back(std::move(child));
    }
    void grow(Expression& parent, const Expression* child) const {
        if (child == nullptr) return;
        parent.height = std::max(parent.height, child->height + 1);
        if (parent.height > kMaxHeight)
            fail("expected an expression of at most " + std::to_string(kMaxHeight) + " levels, found more",
                 ErrorCode::kUnsupported);
    }
    ExpressionPtr binary(const std::string& op, ExpressionPtr left, ExpressionPtr right) const {
        auto result = make(Expression::Kind::kBinary, op);
        add(*result, std::move(left));
        add(*result, std::move(right));
        return result;
    }

    ExpressionPtr expression() {
        const Depth guard(*this);
        ExpressionPtr value = orExpression();
        while (takeName("if")) {
            auto result = make(Expression::Kind::kConditional);
            add(*result, std::move(value));
            add(*result, orExpression());
            add(*result, takeName("else") ? expression() : nullptr);
            value = std::move(result);
        }
        return value;
    }
    ExpressionPtr orExpression() {
        ExpressionPtr left = andExpression();
        while (takeName("or")) left = binary("or", std::move(left), andExpression());
        return left;
    }
    ExpressionPtr andExpression() {
        ExpressionPtr left = notExpression();
        while (takeName("and")) left = binary("and", std::move(left), notExpression());
        return left;
    }
    ExpressionPtr notExpression() {
        if (!takeName("not")) return comparison();
        const Depth guard(*this);
        return negated(notExpression());
    }
    ExpressionPtr negated(ExpressionPtr value) const {
        auto result = make(Expression::Kind::kUnary, "not");
        add(*result, std::move(value));
        return result;
    }
    ExpressionPtr comparison() {
        ExpressionPtr left = concatenation();
        while (true) {
            bool found = false;
            for (const char* op : {"==", "!=", "<=", ">=", "<", ">"}) {
                if (!takeOperator(op)) continue;
                left = binary(op, std::move(left), concatenation());
                found = true;
                break;
            }
            if (found) continue;
            if (takeName("in")) {
                left = binary("in", std::move(left), concatenation());
            } else if (isName("not") && isName("in", 1)) {
                take();
                take();
                left = negated(binary("in", std::move(left), concatenation()));
            } else {
                return left;
            }
        }
    }
    ExpressionPtr concatenation() {
        ExpressionPtr left = sum();
        while (takeOperator("~")) left = binary("~", std::move(left), sum());
        return left;
    }
    ExpressionPtr sum() {
        ExpressionPtr left = product();
        while (isOperator("+") || isOperator("-")) {
            const std::string op = take().text;
            left = binary(op, std::move(left), product());
        }
        return left;
    }
    ExpressionPtr product() {
        ExpressionPtr left = unary();
        while (isOperator("*") || isOperator("/") || isOperator("//") || isOperator("%")) {
            const std::string op = take().text;
            left = binary(op, std::move(left), unary());
        }
        return left;
    }
    /// Filters work on the signed value: -3 | abs is 3.
    ExpressionPtr unary() { return filtersAndTests(signedValue()); }

    ExpressionPtr signedValue() {
        if (!isOperator("-") && !isOperator("+")) return postfix(primary());
        const Depth guard(*this);
        auto result = make(Expression::Kind::kUnary, take().text);
        add(*result, signedValue());
        return result;
    }

    ExpressionPtr filtersAndTests(ExpressionPtr value) {
        while (true) {
            if (takeOperator("|")) {
                auto filter = make(Expression::Kind::kFilter, expectName());
                add(*filter, std::move(value));
                if (takeOperator("(")) arguments(*filter);
                value = postfix(std::move(filter));
            } else if (isName("is")) {
                take();
                const bool inverted = takeName("not");
                auto test = make(Expression::Kind::kTest, expectName());
                add(*test, std::move(value));
                if (takeOperator("(")) {
                    arguments(*test);
                } else if (peek().kind == Kind::kString || peek().kind == Kind::kNumber) {
                    test->arguments.push_back({"", primary()});
                }
                value = inverted ? negated(std::move(test)) : std::move(test);
            } else {
                return value;
            }
        }
    }

    void arguments(Expression& call) {
        while (!takeOperator(")")) {
            Argument argument;
            if (peek().kind == Kind::kName && isOperator("=", 1)) {
                argument.name = take().text;
                take();
            }
            argument.value = expression();
            grow(call, argument.value.get());
            call.arguments.push_back(std::move(argument));
            if (!isOperator(")")) expectOperator(",");
        }
    }

    ExpressionPtr postfix(ExpressionPtr value) {
        while (true) {
            if (takeOperator(".")) {
                auto attribute =
                    make(Expression::Kind::kAttribute, peek().kind == Kind::kNumber ? take().text : expectName());
                add(*attribute, std::move(value));
                value = std::move(attribute);
            } else if (takeOperator("[")) {
                value = subscript(std::move(value));
            } else if (takeOperator("(")) {
                auto call = make(Expression::Kind::kCall);
                add(*call, std::move(value));
                arguments(*call);
                value = std::move(call);
            } else {
                return value;
            }
        }
    }

    ExpressionPtr subscript(ExpressionPtr value) {
        auto result = make(Expression::Kind::kSubscript);
        add(*result, std::move(value));
        ExpressionPtr first = isOperator(":") ? nullptr : expression();
        if (takeOperator(":")) {
            result->kind = Expression::Kind::kSlice;
            add(*result, std::move(first));
            add(*result, isOperator("]") || isOperator(":") ? nullptr : expression());
            add(*result, takeOperator(":") && !isOperator("]") ? expression() : nullptr);
        } else {
            add(*result, std::move(first));
        }
        expectOperator("]");
        return result;
    }

    ExpressionPtr primary() {
        const Depth guard(*this);
        const Token token = take();
        auto literal = [&](Json value) {
            auto result = make(Expression::Kind::kLiteral);
            result->literal = std::move(value);
            return result;
        };
        if (token.kind == Kind::kString) {
            std::string text = token.text;
            while (peek().kind == Kind::kString) text += take().text;
            return literal(text);
        }
        if (token.kind == Kind::kNumber) return number(token, literal);
        if (token.kind == Kind::kName) {
            if (token.text == "true" || token.text == "True") return literal(true);
            if (token.text == "false" || token.text == "False") return literal(false);
            if (token.text == "none" || token.text == "None") return literal(nullptr);
            return make(Expression::Kind::kName, token.text);
        }
        if (token.kind == Kind::kOperator && token.text == "(") {
            if (takeOperator(")")) return make(Expression::Kind::kList);
            ExpressionPtr value = expression();
            if (!isOperator(",")) {
                expectOperator(")");
                return value;
            }
            auto tuple = make(Expression::Kind::kList);
            add(*tuple, std::move(value));
            while (takeOperator(",") && !isOperator(")")) add(*tuple, expression());
            expectOperator(")");
            return tuple;
        }
        if (token.kind == Kind::kOperator && token.text == "[") {
            auto list = make(Expression::Kind::kList);
            while (!takeOperator("]")) {
                add(*list, expression());
                if (!isOperator("]")) expectOperator(",");
            }
            return list;
        }
        if (token.kind == Kind::kOperator && token.text == "{") {
            auto dict = make(Expression::Kind::kDict);
            while (!takeOperator("}")) {
                add(*dict, expression());
                expectOperator(":");
                add(*dict, expression());
                if (!isOperator("}")) expectOperator(",");
            }
            return dict;
        }
        throw Error(ErrorCode::kInvalidData, "chat template, line " + std::to_string(token.line) +
                                                 ": expected an expression, found " + shown(token));
    }

    template <typename Literal>
    ExpressionPtr number(const Token& token, const Literal& literal) const {
        const char* end = token.text.data() + token.text.size();
        if (token.text.find('.') != std::string::npos) {
            double value = 0;
            std::from_chars(token.text.data(), end, value);
            return literal(value);
        }
        std::int64_t value = 0;
        if (std::from_chars(token.text.data(), end, value).ec != std::errc())
            fail("expected a number below 2^63, found " + token.text, ErrorCode::kInvalidData);
        return literal(value);
    }

    /// Counts nesting, so that a hostile template cannot exhaust the stack.
    class Depth {
    public:
        explicit Depth(Parser& parser) : parser_(parser) {
            if (++parser_.depth_ > kMaxDepth)
                parser_.fail("expected at most " + std::to_string(kMaxDepth) + " levels of nesting, found more",
                             ErrorCode::kUnsupported);
        }
        ~Depth() { --parser_.depth_; }
        Depth(const Depth&) = delete;
        Depth& operator=(const Depth&) = delete;

    private:
        Parser& parser_;
    };

    std::vector<Token> tokens_;
    std::size_t at_ = 0;
    int depth_ = 0;
};

}  // namespace

Block parse(const std::string& source) {
    return Parser(source).run();
}

}  // namespace step3::text::jinja
