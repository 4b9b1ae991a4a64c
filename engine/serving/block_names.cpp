#include "engine/serving/block_names.h"

#include <algorithm>
#include <random>

namespace step3::serving {
namespace {

SipHash::Value randomKey() {
    std::random_device device;
    const auto word = [&] { return static_cast<std::uint64_t>(device()) << 32U | device(); };
    return {word(), word()};
}

/// What is hashed, number by number.
class Message {
public:
    void add(std::uint64_t number) {
        for (unsigned shift = 0; shift < 64; shift += 8) bytes_.push_back(static_cast<std::uint8_t>(number >> shift));
    }
    void add(const afd::BlockName& name) {
        add(name.high);
        add(name.low);
    }
    [[nodiscard]] afd::BlockName hashed(const SipHash& hash) const {
        const SipHash::Value value = hash(bytes_);
        return {value[0], value[1]};
    }

private:
    std::vector<std::uint8_t> bytes_;
};

}  // namespace

BlockNames::BlockNames(std::int64_t blockTokens)
    : blockTokens_(static_cast<std::size_t>(blockTokens)), hash_(randomKey()) {}

afd::BlockName BlockNames::ofPicture(const image::Image& picture) const {
    const SipHash::Value pixels = hash_(picture.rgb);
    Message message;
    message.add(afd::BlockName{pixels[0], pixels[1]});
    message.add(static_cast<std::uint64_t>(picture.width));
    message.add(static_cast<std::uint64_t>(picture.height));
    return message.hashed(hash_);
}

void BlockNames::extend(std::vector<afd::BlockName>& names, std::span<const std::int32_t> tokens,
                        const ExpandedPrompt& prompt, std::span<const afd::BlockName> pictures) const {
    while ((names.size() + 1) * blockTokens_ <= tokens.size()) {
        const std::size_t begin = names.size() * blockTokens_;
        Message message;
        message.add(names.empty() ? afd::BlockName{} : names.back());
        for (std::size_t t = begin; t < begin + blockTokens_; ++t) {
            message.add(static_cast<std::uint32_t>(tokens[t]));
        }
        const auto& positions = prompt.rowPositions;
        const auto from = std::lower_bound(positions.begin(), positions.end(), static_cast<std::int32_t>(begin));
        const auto to = std::lower_bound(from, positions.end(), static_cast<std::int32_t>(begin + blockTokens_));
        auto row = static_cast<std::size_t>(from - positions.begin());
        for (auto position = from; position != to; ++position, ++row) {
            // Row of which picture, and how many rows of it come before.
            std::size_t picture = 0;
            std::size_t before = row;
            while (before >= static_cast<std::size_t>(prompt.pictureRows[picture])) {
                before -= static_cast<std::size_t>(prompt.pictureRows[picture++]);
            }
            message.add(static_cast<std::uint64_t>(*position));
            message.add(pictures[picture]);
            message.add(before);
        }
        names.push_back(message.hashed(hash_));
    }
}

}  // namespace step3::serving
