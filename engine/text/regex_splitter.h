#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace step3::text {

/// One pre-tokenizer step of tokenizer.json: Split with behaviour Isolated. Matches and what lies between them become
/// pieces of their own. Unicode classes, as in the Rust original.
class RegexSplitter {
public:
    /// `where` names file and field in errors.
    RegexSplitter(const std::string& pattern, bool literal, const std::string& where);
    ~RegexSplitter();
    RegexSplitter(RegexSplitter&&) noexcept;
    RegexSplitter& operator=(RegexSplitter&&) = delete;

    /// Appends the pieces of valid UTF-8 `text` to `out`.
    void split(std::string_view text, std::vector<std::string_view>& out) const;

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace step3::text
