#include "engine/text/sentencepiece_tokenizer.h"

#include <algorithm>
#include <exception>

#include <sentencepiece_processor.h>

#include "engine/error.h"
#include "engine/utf8.h"

namespace step3::text {
namespace {

constexpr std::string_view kSpaceMarker = "\xE2\x96\x81";  // U+2581 stands for a space inside pieces

class Sentencepiece final : public Tokenizer {
public:
    Sentencepiece(std::string_view model, const std::string& file) {
        std::string found;
        try {
            const auto status = processor_.LoadFromSerializedProto({model.data(), model.size()});
            if (!status.ok()) found = status.error_message();
        } catch (const std::exception& error) {  // from its trie, for pieces it cannot hold
            found = error.what();
        }
        if (!found.empty())
            throw Error(ErrorCode::kInvalidData, file + ": expected a sentencepiece model, found: " + found);
        const int size = processor_.GetPieceSize();
        if (size <= 0)
            throw Error(ErrorCode::kInvalidData, file + ": expected a sentencepiece model with pieces, found none");
        bytes_.reserve(static_cast<std::size_t>(size));
        special_.reserve(static_cast<std::size_t>(size));
        for (int id = 0; id < size; ++id) addPiece(id);
    }

    [[nodiscard]] std::vector<TokenId> encode(std::string_view text) const override {
        const std::string valid = validUtf8(text);
        std::vector<int> ids;
        const auto status = processor_.Encode({valid.data(), valid.size()}, &ids);
        if (!status.ok())
            throw Error(ErrorCode::kInternal,
                        std::string("sentencepiece could not encode a text: ") + status.error_message());
        return {ids.begin(), ids.end()};
    }
    [[nodiscard]] std::string tokenBytes(TokenId id) const override {
        return id >= 0 && static_cast<std::size_t>(id) < bytes_.size() ? bytes_[static_cast<std::size_t>(id)]
                                                                       : std::string();
    }
    [[nodiscard]] std::string tokenText(TokenId id) const override {
        return id >= 0 && static_cast<std::size_t>(id) < bytes_.size() ? processor_.IdToPiece(id) : std::string();
    }
    [[nodiscard]] std::optional<TokenId> idOf(std::string_view token) const override {
        const int id = processor_.PieceToId({token.data(), token.size()});
        if (processor_.IdToPiece(id) != token) return std::nullopt;  // the unknown piece stands for anything it lacks
        return id;
    }
    [[nodiscard]] bool isSpecial(TokenId id) const override {
        return id >= 0 && static_cast<std::size_t>(id) < special_.size() && special_[static_cast<std::size_t>(id)];
    }
    [[nodiscard]] std::int64_t vocabSize() const override { return static_cast<std::int64_t>(bytes_.size()); }
    [[nodiscard]] std::string decode(const std::vector<TokenId>& ids, bool skipSpecial) const override {
        std::string bytes;
        for (const TokenId id : ids)
            if (!skipSpecial || !isSpecial(id)) bytes += tokenBytes(id);
        return validUtf8(bytes);
    }

private:
    void addPiece(int id) {
        const std::string& piece = processor_.IdToPiece(id);
        if (processor_.IsByte(id)) {  // "<0x41>"
            bytes_.emplace_back(1, static_cast<char>(std::stoi(piece.substr(3, 2), nullptr, 16)));
            special_.push_back(false);
            return;
        }
        const bool angled = piece.size() > 2 && piece.front() == '<' && piece.back() == '>';
        const bool special =
            processor_.IsControl(id) || processor_.IsUnknown(id) || (angled && isUserDefined(piece, id));
        std::string bytes;
        for (std::size_t i = 0; i < piece.size();) {
            const bool marker = !special && std::string_view(piece).substr(i).starts_with(kSpaceMarker);
            if (marker) {
                bytes += ' ';
                i += kSpaceMarker.size();
            } else {
                bytes += piece[i++];
            }
        }
        bytes_.push_back(processor_.IsUnknown(id) ? std::string(kReplacement) : std::move(bytes));
        special_.push_back(special);
    }

    /// A user-defined piece is cut out of any text whole, so it encodes to itself even between letters.
    [[nodiscard]] bool isUserDefined(const std::string& piece, int id) const {
        std::vector<int> ids;
        return processor_.Encode("a" + piece + "a", &ids).ok() && std::find(ids.begin(), ids.end(), id) != ids.end();
    }

    sentencepiece::SentencePieceProcessor processor_;
    std::vector<std::string> bytes_;  // by id
    std::vector<bool> special_;
};

}  // namespace

std::shared_ptr<const Tokenizer> makeSentencepiece(std::string_view model, const std::string& file) {
    return std::make_shared<Sentencepiece>(model, file);
}

}  // namespace step3::text
