#include "engine/serving/active_request.h"

#include <algorithm>

namespace step3::serving {

std::size_t ActiveRequest::missingPicture() const {
    std::size_t rowEnd = 0;
    for (std::size_t i = 0; i < pictures.size(); ++i) {
        rowEnd += static_cast<std::size_t>(prompt.tokens.pictureRows[i]);
        const auto last = static_cast<std::size_t>(prompt.tokens.rowPositions[rowEnd - 1]);
        if (!pictures[i] && last >= fed) return i;
    }
    return pictures.size();
}

std::size_t ActiveRequest::cachedPictures() const {
    std::size_t count = 0;
    std::size_t rowEnd = 0;
    for (const std::int32_t rows : prompt.tokens.pictureRows) {
        rowEnd += static_cast<std::size_t>(rows);
        count += static_cast<std::size_t>(prompt.tokens.rowPositions[rowEnd - 1]) < fed ? 1 : 0;
    }
    return count;
}

std::vector<float> ActiveRequest::splice(afd::Pipeline& pipeline, std::size_t begin, std::size_t end,
                                         std::size_t hiddenSize) const {
    const auto& positions = prompt.tokens.rowPositions;
    const auto first = std::lower_bound(positions.begin(), positions.end(), static_cast<std::int32_t>(begin));
    const auto last = std::lower_bound(first, positions.end(), static_cast<std::int32_t>(end));
    if (first == last) return {};
    std::vector<float> rows = pipeline.embed(std::span(tokens).subspan(begin, end - begin));
    auto row = static_cast<std::size_t>(first - positions.begin());  // over all pictures of the request
    std::size_t picture = 0;
    const auto& counts = prompt.tokens.pictureRows;
    while (row >= static_cast<std::size_t>(counts[picture])) row -= static_cast<std::size_t>(counts[picture++]);
    for (auto position = first; position != last; ++position, ++row) {
        while (row == static_cast<std::size_t>(counts[picture])) {
            row = 0;
            ++picture;
        }
        const auto target = (static_cast<std::size_t>(*position) - begin) * hiddenSize;
        std::copy_n(pictures[picture]->begin() + static_cast<std::ptrdiff_t>(row * hiddenSize), hiddenSize,
                    rows.begin() + static_cast<std::ptrdiff_t>(target));
    }
    return rows;
}

Usage ActiveRequest::usage() const {
    Usage usage;
    usage.promptTokens = static_cast<std::int32_t>(promptTokens());
    usage.imageTokens = prompt.tokens.imageTokens;
    usage.cachedTokens = cachedTokens;
    usage.completionTokens = completionTokens;
    usage.reasoningTokens = stream.reasoningTokens();
    usage.queueSeconds = seconds((admittedBefore ? admitted : Clock::now()) - submitted);
    if (completionTokens > 0) {
        usage.prefillSeconds = seconds(firstToken - admitted);
        usage.decodeSeconds = seconds(lastToken - firstToken);
        usage.ttftSeconds = seconds(firstToken - submitted);
    }
    if (completionTokens > 1) usage.tpotSeconds = usage.decodeSeconds / (completionTokens - 1);
    return usage;
}

}  // namespace step3::serving
