#pragma once

#include <string>
#include <vector>

namespace step3::text::jinja {

struct Token {
    enum class Kind {
        kText,
        kOutputBegin,
        kOutputEnd,
        kBlockBegin,
        kBlockEnd,
        kName,
        kNumber,
        kString,
        kOperator,
        kEnd
    };
    Kind kind = Kind::kEnd;
    std::string text;
    int line = 1;
};

/// Cuts a template into text and the tokens between its delimiters; comments vanish; white space is trimmed as
/// trim_blocks, lstrip_blocks and the minus signs of the delimiters say.
std::vector<Token> lex(const std::string& source);

}  // namespace step3::text::jinja
