#include "engine/text/unicode_classes.h"

#include <algorithm>
#include <map>

namespace step3::text {
namespace {

constexpr std::uint32_t kRuns[] = {
#include "engine/text/unicode_classes.inc"
};

}  // namespace

UnicodeClasses::UnicodeClasses() {
    constexpr std::uint32_t kEnd = 0x110000;
    std::vector<std::uint8_t> flat(kEnd);
    for (std::size_t i = 0; i < std::size(kRuns); ++i) {
        const std::uint32_t end = i + 1 < std::size(kRuns) ? kRuns[i + 1] >> 8 : kEnd;
        std::fill(flat.begin() + (kRuns[i] >> 8), flat.begin() + end, static_cast<std::uint8_t>(kRuns[i]));
    }
    for (const std::uint32_t c : {U'\r', U'\n'}) flat[c] |= kLineBreak;
    for (std::uint32_t c = U'\u4E00'; c <= U'\u9FA5'; ++c) flat[c] |= kHanOrKana;
    for (std::uint32_t c = U'\u3040'; c <= U'\u30FF'; ++c) flat[c] |= kHanOrKana;

    using Page = std::array<std::uint8_t, 256>;
    std::map<Page, std::uint16_t> known;
    for (std::size_t i = 0; i < page_.size(); ++i) {
        Page page{};
        std::copy_n(flat.begin() + static_cast<std::ptrdiff_t>(i << 8), page.size(), page.begin());
        const auto [it, added] = known.try_emplace(page, static_cast<std::uint16_t>(known.size()));
        if (added) pages_.insert(pages_.end(), page.begin(), page.end());
        page_[i] = it->second;
    }
}

const UnicodeClasses& UnicodeClasses::instance() {
    static const UnicodeClasses table;
    return table;
}

}  // namespace step3::text
