#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <string_view>

#include "engine/json.h"
#include "engine/sampling/structured/machine.h"
#include "engine/text/tokenizer.h"

namespace step3::sampling::structured::testing {

/// A language over bytes, for tests of the translators.
class Language {
public:
    explicit Language(const std::function<Grammar::Expr(Grammar&)>& build);

    [[nodiscard]] bool matches(std::string_view text);
    /// Some text goes on like this.
    [[nodiscard]] bool isPrefix(std::string_view text);
    /// A text of the language; nothing if it has not come to an end after `maxBytes`.
    std::optional<std::string> randomText(std::mt19937& random, std::size_t maxBytes);

private:
    Machine::State read(std::string_view text);

    Machine machine_;
};

Language jsonSchema(const std::string& schema);
Language regex(const std::string& pattern);

/// Message of the Error kInvalidArgument that `action` throws; fails the test if it throws none or another.
std::string refusal(const std::function<void()>& action);

/// Whether `value` is valid, by the rules of JSON schema written down once more and directly: the keywords the
/// translator supports.
bool isValid(const Json& schema, const Json& value, const Json& root);

/// Bytes, a few words and pieces of UTF-8 and JSON, markup tokens, and an end token.
class ByteTokenizer final : public text::Tokenizer {
public:
    explicit ByteTokenizer(std::vector<std::string> words = {}, std::vector<std::string> special = {});
    [[nodiscard]] std::vector<text::TokenId> encode(std::string_view text) const override;
    [[nodiscard]] std::string tokenBytes(text::TokenId id) const override;
    [[nodiscard]] std::optional<text::TokenId> idOf(std::string_view token) const override;
    [[nodiscard]] bool isSpecial(text::TokenId id) const override;
    [[nodiscard]] std::int64_t vocabSize() const override { return static_cast<std::int64_t>(tokens_.size()); }
    [[nodiscard]] std::string decode(const std::vector<text::TokenId>& ids, bool skipSpecial) const override;
    [[nodiscard]] text::TokenId eos() const { return static_cast<text::TokenId>(tokens_.size()) - 1; }

private:
    std::vector<std::string> tokens_;
    std::size_t firstSpecial_;
};

}  // namespace step3::sampling::structured::testing
