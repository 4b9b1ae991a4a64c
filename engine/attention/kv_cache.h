#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "engine/attention/block_table.h"
#include "engine/attention/kv_pool.h"

namespace step3::attention {

/// K (after RoPE) and V of one sequence in all layers, in pages of a pool.
class KvCache {
public:
    /// Begins with the longest run of `prefix` that the pool has.
    KvCache(std::shared_ptr<KvPool> pool, std::span<const afd::BlockName> prefix);

    [[nodiscard]] std::int64_t length() const { return table_.length(); }
    /// Of all its pages, shared ones too.
    [[nodiscard]] std::uint64_t bytes() const;

    /// Makes room for `tokens` more than length(). Throws Error kResourceExhausted; then nothing has changed.
    void reserve(std::int64_t tokens);
    /// K and V of one token, [D] each; `position` must be reserved.
    void write(const kernels::KernelTable& kernels, std::int64_t layer, std::int64_t position, const float* k,
               const float* v);
    /// Makes `tokens` written tokens part of the sequence.
    void commit(std::int64_t tokens) { table_.commit(tokens); }
    /// Forgets the tokens from `length` on, 0 .. length(), and gives back the pages that none is left in.
    void truncate(std::int64_t length);
    void setNames(std::span<const afd::BlockName> names) { table_.setNames(names); }

    [[nodiscard]] std::span<const std::byte* const> pages() const { return pages_; }

private:
    void findPages(std::size_t from);

    std::shared_ptr<KvPool> pool_;
    BlockTable table_;
    std::vector<const std::byte*> pages_;  // of table_.blocks()
};

}  // namespace step3::attention
