#include "engine/attention/block_table.h"

#include <algorithm>

namespace step3::attention {

BlockTable::~BlockTable() {
    shrink(0);
}

/// The last first: of a sequence that has ended, the end is forgotten before the beginning, which more have in common.
void BlockTable::shrink(std::size_t count) {
    while (blocks_.size() > count) {
        pool_->release(blocks_.back());
        blocks_.pop_back();
    }
}

void BlockTable::adopt(std::span<const afd::BlockName> prefix) {
    blocks_.reserve(prefix.size());
    for (const afd::BlockName& name : prefix) {
        const auto block = pool_->find(name);
        if (!block) break;
        pool_->share(*block);
        blocks_.push_back(*block);
    }
    named_ = blocks_.size();
    length_ = static_cast<std::int64_t>(named_) * pool_->blockTokens();
}

void BlockTable::reserve(std::int64_t tokens) {
    const std::size_t before = blocks_.size();
    const auto needed = static_cast<std::size_t>(pool_->usage().blocksFor(length_ + tokens));
    try {
        blocks_.reserve(needed);
        while (blocks_.size() < needed) blocks_.push_back(pool_->take());
    } catch (...) {
        shrink(before);
        throw;
    }
}

void BlockTable::setNames(std::span<const afd::BlockName> names) {
    const auto full = std::min(static_cast<std::size_t>(length_ / pool_->blockTokens()), names.size());
    for (; named_ < full; ++named_) pool_->setName(blocks_[named_], names[named_]);
}

BlockTable::Copy BlockTable::truncate(std::int64_t length) {
    length_ = length;
    shrink(static_cast<std::size_t>(pool_->usage().blocksFor(length)));
    const auto full = static_cast<std::size_t>(length / pool_->blockTokens());
    named_ = std::min(named_, full);
    if (full == blocks_.size()) return {};
    // The last block will be written to again.
    Block& last = blocks_.back();
    if (!pool_->shared(last)) {
        pool_->removeName(last);
        return {};
    }
    const Copy copy{last, pool_->take()};
    last = copy.to;
    return copy;
}

}  // namespace step3::attention
