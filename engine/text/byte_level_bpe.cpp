#include "engine/text/byte_level_bpe.h"

#include <algorithm>
#include <array>
#include <limits>
#include <queue>
#include <unordered_map>
#include <utility>

#include "engine/error.h"
#include "engine/json.h"
#include "engine/text/regex_splitter.h"
#include "engine/text/utf8.h"

namespace step3::text {
namespace {

constexpr std::size_t kMaxVocab = 1U << 22;

[[noreturn]] void fail(const std::string& file, const std::string& field, const std::string& expected,
                       const std::string& found, ErrorCode code = ErrorCode::kInvalidData) {
    throw Error(code, file + ": field " + field + ": expected " + expected + ", found " + found);
}

std::string shown(const Json& value) {
    const std::string text = value.dump(-1, ' ', false, Json::error_handler_t::replace);
    return text.size() > 60 ? text.substr(0, 57) + "..." : text;
}

/// GPT-2's table: every byte has a printable character that stands for it in vocabulary entries.
std::array<char32_t, 256> byteCharacters() {
    std::array<char32_t, 256> table{};
    char32_t next = 256;
    for (unsigned b = 0; b < 256; ++b) {
        const bool printable = (b >= 33 && b <= 126) || (b >= 161 && b <= 172) || (b >= 174);
        table[b] = printable ? b : next++;
    }
    return table;
}

/// A vocabulary entry back to the bytes it stands for; nothing if a character stands for no byte.
std::optional<std::string> entryBytes(std::string_view entry) {
    static const auto kTable = [] {
        std::unordered_map<std::string, char> map;
        const auto characters = byteCharacters();
        for (unsigned b = 0; b < 256; ++b) {
            std::string text;
            appendUtf8(text, characters[b]);
            map.emplace(text, static_cast<char>(b));
        }
        return map;
    }();
    std::string bytes;
    while (!entry.empty()) {
        const int length = utf8Length(entry);
        if (length <= 0) return std::nullopt;
        const auto it = kTable.find(std::string(entry.substr(0, static_cast<std::size_t>(length))));
        if (it == kTable.end()) return std::nullopt;
        bytes += it->second;
        entry.remove_prefix(static_cast<std::size_t>(length));
    }
    return bytes;
}

struct AddedToken {
    TokenId id = 0;
    std::string content;
    bool special = false;
};

/// Finds added tokens in a text, leftmost first, the longest where several begin.
class AddedTokenFinder {
public:
    void add(const AddedToken& token) {
        auto& list = byFirstByte_[static_cast<unsigned char>(token.content.front())];
        list.push_back(token);
        std::stable_sort(list.begin(), list.end(),
                         [](const auto& a, const auto& b) { return a.content.size() > b.content.size(); });
    }
    /// The token that begins at `at`, or null.
    [[nodiscard]] const AddedToken* at(std::string_view text, std::size_t at) const {
        for (const AddedToken& token : byFirstByte_[static_cast<unsigned char>(text[at])])
            if (text.substr(at).starts_with(token.content)) return &token;
        return nullptr;
    }

private:
    std::array<std::vector<AddedToken>, 256> byFirstByte_;
};

class ByteLevelBpe final : public Tokenizer {
public:
    ByteLevelBpe(const Json& root, const std::string& file) : file_(file) {
        readNormalizer(root);
        readPreTokenizer(root);
        readModel(root);
        readAddedTokens(root);
    }

