#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "engine/model/config.h"
#include "engine/text/tokenizer.h"

namespace step3::serving {

/// Keeps text that came from outside from being read as markup. A user may write "<im_patch>" or "<|EOT|>"; encoded as
/// it stands it would become an image placeholder or end the turn. Such text keeps every byte, but is encoded in two
/// pieces cut after its first character, so that no piece holds the whole token and the tokenizer spells it out. Text
/// without the exact text of a markup token is not cut and so encodes as ever.
///
/// The cut has to survive the chat template, which sees text, not tokens. It is therefore marked by a mark: a Unicode
/// non-character that no text of the request contains; encode() takes the marks out again.
class MarkupGuard {
public:
    /// Guards the special tokens of the tokenizer, the stop tokens of the model and the names of spec step3-model
    /// section 7.1 (some of which are no special tokens in the tokenizer file).
    MarkupGuard(const text::Tokenizer& tokenizer, const model::ModelConfig& config);

    /// Byte offsets at which `text` must be cut, rising.
    [[nodiscard]] std::vector<std::size_t> cuts(std::string_view text) const;
    /// `text` with `mark` at its cuts.
    [[nodiscard]] std::string marked(std::string_view text, std::string_view mark) const;
    /// Texts that follow each other without anything between them: a token may begin in one and end in the next.
    [[nodiscard]] std::vector<std::string> markedTogether(const std::vector<std::string_view>& texts,
                                                          std::string_view mark) const;

    /// Encodes what lies between the marks piece by piece.
    [[nodiscard]] static std::vector<text::TokenId> encode(const text::Tokenizer& tokenizer, std::string_view text,
                                                           std::string_view mark);
    /// The first mark for which contains(mark) is false; empty if there is none.
    template <typename Contains>
    static std::string chooseMark(const Contains& contains);

private:
    std::vector<std::string> markup_;  // longest first
    bool firstBytes_[256] = {};        // with which markup begins
};

/// Non-characters U+FDD0..U+FDEF, reserved for internal use by the Unicode standard.
template <typename Contains>
std::string MarkupGuard::chooseMark(const Contains& contains) {
    for (unsigned char last = 0x90; last <= 0xAF; ++last) {
        const std::string mark{'\xEF', '\xB7', static_cast<char>(last)};
        if (!contains(mark)) return mark;
    }
    return {};
}

}  // namespace step3::serving
