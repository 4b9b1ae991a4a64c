#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace step3::text {

using TokenId = std::int32_t;

/// Text to token ids and back. Immutable; safe to use from several threads.
class Tokenizer {
public:
    /// Reads tokenizer.json (byte-level BPE) or, if there is none, tokenizer.model (sentencepiece) from a checkpoint
    /// folder.
    static std::shared_ptr<const Tokenizer> fromFolder(const std::filesystem::path& folder);
    /// Reads one file; the kind is told by its content (JSON or sentencepiece model).
    static std::shared_ptr<const Tokenizer> fromFile(const std::filesystem::path& file);

    virtual ~Tokenizer() = default;

    /// Ids of a UTF-8 text; added (special) tokens in the text become their own ids; nothing is added.
    [[nodiscard]] virtual std::vector<TokenId> encode(std::string_view text) const = 0;
    /// The raw bytes a token stands for (may be part of a UTF-8 sequence); empty for an unknown id.
    [[nodiscard]] virtual std::string tokenBytes(TokenId id) const = 0;
    /// A token as its vocabulary spells it, e.g. "Ġworld" or "▁world"; empty for an unknown id.
    [[nodiscard]] virtual std::string tokenText(TokenId id) const { return tokenBytes(id); }
    /// Id of a token by its exact text, e.g. "<im_patch>".
    [[nodiscard]] virtual std::optional<TokenId> idOf(std::string_view token) const = 0;
    [[nodiscard]] virtual bool isSpecial(TokenId id) const = 0;
    [[nodiscard]] virtual std::int64_t vocabSize() const = 0;

    /// Text of a whole sequence; bytes that form no valid UTF-8 become U+FFFD, as Hugging Face does.
    [[nodiscard]] virtual std::string decode(const std::vector<TokenId>& ids, bool skipSpecial = false) const = 0;
};

/// Turns ids into text one at a time without ever emitting part of a UTF-8 character.
class Detokenizer {
public:
    explicit Detokenizer(std::shared_ptr<const Tokenizer> tokenizer, bool skipSpecial = true);
    /// Text that is complete after this token (may be empty).
    std::string push(TokenId id);
    /// What is left at the end, incomplete bytes replaced by U+FFFD.
    std::string flush();

private:
    std::shared_ptr<const Tokenizer> tokenizer_;
    bool skipSpecial_;
    std::string pending_;
};

}  // namespace step3::text
