#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "engine/attention/kv_blocks.h"

namespace step3::attention {

/// The blocks of one sequence, in the order of its tokens; gives them back at its end. A block that other sequences
/// share is full and never written to.
class BlockTable {
public:
    using Block = KvBlocks::Block;

    explicit BlockTable(std::shared_ptr<KvBlocks> pool) : pool_(std::move(pool)) {}
    ~BlockTable();
    BlockTable(const BlockTable&) = delete;
    BlockTable& operator=(const BlockTable&) = delete;

    [[nodiscard]] std::int64_t length() const { return length_; }
    [[nodiscard]] std::span<const Block> blocks() const { return blocks_; }

    /// Starts an empty table with the longest run of `prefix` that is there.
    void adopt(std::span<const afd::BlockName> prefix);
    /// Makes room for `tokens` more than length(). Throws Error kResourceExhausted; then nothing has changed.
    void reserve(std::int64_t tokens);
    /// Makes `tokens` reserved tokens part of the sequence.
    void commit(std::int64_t tokens) { length_ += tokens; }
    /// Names the first blocks (afd::Sequence::nameBlocks).
    void setNames(std::span<const afd::BlockName> names);

    /// What is left to do after truncate(): if `from` is not -1, the caller copies that block into `to`, since
    /// others use `from`, and then calls pool().release(from).
    struct Copy {
        Block from = -1, to = -1;
    };
    /// Forgets the tokens from `length` on, 0 .. length().
    Copy truncate(std::int64_t length);

    [[nodiscard]] KvBlocks& pool() const { return *pool_; }

private:
    void shrink(std::size_t count);

    std::shared_ptr<KvBlocks> pool_;
    std::vector<Block> blocks_;
    std::int64_t length_ = 0;
    std::size_t named_ = 0;  // the first blocks that have been offered a name
};

}  // namespace step3::attention
