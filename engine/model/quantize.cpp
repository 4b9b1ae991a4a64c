#include "engine/model/quantize.h"

#include <algorithm>
#include <atomic>
#include <fstream>
#include <string>
#include <utility>
#include <vector>

#include "engine/error.h"
#include "engine/model/config_json.h"
#include "engine/model/mapped_file.h"
#include "engine/model/memory.h"
#include "engine/model/new_file.h"
#include "engine/model/packing.h"
#include "engine/model/quantize_plan.h"
#include "engine/model/summary.h"
#include "kernels/gemm/group_rows.h"

namespace step3::model {
namespace {

namespace fs = std::filesystem;
using kernels::DType;
using kernels::WeightView;

constexpr const char* kStateFile = "quantize.json";  // what the folder is made from, and how
constexpr const char* kIndexFile = "model.safetensors.index.json";
constexpr const char* kConfigFile = "config.json";
constexpr std::uint64_t kCopyPiece = 16ULL << 20;      // bytes
constexpr std::int64_t kQuantisePiece = 8LL << 20;     // weights
constexpr std::uint64_t kSpaceForFolder = 1ULL << 20;  // names, blocks that are not full

const char* formatName(WeightFormat format) {
    if (format == WeightFormat::kInt8) return "int8";
    return format == WeightFormat::kInt4 ? "int4" : "stored";
}

void checkStop(const std::stop_token& stop) {
    if (stop.stop_requested()) throw Error(ErrorCode::kCancelled, "quantising was interrupted");
}

std::string textOf(const fs::path& file) {
    const MappedFile mapped(file);
    return std::string(mapped.text());
}

/// What config.json says of the quantised checkpoint.
Json quantizationConfig(const ModelConfig& source, const GroupQuantization& groups) {
    Json config = {{"quant_method", kGroupMethod},
                   {"group_size", groups.groupSize},
                   {"formats",
                    {{"experts", formatName(groups.formats.experts)},
                     {"attention", formatName(groups.formats.attention)},
                     {"lm_head", formatName(groups.formats.head)}}}};
    if (source.blockFp8) config["weight_block_size"] = {source.fp8BlockN, source.fp8BlockK};
    return config;
}

class Quantizer {
public:
    Quantizer(const QuantizeOptions& options, kernels::ThreadPool& pool, const QuantizeProgressFn& progress,
              const std::stop_token& stop)
        : options_(options), pool_(pool), progress_(progress), stop_(stop) {
        checkFolders();
        checkpoint_ = Checkpoint::open(options.source, {}, stop);
        if (checkpoint_->config().groups) {
            throw Error(ErrorCode::kInvalidArgument, (options.source / kConfigFile).string() +
                                                         ": expected a checkpoint that is not quantised in groups, "
                                                         "found quant_method " +
                                                         kGroupMethod);
        }
        plan_ = planShards(*checkpoint_, options.groups, options.shardBytes);
        large_ = summarize(*checkpoint_).bytesTotal > availableMemory() / 4;
        listOtherFiles();
    }

    QuantizeReport run() {
        enterFolder();
        std::vector<const PlannedShard*> missing;
        QuantizeReport report;
        std::uint64_t needed = kSpaceForFolder;
        for (const PlannedShard& shard : plan_) {
            done_.bytesTotal += shard.bytes;
            if (isFinished(shard)) {
                done_.bytesKept += shard.bytes;
                ++report.filesKept;
            } else {
                needed += shard.bytes;
                missing.push_back(&shard);
            }
        }
        for (const std::string& name : others_) needed += fs::file_size(options_.source / name);
        requireDiskSpace(options_.target, needed, fs::space(options_.target).available);
        done_.bytesDone = done_.bytesKept;
        tell();
        if (!missing.empty()) {  // a folder that opens is whole
            fs::remove(options_.target / kIndexFile);
            fs::remove(options_.target / kConfigFile);
        }
        for (const PlannedShard* shard : missing) write(*shard);
        for (const std::string& name : others_) copy(name);
        writeConfig();
        writeIndex();
        report.sourceBytes = summarize(*checkpoint_).bytesTotal;
        report.targetBytes = done_.bytesTotal;
        report.files = static_cast<std::int64_t>(plan_.size());
        return report;
    }

private:
    void checkFolders() const {
        const fs::path source = fs::weakly_canonical(options_.source);
        for (fs::path folder = fs::weakly_canonical(options_.target);; folder = folder.parent_path()) {
            if (folder == source) {
                throw Error(
                    ErrorCode::kInvalidArgument,
                    options_.target.string() + ": expected a folder outside the source " + options_.source.string());
            }
            if (folder == folder.parent_path()) return;
        }
    }

    /// All files of the source but its weights, their index and config.json, which is written anew.
    void listOtherFiles() {
        const std::vector<std::string> weights = checkpoint_->files();
        for (const auto& item : fs::directory_iterator(options_.source)) {
            const std::string name = item.path().filename().string();
            const bool own = name == kConfigFile || name == kIndexFile || name == kStateFile || name.starts_with('.') ||
                             std::find(weights.begin(), weights.end(), name) != weights.end();
            if (!own && item.is_regular_file()) others_.push_back(name);
        }
        std::sort(others_.begin(), others_.end());
    }

