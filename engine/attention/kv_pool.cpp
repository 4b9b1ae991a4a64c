#include "engine/attention/kv_pool.h"

#include <algorithm>
#include <string>

#include "engine/error.h"

namespace step3::attention {
namespace {

/// Memory taken at once: large enough for huge pages, small beside a model.
constexpr std::int64_t kChunkBytes = 16 << 20;

}  // namespace

std::uint64_t kvBytesPerToken(std::int64_t layers, std::int64_t headDim, KvFormat format) {
    return static_cast<std::uint64_t>(layers * 2 * kernels::kvRowBytes(format, headDim));
}

std::int64_t kvBlocksIn(std::uint64_t bytes, std::int64_t layers, std::int64_t headDim, KvFormat format) {
    const std::uint64_t pageBytes = kvBytesPerToken(layers, headDim, format) * kKvPageTokens;
    if (bytes < pageBytes) {
        throw Error(ErrorCode::kResourceExhausted, "the KV memory has " + std::to_string(bytes) +
                                                       " bytes, but one page of " + std::to_string(kKvPageTokens) +
                                                       " tokens takes " + std::to_string(pageBytes));
    }
    return static_cast<std::int64_t>(std::min<std::uint64_t>(bytes / pageBytes, INT32_MAX));
}

KvPool::KvPool(std::int64_t layers, std::int64_t headDim, const KvOptions& options)
    : layers_(layers),
      headDim_(headDim),
      format_(options.format),
      sideBytes_(kKvPageTokens * kernels::kvRowBytes(options.format, headDim)),
      chunkPages_(std::clamp<std::int64_t>(kChunkBytes / pageBytes(), 1, options.blocks)),
      blocks_(std::make_shared<KvBlocks>(options.blocks, kKvPageTokens)) {}

std::byte* KvPool::page(KvBlocks::Block block) {
    const auto chunk = static_cast<std::size_t>(block / chunkPages_);
    try {
        while (chunks_.size() <= chunk) {
            chunks_.push_back(std::make_unique<model::Arena>(static_cast<std::uint64_t>(chunkPages_ * pageBytes())));
        }
    } catch (const Error&) {
        throw Error(ErrorCode::kResourceExhausted, "KV cache: the system has no memory for " +
                                                       std::to_string((block + 1) * kKvPageTokens) +
                                                       " tokens; a smaller KV memory makes requests wait instead");
    }
    return chunks_[chunk]->data() + block % chunkPages_ * pageBytes();
}

}  // namespace step3::attention