    [[nodiscard]] std::vector<TokenId> encode(std::string_view text) const override {
        const std::string valid = validUtf8(text);
        std::vector<TokenId> ids;
        cut(valid, verbatim_, ids, [&](std::string_view piece) {
            cut(piece, normalized_, ids, [&](std::string_view rest) { encodePiece(rest, ids); });
        });
        return ids;
    }
    [[nodiscard]] std::string tokenBytes(TokenId id) const override {
        return id >= 0 && static_cast<std::size_t>(id) < bytes_.size() ? bytes_[static_cast<std::size_t>(id)]
                                                                       : std::string();
    }
    [[nodiscard]] std::optional<TokenId> idOf(std::string_view token) const override {
        const auto it = ids_.find(std::string(token));
        return it == ids_.end() ? std::nullopt : std::optional(it->second);
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
    template <typename Rest>
    static void cut(std::string_view text, const AddedTokenFinder& finder, std::vector<TokenId>& ids,
                    const Rest& rest) {
        std::size_t begin = 0;
        for (std::size_t i = 0; i < text.size();) {
            const AddedToken* token = finder.at(text, i);
            if (token == nullptr) {
                ++i;
                continue;
            }
            if (i > begin) rest(text.substr(begin, i - begin));
            ids.push_back(token->id);
            begin = i += token->content.size();
        }
        if (begin < text.size()) rest(text.substr(begin));
    }

    void encodePiece(std::string_view text, std::vector<TokenId>& ids) const {
        std::vector<std::string_view> pieces{text};
        for (const RegexSplitter& splitter : splitters_) {
            std::vector<std::string_view> next;
            for (const std::string_view piece : pieces) splitter.split(piece, next);
            pieces = std::move(next);
        }
        for (const std::string_view piece : pieces) mergePiece(piece, ids);
    }

    /// BPE of one pre-token: always the pair of lowest rank next, leftmost among equals.
    void mergePiece(std::string_view piece, std::vector<TokenId>& ids) const {
        if (ignoreMerges_) {
            if (const auto it = byBytes_.find(std::string(piece)); it != byBytes_.end()) {
                ids.push_back(it->second);
                return;
            }
        }
        struct Symbol {
            TokenId id;
            std::int32_t previous, next;
        };
        std::vector<Symbol> symbols;
        symbols.reserve(piece.size());
        for (std::size_t i = 0; i < piece.size(); ++i) {
            const TokenId id = byteIds_[static_cast<unsigned char>(piece[i])];
            if (id < 0)
                continue;  // a byte the vocabulary lacks: nothing stands for it, as in the original without unk_token
            const auto n = static_cast<std::int32_t>(symbols.size());
            symbols.push_back({id, n - 1, n + 1});
        }
        if (symbols.empty()) return;
        symbols.back().next = -1;
        struct Candidate {
            std::uint32_t rank;
            std::int32_t left;
            TokenId leftId, rightId, merged;
            bool operator<(const Candidate& other) const {
                return std::pair(rank, left) > std::pair(other.rank, other.left);
            }
        };
        std::priority_queue<Candidate> queue;
        const auto consider = [&](std::int32_t left) {
            if (left < 0) return;
            const std::int32_t right = symbols[static_cast<std::size_t>(left)].next;
            if (right < 0) return;
            const TokenId a = symbols[static_cast<std::size_t>(left)].id;
            const TokenId b = symbols[static_cast<std::size_t>(right)].id;
            if (const auto it = merges_.find(pairKey(a, b)); it != merges_.end())
                queue.push({it->second.first, left, a, b, it->second.second});
        };
        for (std::size_t i = 0; i + 1 < symbols.size(); ++i) consider(static_cast<std::int32_t>(i));
        while (!queue.empty()) {
            const Candidate best = queue.top();
            queue.pop();
            Symbol& left = symbols[static_cast<std::size_t>(best.left)];
            if (left.id != best.leftId || left.next < 0 ||
                symbols[static_cast<std::size_t>(left.next)].id != best.rightId)
                continue;
            Symbol& right = symbols[static_cast<std::size_t>(left.next)];
            left.id = best.merged;
            right.id = -1;
            left.next = right.next;
            if (left.next >= 0) symbols[static_cast<std::size_t>(left.next)].previous = best.left;
            consider(left.previous);
            consider(best.left);
        }
        for (std::int32_t i = 0; i >= 0; i = symbols[static_cast<std::size_t>(i)].next)
            ids.push_back(symbols[static_cast<std::size_t>(i)].id);
    }

    void readNormalizer(const Json& root) const {
        const auto it = root.find("normalizer");
        if (it == root.end() || it->is_null()) return;
        if (it->is_object() && it->value("type", "") == "Sequence" && it->contains("normalizers") &&
            (*it)["normalizers"].is_array() && (*it)["normalizers"].empty())
            return;
        fail(file_, "normalizer", "none (text is encoded as it is)", shown(*it), ErrorCode::kUnsupported);
    }

    void readPreTokenizer(const Json& root) {
        const auto it = root.find("pre_tokenizer");
        if (it == root.end() || !it->is_object())
            fail(file_, "pre_tokenizer", "an object", it == root.end() ? "nothing" : shown(*it));
        Json steps = Json::array({*it});
        if (it->value("type", "") == "Sequence") {
            if (!it->contains("pretokenizers") || !(*it)["pretokenizers"].is_array())
                fail(file_, "pre_tokenizer.pretokenizers", "a list", "none");
            steps = (*it)["pretokenizers"];
        }
        bool byteLevel = false;
        for (const Json& step : steps) {
            const std::string type = step.is_object() && step.contains("type") && step["type"].is_string()
                                         ? step["type"].get<std::string>()
                                         : "";
            if (type == "Split") {
                addSplit(step);
            } else if (type == "ByteLevel") {
                if (step.value("add_prefix_space", false))
                    fail(file_, "pre_tokenizer.add_prefix_space", "false", "true", ErrorCode::kUnsupported);
                if (step.value("use_regex", true))
                    splitters_.emplace_back(
                        R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)", false, file_);
                byteLevel = true;
            } else {
                fail(file_, "pre_tokenizer.type", "Split or ByteLevel", shown(step), ErrorCode::kUnsupported);
            }
        }
        if (!byteLevel) fail(file_, "pre_tokenizer", "a ByteLevel step", "none", ErrorCode::kUnsupported);
    }

    void addSplit(const Json& step) {
        const auto pattern = step.find("pattern");
        if (pattern == step.end() || !pattern->is_object())
            fail(file_, "pre_tokenizer.pattern", "an object with Regex or String", "none");
        if (step.value("behavior", "") != "Isolated" || step.value("invert", false))
            fail(file_, "pre_tokenizer.behavior", "Isolated, not inverted", shown(step.value("behavior", Json())),
                 ErrorCode::kUnsupported);
        for (const char* kind : {"Regex", "String"}) {
            const auto text = pattern->find(kind);
            if (text == pattern->end() || !text->is_string()) continue;
            splitters_.emplace_back(text->get<std::string>(), std::string_view(kind) == "String",
                                    file_ + ": field pre_tokenizer.pattern");
            return;
        }
        fail(file_, "pre_tokenizer.pattern", "Regex or String", shown(*pattern));
    }

    void readModel(const Json& root) {
        const auto model = root.find("model");
        if (model == root.end() || !model->is_object())
            fail(file_, "model", "an object", model == root.end() ? "nothing" : shown(*model));
        if (model->value("type", Json()) != "BPE")
            fail(file_, "model.type", "\"BPE\"", shown(model->value("type", Json())), ErrorCode::kUnsupported);
        if (model->value("byte_fallback", Json()) == true)
            fail(file_, "model.byte_fallback", "false", "true", ErrorCode::kUnsupported);
        ignoreMerges_ = model->value("ignore_merges", Json()) == true;
        const auto vocab = model->find("vocab");
        if (vocab == model->end() || !vocab->is_object())
            fail(file_, "model.vocab", "an object of tokens and ids",
                 vocab == model->end() ? "nothing" : shown(*vocab));
        byteIds_.fill(-1);
        for (const auto& [entry, id] : vocab->items()) {
            const TokenId number = tokenId(id, "model.vocab." + entry);
            store(number, entry, entryBytes(entry).value_or(entry), false);
            byBytes_.emplace(bytes_[static_cast<std::size_t>(number)], number);
            if (const std::string& bytes = bytes_[static_cast<std::size_t>(number)]; bytes.size() == 1)
                byteIds_[static_cast<unsigned char>(bytes[0])] = number;
        }
        const auto merges = model->find("merges");
        if (merges == model->end() || !merges->is_array())
            fail(file_, "model.merges", "a list", merges == model->end() ? "nothing" : shown(*merges));
        std::uint32_t rank = 0;
        for (const Json& merge : *merges) addMerge(merge, rank++);
    }

    void addMerge(const Json& merge, std::uint32_t rank) {
        std::string left;
        std::string right;
        const std::string field = "model.merges[" + std::to_string(rank) + "]";
        if (merge.is_array() && merge.size() == 2 && merge[0].is_string() && merge[1].is_string()) {
            left = merge[0].get<std::string>();
            right = merge[1].get<std::string>();
        } else if (merge.is_string()) {
            const auto text = merge.get<std::string>();
            const auto space = text.find(' ');
            if (space == std::string::npos) fail(file_, field, "two tokens", shown(merge));
            left = text.substr(0, space);
            right = text.substr(space + 1);
        } else {
            fail(file_, field, "two tokens", shown(merge));
        }
        const auto need = [&](const std::string& token) {
            const auto it = ids_.find(token);
            if (it == ids_.end()) fail(file_, field, "tokens of model.vocab", shown(Json(token)));
            return it->second;
        };
        const TokenId merged = need(left + right);
        merges_.try_emplace(pairKey(need(left), need(right)), rank, merged);
    }

    void readAddedTokens(const Json& root) {
        const auto added = root.find("added_tokens");
        if (added == root.end() || added->is_null()) return;
        if (!added->is_array()) fail(file_, "added_tokens", "a list", shown(*added));
        for (const Json& item : *added) {
            if (!item.is_object() || !item.contains("content") || !item["content"].is_string() ||
                item["content"].get_ref<const std::string&>().empty())
                fail(file_, "added_tokens", "objects with id and content", shown(item));
            AddedToken token;
            token.content = item["content"].get<std::string>();
            token.id = tokenId(item.value("id", Json()), "added_tokens." + token.content);
            token.special = item.value("special", Json()) == true;
            for (const char* flag : {"single_word", "lstrip", "rstrip"})
                if (item.value(flag, Json()) == true)
                    fail(file_, "added_tokens." + token.content + "." + flag, "false", "true", ErrorCode::kUnsupported);
            const auto existing = ids_.find(token.content);
            if (existing != ids_.end() && existing->second == token.id) {
                special_[static_cast<std::size_t>(token.id)] = token.special;
                bytes_[static_cast<std::size_t>(token.id)] = token.content;
            } else {
                store(token.id, token.content, token.content, token.special);
            }
            (item.value("normalized", Json()) == true ? normalized_ : verbatim_).add(token);
        }
    }

    [[nodiscard]] TokenId tokenId(const Json& value, const std::string& field) const {
        if (!value.is_number_integer() || value.get<std::int64_t>() < 0 ||
            value.get<std::int64_t>() >= static_cast<std::int64_t>(kMaxVocab))
            fail(file_, field, "an id from 0 to " + std::to_string(kMaxVocab - 1), shown(value));
        return value.get<TokenId>();
    }

    void store(TokenId id, const std::string& text, std::string bytes, bool special) {
        const auto index = static_cast<std::size_t>(id);
        if (index >= bytes_.size()) {
            bytes_.resize(index + 1);
            special_.resize(index + 1, false);
            used_.resize(index + 1, false);
        }
        if (used_[index]) fail(file_, "id " + std::to_string(id), "one token", "two, the second " + shown(Json(text)));
        used_[index] = true;
        bytes_[index] = std::move(bytes);
        special_[index] = special;
        if (!ids_.emplace(text, id).second)
            fail(file_, "token " + shown(Json(text)), "one id", "two, the second " + std::to_string(id));
    }

    static std::uint64_t pairKey(TokenId a, TokenId b) {
        return static_cast<std::uint64_t>(static_cast<std::uint32_t>(a)) << 32 | static_cast<std::uint32_t>(b);
    }

    std::string file_;
    std::vector<RegexSplitter> splitters_;
    std::vector<std::string> bytes_;  // by id
    std::vector<bool> special_, used_;
    std::unordered_map<std::string, TokenId> ids_;      // by text as in the file
    std::unordered_map<std::string, TokenId> byBytes_;  // regular entries by their bytes
    std::array<TokenId, 256> byteIds_{};
    std::unordered_map<std::uint64_t, std::pair<std::uint32_t, TokenId>> merges_;  // pair -> rank, merged id
    AddedTokenFinder verbatim_;                                                    // normalized: false
    AddedTokenFinder normalized_;                                                  // normalized: true
    bool ignoreMerges_ = false;
};

}  // namespace

std::shared_ptr<const Tokenizer> makeByteLevelBpe(std::string_view json, const std::string& file) {
    Json root;
    try {
        root = Json::parse(json);
    } catch (const Json::parse_error& error) {
        throw Error(ErrorCode::kInvalidData,
                    file + ": expected JSON, found a syntax error at byte " + std::to_string(error.byte));
    }
    if (!root.is_object())
        throw Error(ErrorCode::kInvalidData, file + ": expected a JSON object, found " + root.type_name());
    return std::make_shared<ByteLevelBpe>(root, file);
}

}  // namespace step3::text
