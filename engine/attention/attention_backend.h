#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "engine/afd/roles.h"

namespace step3::attention {

/// New tokens of one sequence in a step, checked by the pipeline.
struct StepTokens {
    afd::Sequence* sequence = nullptr;
    std::span<const std::int32_t> ids;  // [T]
    std::span<const float> embeddings;  // [T, H], or empty: rows of the embedding table
};

/// The attention role: embedding, norms, MFA with its KV cache, residual stream, router, LM head (spec afd section 1).
/// A step is beginStep, then for every layer attend and addFfn for each micro-batch in row order, then logits, endStep.
/// Rows of a step are the tokens of all its entries one after another.
class AttentionBackend {
public:
    virtual ~AttentionBackend() = default;

    /// A sequence that begins with the longest run of `prefix` that other sequences have named; mostly empty.
    virtual std::unique_ptr<afd::Sequence> newSequence(std::span<const afd::BlockName> prefix) = 0;
    [[nodiscard]] virtual afd::KvUsage kvUsage() const = 0;
    /// True if newSequence of this backend made it.
    [[nodiscard]] virtual bool owns(const afd::Sequence& sequence) const = 0;
    /// Rows of the embedding table, [T, H]; ids are in the vocabulary.
    virtual void embed(std::span<const std::int32_t> ids, float* out) = 0;

    /// Loads the residual stream and makes room in the KV caches. Throws Error kResourceExhausted.
    virtual void beginStep(std::span<const StepTokens> entries) = 0;
    /// residual += attention; returns the normalised rows and their routing, valid until the same rows' next attend.
    virtual afd::FfnRequest attend(std::int64_t layer, afd::RowRange rows) = 0;
    /// residual += ffn, [rows, H]
    virtual void addFfn(afd::RowRange rows, const float* ffn) = 0;
    /// Final norm and LM head of some rows; `out` is [rows, V].
    virtual void logits(std::span<const std::int64_t> rows, float* out) = 0;
    /// The sequences have grown by their tokens.
    virtual void endStep() = 0;

    // What an observer may see, of the step's T rows.
    [[nodiscard]] virtual std::span<const float> residual() const = 0;          // [T, H]
    [[nodiscard]] virtual std::span<const float> routerLogits() const = 0;      // [T, E] of the last MoE layer
    [[nodiscard]] virtual std::span<const std::int32_t> expertIds() const = 0;  // [T, K]
    [[nodiscard]] virtual std::span<const float> expertWeights() const = 0;     // [T, K]
    [[nodiscard]] virtual std::span<const float> finalNorm() const = 0;         // [rows of logits, H]
};

}  // namespace step3::attention
