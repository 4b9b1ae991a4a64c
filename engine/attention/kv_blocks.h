#pragma once

#include <cstdint>
#include <list>
#include <map>
#include <optional>
#include <vector>

#include "engine/afd/roles.h"

namespace step3::attention {

/// Which blocks of a KV cache are free, shared or kept to be found again; knows nothing of what is in them. Blocks are
/// numbered from 0, low numbers first, so that memory can be taken as it is needed. A named block that no sequence uses
/// keeps its content until there is no free block left; of these the one that was given back first goes first. Not
/// thread-safe.
class KvBlocks {
public:
    using Block = std::int32_t;

    /// At most `blocks` blocks of `blockTokens` tokens.
    KvBlocks(std::int64_t blocks, std::int64_t blockTokens);

    [[nodiscard]] afd::KvUsage usage() const;
    [[nodiscard]] std::int64_t blockTokens() const { return blockTokens_; }

    /// A block without a name, used once. Throws Error kResourceExhausted if sequences use all.
    Block take();
    /// One more, or one fewer, sequence uses it.
    void share(Block block);
    void release(Block block);
    [[nodiscard]] bool shared(Block block) const { return entry(block).users > 1; }

    /// The block's content is complete. If another block has this name, that one keeps it.
    void setName(Block block, const afd::BlockName& name);
    void removeName(Block block);
    [[nodiscard]] std::optional<Block> find(const afd::BlockName& name) const;

private:
    struct Entry {
        std::int32_t users = 0;
        std::optional<afd::BlockName> name;
        std::list<Block>::iterator place;  // in unused_ if it has a name and no user
    };
    Entry& entry(Block block) { return entries_[static_cast<std::size_t>(block)]; }
    [[nodiscard]] const Entry& entry(Block block) const { return entries_[static_cast<std::size_t>(block)]; }

    std::int64_t blocks_;
    std::int64_t blockTokens_;
    std::int64_t used_ = 0;
    std::vector<Entry> entries_;  // of the blocks that were ever taken
    std::vector<Block> free_;     // without a name
    std::list<Block> unused_;     // with a name, given back first first
    std::map<afd::BlockName, Block> named_;
};

}  // namespace step3::attention
