#include "engine/text/tokenizer.h"

#include <fstream>
#include <sstream>

#include "engine/error.h"
#include "engine/text/byte_level_bpe.h"
#include "engine/text/sentencepiece_tokenizer.h"
#include "engine/utf8.h"

namespace step3::text {
namespace {

constexpr std::uintmax_t kMaxFile = 256U << 20;

std::string readFile(const std::filesystem::path& file) {
    std::error_code failed;
    const auto size = std::filesystem::file_size(file, failed);
    if (failed)
        throw Error(ErrorCode::kNotFound,
                    file.string() + ": expected a readable tokenizer file, found: " + failed.message());
    if (size > kMaxFile)
        throw Error(ErrorCode::kInvalidData, file.string() + ": expected at most " + std::to_string(kMaxFile) +
                                                 " bytes, found " + std::to_string(size));
    std::ifstream stream(file, std::ios::binary);
    std::ostringstream text;
    text << stream.rdbuf();
    if (!stream)
        throw Error(ErrorCode::kIo, file.string() + ": expected a readable tokenizer file, found a read error");
    return std::move(text).str();
}

}  // namespace

std::shared_ptr<const Tokenizer> Tokenizer::fromFolder(const std::filesystem::path& folder) {
    for (const char* name : {"tokenizer.json", "tokenizer.model"}) {
        std::error_code ignored;
        if (std::filesystem::exists(folder / name, ignored)) return fromFile(folder / name);
    }
    throw Error(ErrorCode::kNotFound, folder.string() + ": expected tokenizer.json or tokenizer.model, found neither");
}

std::shared_ptr<const Tokenizer> Tokenizer::fromFile(const std::filesystem::path& file) {
    const std::string content = readFile(file);
    const auto first = content.find_first_not_of(" \t\r\n");
    if (first != std::string::npos && content[first] == '{') return makeByteLevelBpe(content, file.string());
    if (file.extension() == ".json") return makeByteLevelBpe(content, file.string());
    return makeSentencepiece(content, file.string());
}

Detokenizer::Detokenizer(std::shared_ptr<const Tokenizer> tokenizer, bool skipSpecial)
    : tokenizer_(std::move(tokenizer)), skipSpecial_(skipSpecial) {}

std::string Detokenizer::push(TokenId id) {
    if (skipSpecial_ && tokenizer_->isSpecial(id)) return {};
    pending_ += tokenizer_->tokenBytes(id);
    std::string out;
    std::string_view rest = pending_;
    while (!rest.empty()) {
        const int length = utf8Length(rest);
        if (length == 0) break;
        if (length > 0) {
            out.append(rest.substr(0, static_cast<std::size_t>(length)));
            rest.remove_prefix(static_cast<std::size_t>(length));
        } else {
            out.append(kReplacement);
            rest.remove_prefix(static_cast<std::size_t>(-length));
        }
    }
    pending_ = std::string(rest);
    return out;
}

std::string Detokenizer::flush() {
    const std::string out = validUtf8(pending_);
    pending_.clear();
    return out;
}

}  // namespace step3::text
