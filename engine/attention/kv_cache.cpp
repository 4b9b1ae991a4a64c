#include "engine/attention/kv_cache.h"

#include <cstring>

namespace step3::attention {

KvCache::KvCache(std::shared_ptr<KvPool> pool, std::span<const afd::BlockName> prefix)
    : pool_(std::move(pool)), table_(pool_->blocks()) {
    table_.adopt(prefix);
    findPages(0);
}

std::uint64_t KvCache::bytes() const {
    return pages_.size() * static_cast<std::uint64_t>(pool_->pageBytes());
}

void KvCache::findPages(std::size_t from) {
    const auto blocks = table_.blocks();
    pages_.resize(blocks.size());
    for (std::size_t i = from; i < blocks.size(); ++i) pages_[i] = pool_->page(blocks[i]);
}

void KvCache::reserve(std::int64_t tokens) {
    const std::size_t before = pages_.size();
    table_.reserve(tokens);
    try {
        findPages(before);
    } catch (...) {
        table_.truncate(table_.length());
        pages_.resize(table_.blocks().size());
        throw;
    }
}

void KvCache::write(const kernels::KernelTable& kernels, std::int64_t layer, std::int64_t position, const float* k,
                    const float* v) {
    std::byte* page = pool_->page(table_.blocks()[static_cast<std::size_t>(position / kKvPageTokens)]);
    std::byte* row = page + layer * 2 * pool_->sideBytes() + position % kKvPageTokens * pool_->rowBytes();
    kernels::storeKvRow(kernels, pool_->format(), k, pool_->headDim(), row);
    kernels::storeKvRow(kernels, pool_->format(), v, pool_->headDim(), row + pool_->sideBytes());
}

void KvCache::truncate(std::int64_t length) {
    const BlockTable::Copy copy = table_.truncate(length);
    if (copy.from >= 0) {
        std::memcpy(pool_->page(copy.to), pool_->page(copy.from), static_cast<std::size_t>(pool_->pageBytes()));
        table_.pool().release(copy.from);
    }
    pages_.resize(table_.blocks().size());
    if (!pages_.empty()) findPages(pages_.size() - 1);
}

}  // namespace step3::attention
