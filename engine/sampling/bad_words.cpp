#include "engine/sampling/bad_words.h"

#include <algorithm>

namespace step3::sampling {

BadWords::BadWords(const std::vector<std::string>& words, const text::Tokenizer& tokenizer) {
    for (const std::string& word : words) {
        const std::string bare = word.substr(std::min(word.find_first_not_of(" \t\n\v\f\r"), word.size()));
        std::vector<std::int32_t> first = tokenizer.encode(bare);
        std::vector<std::int32_t> following = tokenizer.encode(" " + bare);
        const bool another = following.size() == first.size() && !first.empty() && following.front() != first.front();
        if (!first.empty()) sequences_.push_back(std::move(first));
        if (another) sequences_.push_back(std::move(following));
    }
}

void BadWords::appendBanned(std::span<const std::int32_t> answer, std::vector<std::int32_t>& banned) const {
    for (const std::vector<std::int32_t>& sequence : sequences_) {
        const std::size_t before = sequence.size() - 1;
        if (before > answer.size()) continue;
        if (std::equal(sequence.begin(), sequence.end() - 1, answer.end() - static_cast<std::ptrdiff_t>(before))) {
            banned.push_back(sequence.back());
        }
    }
}

}  // namespace step3::sampling
