#include "engine/serving/markup_guard.h"

#include <algorithm>
#include <set>

#include "engine/text/markup_names.h"

namespace step3::serving {

namespace {

/// Bytes of the UTF-8 character that starts with `lead`.
std::size_t characterLength(char lead) {
    const auto byte = static_cast<unsigned char>(lead);
    if (byte >= 0xF0) return 4;
    if (byte >= 0xE0) return 3;
    return byte >= 0xC0 ? 2 : 1;
}

}  // namespace

MarkupGuard::MarkupGuard(const text::Tokenizer& tokenizer, const model::ModelConfig& config) {
    std::set<std::string> found;
    const auto add = [&](text::TokenId id, const std::string& text) {
        // A one-character token cannot be cut and is no markup; a control token the encoder never makes needs no guard.
        if (text.empty() || text.size() <= characterLength(text[0])) return;
        const auto ids = tokenizer.encode(text);
        if (std::find(ids.begin(), ids.end(), id) != ids.end()) found.insert(text);
    };
    for (std::int64_t i = 0; i < tokenizer.vocabSize(); ++i) {
        const auto id = static_cast<text::TokenId>(i);
        if (tokenizer.isSpecial(id)) add(id, tokenizer.tokenBytes(id));
    }
    for (const text::TokenId id : config.generation.eosTokenIds) add(id, tokenizer.tokenBytes(id));
    for (const std::string_view name : text::kMarkupNames) {
        if (const auto id = tokenizer.idOf(name)) add(*id, std::string(name));
    }
    markup_.assign(found.begin(), found.end());
    std::stable_sort(markup_.begin(), markup_.end(), [](const auto& a, const auto& b) { return a.size() > b.size(); });
    for (const std::string& text : markup_) firstBytes_[static_cast<unsigned char>(text[0])] = true;
}

std::vector<std::size_t> MarkupGuard::cuts(std::string_view text) const {
    std::vector<std::size_t> offsets;
    for (std::size_t i = 0; i < text.size();) {
        const bool here = firstBytes_[static_cast<unsigned char>(text[i])] &&
                          std::any_of(markup_.begin(), markup_.end(),
                                      [&](const std::string& token) { return text.substr(i, token.size()) == token; });
        i += here ? characterLength(text[i]) : 1;
        if (here) offsets.push_back(i);  // what follows is searched again: it may hold the rest of another token
    }
    return offsets;
}

std::string MarkupGuard::marked(std::string_view text, std::string_view mark) const {
    return markedTogether({text}, mark).front();
}

std::vector<std::string> MarkupGuard::markedTogether(const std::vector<std::string_view>& texts,
                                                     std::string_view mark) const {
    std::string joined;
    for (const std::string_view text : texts) joined += text;
    const std::vector<std::size_t> offsets = cuts(joined);
    std::vector<std::string> result;
    std::size_t begin = 0;
    std::size_t next = 0;
    for (const std::string_view text : texts) {
        std::string& piece = result.emplace_back();
        std::size_t done = 0;
        for (; next < offsets.size() && offsets[next] <= begin + text.size(); ++next) {
            piece += text.substr(done, offsets[next] - begin - done);
            piece += mark;
            done = offsets[next] - begin;
        }
        piece += text.substr(done);
        begin += text.size();
    }
    return result;
}

std::vector<text::TokenId> MarkupGuard::encode(const text::Tokenizer& tokenizer, std::string_view text,
                                               std::string_view mark) {
    std::vector<text::TokenId> ids;
    for (;;) {
        const std::size_t end = mark.empty() ? std::string_view::npos : text.find(mark);
        const std::string_view piece = text.substr(0, end);
        if (!piece.empty()) {
            const auto more = tokenizer.encode(piece);
            ids.insert(ids.end(), more.begin(), more.end());
        }
        if (end == std::string_view::npos) return ids;
        text.remove_prefix(end + mark.size());
    }
}

}  // namespace step3::serving
