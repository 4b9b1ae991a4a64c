#include "engine/text/byte_level_bpe.h"

#include <array>
#include <bit>
#include <cstring>
#include <optional>
#include <utility>

#include "engine/error.h"
#include "engine/text/added_tokens.h"
#include "engine/text/bpe_merges.h"
#include "engine/text/pre_tokenizer.h"
#include "engine/text/tokenizer_fields.h"
#include "engine/text/tokenizer_json.h"
#include "engine/text/vocabulary.h"
#include "engine/utf8.h"

namespace step3::text {
namespace {

constexpr std::int64_t kMaxVocab = 1LL << 22;

/// GPT-2's table, backwards: the byte that a printable character in a vocabulary entry stands for, -1 for none.
std::array<std::int16_t, 512> characterBytes() {
    std::array<std::int16_t, 512> table{};
    table.fill(-1);
    std::size_t next = 256;
    for (std::int16_t b = 0; b < 256; ++b) {
        const bool printable = (b >= 33 && b <= 126) || (b >= 161 && b <= 172) || b >= 174;
        table[printable ? static_cast<std::size_t>(b) : next++] = b;
    }
    return table;
}

/// Turns vocabulary entries back to the bytes they stand for; an entry with a character that stands for no byte is
/// taken as it is.
class EntryBytes {
public:
    std::string_view operator()(std::string_view entry) {
        bytes_.clear();
        for (std::size_t i = 0; i < entry.size();) {
            const CodePoint c = codePointAt(entry.data() + i);  // JSON text is valid UTF-8
            if (c.value >= table_.size() || table_[c.value] < 0) return entry;
            bytes_ += static_cast<char>(table_[c.value]);
            i += static_cast<std::size_t>(c.length);
        }
        return bytes_;
    }

private:
    std::array<std::int16_t, 512> table_ = characterBytes();
    std::string bytes_;
};

/// Ids of pieces that a text has had before. Words repeat; most need no merging. Lives for one text.
class PieceCache {
public:
    PieceCache(std::string_view text, std::vector<TokenId>& ids)
        : text_(text), ids_(ids), slots_(std::bit_ceil(text.size() / 16 + 1)) {
        if (slots_.size() > kMaxSlots) slots_.resize(kMaxSlots);
    }
    /// Appends the ids of `piece`, which lies in the text, by `encode` if they are not known.
    template <typename Encode>
    void append(std::string_view piece, const Encode& encode) {
        if (piece.size() > kMaxPiece) return encode(piece);
        Slot& slot = slots_[hash(piece) & (slots_.size() - 1)];
        if (slot.size == piece.size() && text_.substr(slot.begin, slot.size) == piece) {
            for (std::size_t i = 0; i < slot.idCount; ++i) ids_.push_back(ids_[slot.firstId + i]);
            return;
        }
        const std::size_t first = ids_.size();
        encode(piece);
        slot = {static_cast<std::size_t>(piece.data() - text_.data()), first, static_cast<std::uint16_t>(piece.size()),
                static_cast<std::uint16_t>(ids_.size() - first)};
    }

private:
    static constexpr std::size_t kMaxSlots = 1U << 14;
    static constexpr std::size_t kMaxPiece = 64;
    struct Slot {
        std::size_t begin = 0;    // in the text
        std::size_t firstId = 0;  // in the ids
        std::uint16_t size = 0;   // 0: free
        std::uint16_t idCount = 0;
    };
    static std::size_t hash(std::string_view piece) {
        std::uint64_t h = piece.size();
        while (piece.size() > 8) {
            std::uint64_t word;
            std::memcpy(&word, piece.data(), 8);
            h = (h ^ word) * 0x9E3779B97F4A7C15ULL;
            h ^= h >> 32;
            piece.remove_prefix(8);
        }
        std::uint64_t word = 0;
        std::memcpy(&word, piece.data(), piece.size());
        h = (h ^ word) * 0x9E3779B97F4A7C15ULL;
        return h >> 40;  // kMaxSlots needs 14 bits; the upper ones are mixed best
    }

