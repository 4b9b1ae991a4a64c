#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "engine/model/config.h"
#include "kernels/cpu/dtype.h"

namespace step3::model {

/// Which part of the machine owns a tensor (design: two roles and a link).
enum class TensorRole { kEmbedding, kAttention, kFfn, kVision };

/// One tensor the architecture needs. The registry made from a ModelConfig drives loading, checking, memory figures and
/// `step3 inspect`.
struct TensorSpec {
    std::string name;                 // flat Hugging Face name, spec section 3
    std::string axes;                 // e.g. "[E, F, H]"
    std::vector<std::int64_t> shape;  // expected shape
    TensorRole role;
    std::optional<std::int64_t> layer;
    bool quantisable = false;  // may be block FP8 with a `_scale_inv` companion, or in groups with a `_scale` companion
    bool optional = false;     // e.g. vit_large_projector.bias
};

/// True for the fused matrices of a layer's routed experts, [E, n, k].
bool isRoutedExpert(const TensorSpec& spec);
/// The format `formats` asks for a tensor: kStored for all that always stays as it is.
WeightFormat formatOf(const TensorSpec& spec, const WeightFormats& formats);

/// A stored tensor: a borrowed view into a mapped shard, valid as long as its Checkpoint.
struct Tensor {
    const std::byte* data = nullptr;
    kernels::DType dtype = kernels::DType::kF32;
    std::vector<std::int64_t> shape;             // of the weights, also where their codes are packed
    const float* scaleInv = nullptr;             // block-FP8 scales [..., ceil(n/blockN), ceil(k/blockK)], else null
    const std::uint16_t* groupScales = nullptr;  // BF16 scales of groups [..., n, ceil(k/groupSize)], else null
    std::uint64_t byteSize = 0;                  // without the scales
    std::uint64_t scaleBytes = 0;
};

struct OpenProgress {
    std::uint64_t bytesDone = 0;
    std::uint64_t bytesTotal = 0;
};
using OpenProgressFn = std::function<void(const OpenProgress&)>;

/// Bytes of a file.
struct FileRange {
    std::filesystem::path file;
    std::uint64_t begin = 0;
    std::uint64_t bytes = 0;
};

class ExpertCache;

/// All tensors the architecture described by `config` has, in layer order.
std::vector<TensorSpec> tensorRegistry(const ModelConfig& config);

/// A memory-mapped, fully checked checkpoint. Immutable and safe to read from several threads.
class Checkpoint {
public:
    /// Maps the shards and checks every tensor against the registry. Throws Error (file, tensor, expected, found);
    /// Error kCancelled if `stop` is requested.
    static std::shared_ptr<const Checkpoint> open(const std::filesystem::path& folder,
                                                  const OpenProgressFn& progress = {}, std::stop_token stop = {});

    /// A part of a checkpoint in a file of its own: maps `file` of `folder`, which must hold the tensors of `registry`
    /// and no others. Throws Error likewise.
    static std::shared_ptr<const Checkpoint> openFile(const std::filesystem::path& folder, const std::string& file,
                                                      const ModelConfig& config, std::vector<TensorSpec> registry);

    virtual ~Checkpoint() = default;

    [[nodiscard]] virtual const ModelConfig& config() const = 0;
    [[nodiscard]] virtual const std::filesystem::path& folder() const = 0;
    [[nodiscard]] virtual const std::vector<TensorSpec>& registry() const = 0;

    /// Names of the files in `folder` that hold the weights.
    [[nodiscard]] virtual std::vector<std::string> files() const { return {}; }
    /// The tensor with this flat name, or null if it is optional and absent. Nested names in the file are already
    /// mapped.
    [[nodiscard]] virtual const Tensor* find(std::string_view name) const = 0;
    /// Like find, but throws Error kNotFound.
    [[nodiscard]] const Tensor& get(std::string_view name) const;

    /// W[n, k] of a 2-D tensor, of expert `expert` of a fused 3-D tensor [E, n, k], or of a convolution [n, C, kh, kw]
    /// with k = C * kh * kw.
    [[nodiscard]] kernels::WeightView matrix(std::string_view name) const { return matrix(name, 0); }
    [[nodiscard]] virtual kernels::WeightView matrix(std::string_view name, std::int64_t expert) const;
    /// Gives the memory pages of a mapped tensor back; with `fromCache` also the system's cached copy of them. They are
    /// read from the file again when needed.
    virtual void releasePages(const Tensor& tensor, bool fromCache) const = 0;
    /// Where the tensor of this flat name, which may be that of another's scales, is stored; nothing if not in a file.
    [[nodiscard]] virtual std::optional<FileRange> fileRange(std::string_view /*name*/) const { return std::nullopt; }
    /// Where the routed experts are while most of them stay on disk; null if matrix() has them all.
    [[nodiscard]] virtual ExpertCache* expertCache() const { return nullptr; }
    /// Bytes of memory that the weights take; of those left in their files, what they take once all have been used.
    [[nodiscard]] virtual std::uint64_t memoryBytes() const;
    /// "FILE: tensor NAME", for errors about a tensor's values.
    [[nodiscard]] virtual std::string place(std::string_view name) const;
    /// A tensor of any float format widened to float32: norms, biases, the router, vision tables.
    [[nodiscard]] std::vector<float> floats(std::string_view name) const;
};

}  // namespace step3::model
