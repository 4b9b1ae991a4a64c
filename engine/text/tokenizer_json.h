#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "engine/json.h"

namespace step3::text {

/// A tokenizer.json, with its two long lists in flat memory and all else as a document.
struct TokenizerJson {
    Json document;        // without model.vocab and model.merges, if they had the right form
    bool vocab = false;   // model.vocab was an object of integers
    bool merges = false;  // model.merges was a list

    struct Entry {
        std::string_view text;
        std::int64_t id = 0;
    };
    struct Merge {
        std::string_view left, right;
    };
    /// In the file's order; the texts lie in `block`.
    std::vector<Entry> entries;
    std::vector<Merge> rules;
    std::string block;
};

/// Throws Error for JSON that is none, for a vocabulary id that is no integer and for a merge that is not two texts or
/// one with a space between. `file` is the name for errors.
TokenizerJson parseTokenizerJson(std::string_view json, const std::string& file);

}  // namespace step3::text
