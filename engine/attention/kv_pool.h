#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <vector>

#include "engine/attention/kv_blocks.h"
#include "engine/model/arena.h"
#include "kernels/attention/kv_format.h"

namespace step3::attention {

using kernels::KvFormat;

/// Tokens of one page.
inline constexpr std::int64_t kKvPageTokens = 64;

/// Bytes that K and V of one token take in all layers (spec step3-model section 1.2: one head each).
std::uint64_t kvBytesPerToken(std::int64_t layers, std::int64_t headDim, KvFormat format);

/// Pages that fit into `bytes`. Throws Error kResourceExhausted if not one does.
std::int64_t kvBlocksIn(std::uint64_t bytes, std::int64_t layers, std::int64_t headDim, KvFormat format);

/// What a pipeline's KV cache is to be.
struct KvOptions {
    KvFormat format = KvFormat::kBf16;
    std::int64_t blocks = std::numeric_limits<std::int32_t>::max();  // at most so many pages
};

/// The memory of the KV cache, shared by all sequences, in pages of kKvPageTokens tokens; taken from the system when it
/// is first needed and kept. A page holds K (after RoPE) and V of its tokens in all layers, [L, 2, kKvPageTokens]
/// rows of D numbers.
class KvPool {
public:
    KvPool(std::int64_t layers, std::int64_t headDim, const KvOptions& options);

    [[nodiscard]] const std::shared_ptr<KvBlocks>& blocks() const { return blocks_; }
    [[nodiscard]] KvFormat format() const { return format_; }
    [[nodiscard]] std::int64_t headDim() const { return headDim_; }
    [[nodiscard]] std::int64_t rowBytes() const { return kernels::kvRowBytes(format_, headDim_); }
    /// Bytes of K, or of V, of one layer in a page.
    [[nodiscard]] std::int64_t sideBytes() const { return sideBytes_; }
    [[nodiscard]] std::int64_t pageBytes() const { return layers_ * 2 * sideBytes_; }
    /// A page's memory. Throws Error kResourceExhausted if the system has no more.
    [[nodiscard]] std::byte* page(KvBlocks::Block block);

private:
    std::int64_t layers_;
    std::int64_t headDim_;
    KvFormat format_;
    std::int64_t sideBytes_;
    std::int64_t chunkPages_;  // pages that are taken from the system together
    std::shared_ptr<KvBlocks> blocks_;
    std::vector<std::unique_ptr<model::Arena>> chunks_;
};

}  // namespace step3::attention