    /// What must be the same for an interrupted run to be continued.
    [[nodiscard]] Json state() const {
        Json files = Json::array();
        std::vector<std::string> names = checkpoint_->files();
        names.emplace_back(kConfigFile);
        for (const std::string& name : names) {
            const fs::path file = options_.source / name;
            files.push_back({{"name", name},
                             {"bytes", fs::file_size(file)},
                             {"changed", fs::last_write_time(file).time_since_epoch().count()}});
        }
        return {{"source", fs::weakly_canonical(options_.source).string()},
                {"quantization", quantizationConfig(checkpoint_->config(), options_.groups)},
                {"shard_bytes", options_.shardBytes},
                {"files", files}};
    }

    /// Makes the folder, or finds in it what an earlier run with the same options left.
    void enterFolder() const {
        const fs::path& target = options_.target;
        std::error_code failed;
        if (fs::exists(target, failed) && !fs::is_directory(target, failed))
            throw Error(ErrorCode::kIo, target.string() + ": expected a folder or a place for one, found a file");
        fs::create_directories(target, failed);
        if (failed)
            throw Error(ErrorCode::kIo, target.string() + ": expected a place for a folder, found " + failed.message());
        const Json own = state();
        const fs::path file = target / kStateFile;
        if (fs::exists(file)) {
            if (parseConfigObject(textOf(file), file.string()) != own) {
                throw Error(ErrorCode::kInvalidArgument,
                            target.string() +
                                ": expected what the same command left, found a quantisation of another source or with "
                                "other options; choose another folder or remove this one");
            }
            for (const auto& item : fs::directory_iterator(target)) {
                if (item.path().extension() == kUnfinishedSuffix) fs::remove(item.path());
            }
            return;
        }
        const std::string early = std::string(kStateFile) + std::string(kUnfinishedSuffix);
        std::size_t foreign = 0;
        std::string example;
        for (const auto& item : fs::directory_iterator(target)) {
            if (item.path().filename() == early) continue;
            ++foreign;
            example = item.path().filename().string();
        }
        if (foreign > 0) {
            throw Error(ErrorCode::kInvalidArgument, target.string() + ": expected an empty folder, found " +
                                                         std::to_string(foreign) + (foreign == 1 ? " file" : " files") +
                                                         ", " + example + " for one");
        }
        writeNewFile(file, own.dump(1) + "\n");
    }

    [[nodiscard]] bool isFinished(const PlannedShard& shard) const {
        const fs::path file = options_.target / shard.file;
        std::error_code failed;
        if (fs::file_size(file, failed) != shard.bytes || failed) return false;
        std::string header(shard.header.size(), '\0');
        std::ifstream stream(file, std::ios::binary);
        stream.read(header.data(), static_cast<std::streamsize>(header.size()));
        return stream && header == shard.header;
    }

    void write(const PlannedShard& shard) {
        NewFile file(options_.target / shard.file);
        file.write(0, shard.header.data(), shard.header.size());
        tell(shard.header.size());
        for (const PlannedTensor& planned : shard.tensors) {
            if (planned.format == WeightFormat::kStored) {
                copyTensor(planned, file);
            } else {
                quantise(planned, file);
            }
        }
        file.finish();
    }

    void copyTensor(const PlannedTensor& planned, NewFile& file) {
        const Tensor& tensor = checkpoint_->get(planned.spec->name);
        for (std::uint64_t at = 0; at < planned.dataBytes; at += kCopyPiece) {
            checkStop(stop_);
            const std::uint64_t bytes = std::min(kCopyPiece, planned.dataBytes - at);
            file.write(planned.dataAt + at, tensor.data + at, bytes);
            release(tensor.data + at, bytes);
            tell(bytes);
        }
        if (planned.scaleBytes > 0) file.write(planned.scalesAt, tensor.scaleInv, planned.scaleBytes);
        tell(planned.scaleBytes);
    }