    std::string_view text_;
    std::vector<TokenId>& ids_;
    std::vector<Slot> slots_;
};

class ByteLevelBpe final : public Tokenizer {
public:
    ByteLevelBpe(const TokenizerJson& json, const std::string& file)
        : file_(file), preTokenizer_(json.document, file), merges_(readModel(json)) {
        readNormalizer(json.document);
        readAddedTokens(json.document);
    }

    [[nodiscard]] std::vector<TokenId> encode(std::string_view text) const override {
        const std::string valid = validUtf8(text);
        std::vector<TokenId> ids;
        ids.reserve(valid.size() / 4);
        PieceCache cache(valid, ids);
        std::vector<std::string_view> pieces;
        cut(valid, verbatim_, ids, [&](std::string_view piece) {
            cut(piece, normalized_, ids, [&](std::string_view rest) {
                pieces.clear();
                preTokenizer_.split(rest, pieces);
                for (const std::string_view word : pieces)
                    cache.append(word, [&](std::string_view w) { encodeWord(w, ids); });
            });
        });
        return ids;
    }
    [[nodiscard]] std::string tokenBytes(TokenId id) const override { return std::string(vocabulary_.bytes(id)); }
    [[nodiscard]] std::string tokenText(TokenId id) const override { return std::string(vocabulary_.text(id)); }
    [[nodiscard]] std::optional<TokenId> idOf(std::string_view token) const override { return vocabulary_.find(token); }
    [[nodiscard]] bool isSpecial(TokenId id) const override { return vocabulary_.isSpecial(id); }
    [[nodiscard]] std::int64_t vocabSize() const override { return vocabulary_.size(); }
    [[nodiscard]] std::string decode(const std::vector<TokenId>& ids, bool skipSpecial) const override {
        std::string bytes;
        bytes.reserve(ids.size() * 4);
        for (const TokenId id : ids)
            if (!skipSpecial || !isSpecial(id)) bytes += vocabulary_.bytes(id);
        return validUtf8(bytes);
    }

private:
    template <typename Rest>
    static void cut(std::string_view text, const AddedTokens& tokens, std::vector<TokenId>& ids, const Rest& rest) {
        for (std::size_t begin = 0; begin < text.size();) {
            AddedTokens::Found found;
            const std::size_t at = tokens.next(text, begin, found);
            if (at > begin) rest(text.substr(begin, at - begin));
            if (found.id >= 0) ids.push_back(found.id);
            begin = at + found.length;
        }
    }

    /// BPE of one pre-token.
    void encodeWord(std::string_view word, std::vector<TokenId>& ids) const {
        if (ignoreMerges_) {
            if (const auto id = byBytes_.find(word)) {
                ids.push_back(*id);
                return;
            }
        }
        merges_.encode(word, ids);
    }

    void readNormalizer(const Json& root) const {
        const auto it = root.find("normalizer");
        if (it == root.end() || it->is_null()) return;
        if (textMember(*it, "type") == "Sequence" && it->contains("normalizers") && (*it)["normalizers"].is_array() &&
            (*it)["normalizers"].empty())
            return;
        failField(file_, "normalizer", "none (text is encoded as it is)", shownValue(*it), ErrorCode::kUnsupported);
    }

