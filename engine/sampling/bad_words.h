#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "engine/text/tokenizer.h"

namespace step3::sampling {

/// Words that an answer must not contain, as vLLM understands them: each is tokenised as it begins a text and, where
/// that gives other tokens of the same number, as it follows a space; the last token of such a sequence is banned where
/// the answer ends with the tokens before it.
class BadWords {
public:
    BadWords(const std::vector<std::string>& words, const text::Tokenizer& tokenizer);
    /// Appends the tokens that must not follow `answer`.
    void appendBanned(std::span<const std::int32_t> answer, std::vector<std::int32_t>& banned) const;

private:
    std::vector<std::vector<std::int32_t>> sequences_;
};

}  // namespace step3::sampling
