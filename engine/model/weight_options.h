#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace step3::model {

/// Where the weights are while the model runs.
enum class LoadMode : std::uint8_t {
    kAuto,     ///< kRead if the weights fit into the free memory, else kOffload; STEP3_LOAD decides otherwise
    kRead,     ///< repacked in memory of this process: fastest, needs memory for all of them
    kOffload,  ///< as kRead, but routed experts stay on disk and those used most in memory: for models larger than it
    kMap,      ///< where the checkpoint's files have them: starts at once, works with any amount of memory
};

/// Formats of the weights in memory.
enum class WeightFormat : std::uint8_t {
    kStored,  ///< as in the checkpoint
    kFp8,     ///< E4M3 in blocks of 128 x 128
    kInt8,    ///< 8 bits in groups of 32 with a BF16 scale: 8.5 bits a weight
    kInt4,    ///< 4 bits in groups of 32 with a BF16 scale: 4.5 bits a weight
};

/// Formats by part of the model; others than kStored need packed weights (not kMap). Embeddings, the router, norms
/// and the vision part always stay as stored.
struct WeightFormats {
    WeightFormat experts = WeightFormat::kStored;    // routed experts
    WeightFormat attention = WeightFormat::kStored;  // attention, dense and shared FFN
    WeightFormat head = WeightFormat::kStored;       // LM head
    /// Bytes of BF16 weights from which on they are kept in 12 bits (CompactBF16), with all their values: models that
    /// memory feeds, not the caches, take less of it and are read faster.
    std::uint64_t compactFrom = 128ULL << 20U;

    /// All parts in one format; with 4 bits the LM head, whose errors reach the answer directly, keeps 8, and with FP8
    /// it stays as stored, like in FP8 checkpoints.
    static WeightFormats all(WeightFormat format);
    /// Routed experts, most of the weights and each used by few tokens, in 4 bits; everything else in 8.
    static WeightFormats mixed();
    [[nodiscard]] bool allStored() const;
    friend bool operator==(const WeightFormats&, const WeightFormats&) = default;
};

/// What becomes of a checkpoint's weights when it is opened.
struct WeightOptions {
    LoadMode mode = LoadMode::kAuto;
    WeightFormats formats;
    std::uint64_t expertMemory = 0;  // bytes of routed experts in memory, which asks for kOffload; 0: what is free
};

/// "bf16" (as stored), "fp8", "int8", "int4".
std::optional<WeightFormat> parseWeightFormat(std::string_view name);
/// The same, or "mixed", for all parts.
std::optional<WeightFormats> parseWeightFormats(std::string_view name);
/// "auto", "read", "offload", "mmap".
std::optional<LoadMode> parseLoadMode(std::string_view name);

}  // namespace step3::model
