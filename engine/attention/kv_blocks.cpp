#include "engine/attention/kv_blocks.h"

#include <algorithm>
#include <limits>
#include <string>

#include "engine/error.h"

namespace step3::attention {

KvBlocks::KvBlocks(std::int64_t blocks, std::int64_t blockTokens)
    : blocks_(std::min<std::int64_t>(blocks, std::numeric_limits<Block>::max())), blockTokens_(blockTokens) {}

afd::KvUsage KvBlocks::usage() const {
    return {blocks_, blockTokens_, used_, static_cast<std::int64_t>(unused_.size())};
}

KvBlocks::Block KvBlocks::take() {
    Block block = 0;
    if (!free_.empty()) {
        block = free_.back();
        free_.pop_back();
    } else if (static_cast<std::int64_t>(entries_.size()) < blocks_) {
        block = static_cast<Block>(entries_.size());
        entries_.emplace_back();
    } else if (!unused_.empty()) {
        block = unused_.front();
        unused_.pop_front();
        named_.erase(*entry(block).name);
        entry(block).name.reset();
    } else {
        throw Error(ErrorCode::kResourceExhausted, "KV cache: all " + std::to_string(blocks_) + " blocks of " +
                                                       std::to_string(blockTokens_) + " tokens are in use");
    }
    entry(block).users = 1;
    ++used_;
    return block;
}

void KvBlocks::share(Block block) {
    Entry& own = entry(block);
    if (own.users++ > 0) return;
    unused_.erase(own.place);
    ++used_;
}

void KvBlocks::release(Block block) {
    Entry& own = entry(block);
    if (--own.users > 0) return;
    --used_;
    if (own.name) {
        own.place = unused_.insert(unused_.end(), block);
    } else {
        free_.push_back(block);
    }
}

void KvBlocks::setName(Block block, const afd::BlockName& name) {
    Entry& own = entry(block);
    if (own.name || !named_.emplace(name, block).second) return;
    own.name = name;
}

void KvBlocks::removeName(Block block) {
    Entry& own = entry(block);
    if (!own.name) return;
    named_.erase(*own.name);
    own.name.reset();
}

std::optional<KvBlocks::Block> KvBlocks::find(const afd::BlockName& name) const {
    const auto found = named_.find(name);
    if (found == named_.end()) return std::nullopt;
    return found->second;
}

}  // namespace step3::attention
