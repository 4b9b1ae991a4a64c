#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "engine/json.h"
#include "engine/text/regex_splitter.h"

namespace step3::text {

/// The `pre_tokenizer` of a byte-level tokenizer.json: Split steps and ByteLevel. Patterns that are known by their
/// exact text run as written-out code, all others as regular expressions.
class PreTokenizer {
public:
    /// `root` is the whole file, `file` its name for errors. Throws Error naming the field.
    PreTokenizer(const Json& root, const std::string& file);

    /// Appends the pieces of valid UTF-8 `text` to `out`; they lie in `text`.
    void split(std::string_view text, std::vector<std::string_view>& out) const;

private:
    std::vector<RegexSplitter> splitters_;  // applied one after the other
    bool deepSeek_ = false;                 // splitters_ is empty and splitDeepSeek does the work
};

}  // namespace step3::text