    void quantise(const PlannedTensor& planned, NewFile& file) {
        const TensorSpec& spec = *planned.spec;
        const std::int64_t matrices = spec.shape.size() == 3 ? spec.shape[0] : 1;
        std::vector<std::uint8_t> codes;
        std::vector<std::uint16_t> scales;
        for (std::int64_t index = 0; index < matrices; ++index) {
            const WeightView rows = checkpoint_->matrix(spec.name, index);
            WeightView target;
            target.dtype = planned.format == WeightFormat::kInt4 ? DType::kInt4Group : DType::kInt8Group;
            target.k = rows.k;
            target.blockK = options_.groups.groupSize;
            target.scaleStride = (rows.k + target.blockK - 1) / target.blockK;
            const std::int64_t rowBytes = kernels::rowBytes(target.dtype, rows.k);
            const std::int64_t piece = std::max<std::int64_t>(1, kQuantisePiece / rows.k);
            codes.resize(static_cast<std::size_t>(std::min(piece, rows.n) * rowBytes));
            scales.resize(static_cast<std::size_t>(std::min(piece, rows.n) * target.scaleStride));
            target.data = codes.data();
            target.groupScales = scales.data();
            for (std::int64_t first = 0; first < rows.n; first += piece) {
                checkStop(stop_);
                const std::int64_t count = std::min(piece, rows.n - first);
                quantisePiece(rows, first, count, target, spec, index);
                const std::int64_t row = index * rows.n + first;
                const auto dataBytes = static_cast<std::uint64_t>(count * rowBytes);
                const auto scaleBytes = static_cast<std::uint64_t>(count * target.scaleStride * 2);
                file.write(planned.dataAt + static_cast<std::uint64_t>(row * rowBytes), codes.data(), dataBytes);
                file.write(planned.scalesAt + static_cast<std::uint64_t>(row * target.scaleStride * 2), scales.data(),
                           scaleBytes);
                const std::int64_t stored = kernels::rowBytes(rows.dtype, rows.k);
                release(static_cast<const std::byte*>(rows.data) + first * stored,
                        static_cast<std::uint64_t>(count * stored));
                tell(dataBytes + scaleBytes);
            }
        }
    }

    /// Rows [first, first + count) of matrix `index` of a tensor become the rows of `target`.
    void quantisePiece(const WeightView& rows, std::int64_t first, std::int64_t count, const WeightView& target,
                       const TensorSpec& spec, std::int64_t index) {
        std::atomic<std::int64_t> bad{-1};
        const std::int64_t grain = std::max<std::int64_t>(1, (64 << 10) / rows.k);
        const kernels::KernelTable& kernels = kernels::activeKernels();
        pool_.parallelFor(count, grain, [&](std::int64_t begin, std::int64_t end) {
            WeightView part = target;
            part.data = static_cast<const std::byte*>(target.data) + begin * kernels::rowBytes(target.dtype, rows.k);
            part.groupScales += begin * target.scaleStride;
            const std::int64_t row = kernels::quantiseRows(kernels, rows, first + begin, first + end, part);
            if (row >= 0) bad = row;
        });
        if (bad >= 0) failNotFinite(*checkpoint_, spec, index, bad);
    }

    void copy(const std::string& name) {
        const MappedFile source(options_.source / name);
        NewFile file(options_.target / name);
        for (std::uint64_t at = 0; at < source.size(); at += kCopyPiece) {
            checkStop(stop_);
            file.write(at, source.data() + at, std::min(kCopyPiece, source.size() - at));
        }
        file.finish();
    }

    void writeConfig() const {
        const fs::path file = options_.source / kConfigFile;
        Json config = parseConfigObject(textOf(file), file.string());
        config["quantization_config"] = quantizationConfig(checkpoint_->config(), options_.groups);
        writeNewFile(options_.target / kConfigFile, config.dump(2) + "\n");
    }

    void writeIndex() const {
        Json map = Json::object();
        std::uint64_t total = 0;
        for (const PlannedShard& shard : plan_) {
            for (const PlannedTensor& tensor : shard.tensors) {
                map[tensor.spec->name] = shard.file;
                if (!tensor.scaleName.empty()) map[tensor.scaleName] = shard.file;
                total += tensor.dataBytes + tensor.scaleBytes;
            }
        }
        const Json index = {{"metadata", {{"total_size", total}}}, {"weight_map", map}};
        writeNewFile(options_.target / kIndexFile, index.dump(1) + "\n");
    }

    /// Gives the memory of weights that are done back.
    void release(const std::byte* data, std::uint64_t bytes) const {
        Tensor part;
        part.data = data;
        part.byteSize = bytes;
        checkpoint_->releasePages(part, large_);
    }

    void tell(std::uint64_t bytes = 0) {
        done_.bytesDone += bytes;
        if (progress_) progress_(done_);
    }

    const QuantizeOptions& options_;
    kernels::ThreadPool& pool_;
    const QuantizeProgressFn& progress_;
    std::stop_token stop_;
    std::shared_ptr<const Checkpoint> checkpoint_;
    std::vector<PlannedShard> plan_;
    std::vector<std::string> others_;
    QuantizeProgress done_;
    bool large_ = false;  // the source would fill the system's file cache
};

}  // namespace

QuantizeReport quantizeCheckpoint(const QuantizeOptions& options, kernels::ThreadPool& pool,
                                  const QuantizeProgressFn& progress, const std::stop_token& stop) {
    try {
        return Quantizer(options, pool, progress, stop).run();
    } catch (const fs::filesystem_error& error) {
        throw Error(ErrorCode::kIo, error.path1().string() + ": " + error.code().message());
    }
}

void requireDiskSpace(const fs::path& folder, std::uint64_t needed, std::uint64_t free) {
    if (free >= needed) return;
    const auto mebibytes = [](std::uint64_t bytes) {
        return std::to_string((bytes + (1U << 20U) - 1) >> 20U) + " MiB";
    };
    throw Error(ErrorCode::kResourceExhausted, folder.string() + ": expected " + mebibytes(needed) +
                                                   " free on its disk, found " + std::to_string(free >> 20U) + " MiB");
}

}  // namespace step3::model