    /// Fills the vocabulary and makes the merge rules.
    BpeMerges readModel(const TokenizerJson& json) {
        const auto model = json.document.find("model");
        if (model == json.document.end() || !model->is_object())
            failField(file_, "model", "an object", model == json.document.end() ? "nothing" : shownValue(*model));
        if (model->value("type", Json()) != "BPE")
            failField(file_, "model.type", "\"BPE\"", shownValue(model->value("type", Json())),
                      ErrorCode::kUnsupported);
        if (model->value("byte_fallback", Json()) == true)
            failField(file_, "model.byte_fallback", "false", "true", ErrorCode::kUnsupported);
        ignoreMerges_ = model->value("ignore_merges", Json()) == true;
        const auto requireList = [&](bool present, const std::string& name, const std::string& expected) {
            if (present) return;
            const auto it = model->find(name);
            failField(file_, "model." + name, expected, it == model->end() ? "nothing" : shownValue(*it));
        };
        requireList(json.vocab, "vocab", "an object of tokens and ids");
        requireList(json.merges, "merges", "a list");

        std::array<TokenId, 256> byteIds{};
        byteIds.fill(-1);
        EntryBytes entryBytes;
        vocabulary_.reserve(json.entries.size() + 1024, 2 * json.block.size());
        if (ignoreMerges_) byBytes_.reserve(json.entries.size(), json.block.size());
        for (const TokenizerJson::Entry& item : json.entries) {
            const TokenId id = checkedId(item.id, "model.vocab." + std::string(item.text));
            const std::string_view bytes = entryBytes(item.text);
            store(id, item.text, bytes, false);
            if (ignoreMerges_) byBytes_.add(id, bytes, bytes, false);
            if (bytes.size() == 1) byteIds[static_cast<unsigned char>(bytes[0])] = id;
        }
        BpeMerges merges(byteIds, json.rules.size());
        std::string joined;
        for (std::size_t rank = 0; rank < json.rules.size(); ++rank) {
            const auto need = [&](std::string_view token) {
                if (const auto id = vocabulary_.find(token)) return *id;
                failField(file_, "model.merges[" + std::to_string(rank) + "]", "tokens of model.vocab",
                          shownValue(Json(std::string(token))));
            };
            const auto& [left, right] = json.rules[rank];
            joined.assign(left).append(right);
            const TokenId merged = need(joined);
            merges.add(need(left), need(right), static_cast<std::uint32_t>(rank), merged);
        }
        return merges;
    }

    void readAddedTokens(const Json& root) {
        const auto added = root.find("added_tokens");
        if (added == root.end() || added->is_null()) return;
        if (!added->is_array()) failField(file_, "added_tokens", "a list", shownValue(*added));
        for (const Json& item : *added) {
            if (!item.is_object() || !item.contains("content") || !item["content"].is_string() ||
                item["content"].get_ref<const std::string&>().empty())
                failField(file_, "added_tokens", "objects with id and content", shownValue(item));
            const auto& content = item["content"].get_ref<const std::string&>();
            const std::string field = "added_tokens." + content;
            const Json number = item.value("id", Json());
            if (!number.is_number_integer())
                failField(file_, field, "an id from 0 to " + std::to_string(kMaxVocab - 1), shownValue(number));
            const TokenId id = checkedId(number.get<std::int64_t>(), field);
            const bool special = item.value("special", Json()) == true;
            for (const char* flag : {"single_word", "lstrip", "rstrip"})
                if (item.value(flag, Json()) == true)
                    failField(file_, field + "." + flag, "false", "true", ErrorCode::kUnsupported);
            if (vocabulary_.find(content) == id)
                vocabulary_.makeVerbatim(id, special);
            else
                store(id, content, content, special);
            (item.value("normalized", Json()) == true ? normalized_ : verbatim_).add(content, id);
        }
    }

    [[nodiscard]] TokenId checkedId(std::int64_t id, const std::string& field) const {
        if (id < 0 || id >= kMaxVocab)
            failField(file_, field, "an id from 0 to " + std::to_string(kMaxVocab - 1), std::to_string(id));
        return static_cast<TokenId>(id);
    }

    void store(TokenId id, std::string_view text, std::string_view bytes, bool special) {
        const bool taken = vocabulary_.contains(id);
        if (!taken && vocabulary_.add(id, text, bytes, special)) return;
        const std::string shown = shownValue(Json(std::string(text)));
        if (taken) failField(file_, "id " + std::to_string(id), "one token", "two, the second " + shown);
        failField(file_, "token " + shown, "one id", "two, the second " + std::to_string(id));
    }

    std::string file_;
    Vocabulary vocabulary_;
    Vocabulary byBytes_;  // regular entries by their bytes; only for ignore_merges
    bool ignoreMerges_ = false;
    PreTokenizer preTokenizer_;
    BpeMerges merges_;
    AddedTokens verbatim_;    // normalized: false
    AddedTokens normalized_;  // normalized: true
};

}  // namespace

std::shared_ptr<const Tokenizer> makeByteLevelBpe(std::string_view json, const std::string& file) {
    const TokenizerJson parsed = parseTokenizerJson(json, file);
    if (!parsed.document.is_object())
        throw Error(ErrorCode::kInvalidData, file + ": expected a JSON object, found " + parsed.document.type_name());
    return std::make_shared<ByteLevelBpe>(parsed, file);
}

}  // namespace step3::text
