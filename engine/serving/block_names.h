#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "engine/afd/roles.h"
#include "engine/image/image.h"
#include "engine/serving/image_tokens.h"
#include "engine/serving/sip_hash.h"

namespace step3::serving {

/// Names for the full KV blocks of prompts and answers: a chain, each of the name before, its tokens and, where a token
/// stands for a row of a picture, the picture's pixels. The key is drawn at the start of the program, so nobody can
/// make up a prompt that is taken for another's.
class BlockNames {
public:
    explicit BlockNames(std::int64_t blockTokens);

    /// Of all pixels.
    [[nodiscard]] afd::BlockName ofPicture(const image::Image& picture) const;
    /// Adds to `names`, those of the first blocks of a sequence, the names of the blocks that `tokens` fills besides.
    /// `pictures` are the names of the prompt's pictures.
    void extend(std::vector<afd::BlockName>& names, std::span<const std::int32_t> tokens, const ExpandedPrompt& prompt,
                std::span<const afd::BlockName> pictures) const;

private:
    std::size_t blockTokens_;
    SipHash hash_;
};

}  // namespace step3::serving
