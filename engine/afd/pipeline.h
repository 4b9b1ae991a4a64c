#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "engine/afd/roles.h"
#include "engine/attention/kv_pool.h"
#include "engine/model/checkpoint.h"
#include "kernels/cpu/isa.h"
#include "kernels/cpu/thread_pool.h"

namespace step3::afd {

/// Tokens of one sequence in a step.
struct StepEntry {
    Sequence* sequence = nullptr;
    std::span<const std::int32_t> tokens;  // [T] new tokens, appended to the sequence
    std::span<const float>
        embeddings;          // [T, H] if not empty: used instead of the embedding rows (image tokens spliced)
    bool allLogits = false;  // logits of every token, else of the last
};

/// final_norm and logits hold the rows whose logits were asked for, everything else holds all rows of the step.
/// Sees intermediate values for `step3 debug forward`: name as in spec debug-cli ("layer3.out"), [T, width] float32 or
/// int32.
struct StepObserver {
    std::function<void(std::string_view name, std::span<const float> values, std::int64_t width)> floats;
    std::function<void(std::string_view name, std::span<const std::int32_t> values, std::int64_t width)> ints;
};

/// Time and bytes per role of everything run so far; read by polling.
struct PipelineStats {
    double attentionSeconds = 0;
    double ffnSeconds = 0;
    double linkSeconds = 0;
    std::uint64_t steps = 0;
    std::uint64_t tokens = 0;
    double lmHeadSeconds = 0;   // part of attentionSeconds
    double receiveSeconds = 0;  // part of linkSeconds: waiting for results; the rest is spent sending
    std::uint64_t toFfnBytes = 0, toAttentionBytes = 0;  // handed to the link and taken from it
    int microBatchesInFlight = 0;                        // of the step under way
    std::vector<std::uint64_t> expertTokens;             // [L, E] tokens sent to each expert; 0 in dense layers
};

/// Choices of a pipeline whose two roles run on the CPU.
struct CpuPipelineOptions {
    int microBatches = 1;             // a step's rows are cut into this many parts, in flight one after another
    std::optional<kernels::Isa> isa;  // kernels to use; absent: kernels::activeIsa()
    attention::KvOptions kv;
};

/// The forward pass: an attention role and an FFN role joined by a link, walked layer by layer in micro-batches
/// (design: two roles and a link). One step at a time; not thread-safe except stats().
class Pipeline {
public:
    /// CPU attention, CPU FFN, direct link, one micro-batch.
    static std::unique_ptr<Pipeline> createCpu(std::shared_ptr<const model::Checkpoint> checkpoint,
                                               kernels::ThreadPool& pool);
    /// Throws Error if a tensor is missing, if STEP3_ISA names nothing that runs here, or if an option is out of range.
    static std::unique_ptr<Pipeline> createCpu(std::shared_ptr<const model::Checkpoint> checkpoint,
                                               kernels::ThreadPool& pool, const CpuPipelineOptions& options);
    virtual ~Pipeline() = default;

    /// A sequence that begins with the longest run of `prefix`, names of its first blocks, that is still there from
    /// others: its length() tells.
    virtual std::unique_ptr<Sequence> newSequence(std::span<const BlockName> prefix) = 0;
    [[nodiscard]] virtual KvUsage kvUsage() const = 0;
    /// Rows of embed_tokens, [T, H] float32. Throws Error kInvalidArgument for ids outside the vocabulary.
    virtual std::vector<float> embed(std::span<const std::int32_t> tokens) = 0;
    /// Runs all entries; returns logits [rows, V] float32, entry by entry (one row each, or T with allLogits). Throws
    /// Error kInvalidArgument (no tokens, id outside the vocabulary, wrong size of embeddings, a sequence twice) or
    /// kResourceExhausted (context length, memory); no sequence has then become longer.
    virtual std::vector<float> step(std::span<const StepEntry> entries, const StepObserver* observer = nullptr) = 0;
    /// What the last layer left of the last step's rows, [T, H], before the final norm; valid until the next step.
    [[nodiscard]] virtual std::span<const float> trunk() const = 0;
    [[nodiscard]] virtual PipelineStats stats() const = 0;
};

}  // namespace step3::afd
