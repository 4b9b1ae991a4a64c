#include "app/cli/inspection.h"

#include <algorithm>

#include "app/cli/number_text.h"
#include "app/cli/open_model.h"
#include "engine/attention/kv_pool.h"
#include "engine/model/load_plan.h"

namespace step3::cli {

namespace {

using kernels::DType;
using model::TensorRole;

const char* formatName(DType dtype) {
    switch (dtype) {
        case DType::kF32: return "F32";
        case DType::kF16: return "F16";
        case DType::kBF16: return "BF16";
        case DType::kE4M3: return "FP8";
        case DType::kInt8Group: return "int8";
        case DType::kInt4Group: return "int4";
        default: return "other";
    }
}

constexpr std::pair<TensorRole, const char*> kRoles[] = {{TensorRole::kAttention, "attention"},
                                                         {TensorRole::kFfn, "ffn"},
                                                         {TensorRole::kVision, "vision"},
                                                         {TensorRole::kEmbedding, "embeddings"}};

std::uint64_t bytesOf(const Inspection& inspection, TensorRole role) {
    const auto found = inspection.summary.bytesByRole.find(role);
    return found == inspection.summary.bytesByRole.end() ? 0 : found->second;
}

std::string line(std::string label, const std::string& value) {
    label.resize(std::max<std::size_t>(15, label.size() + 1), ' ');
    return "  " + label + value + "\n";
}

std::int64_t moeLayers(const model::TextConfig& text) {
    return std::count(text.isMoeLayer.begin(), text.isMoeLayer.end(), true);
}

}  // namespace

std::uint64_t Inspection::kvBytes() const {
    return kvBytesPerToken * static_cast<std::uint64_t>(config.text.maxPositions);
}

Verdict judge(const Inspection& inspection) {
    const std::uint64_t weights = inspection.memoryByFormat.front().second;
    const std::uint64_t free = inspection.machine.memoryFree;
    const std::string figures = bytesText(weights) + " of weights and " + bytesText(inspection.kvBytes()) +
                                " of KV cache for one full context against " + bytesText(free) + " of free memory";
    const model::LoadNeeds& needs = inspection.needs;
    Fit fit = Fit::kNo;
    std::uint64_t expertMemory = 0;
    try {
        const model::LoadPlan plan = model::planLoad({}, needs, free);
        fit = plan.mode == model::LoadMode::kRead ? Fit::kYes : Fit::kFromDisk;
        expertMemory = plan.expertMemory;
    } catch (const Error&) {  // how the engine refuses to open it
    }
    if (fit == Fit::kYes) return {fit, "It fits: " + figures + "."};
    std::string smaller;
    for (const auto& [name, bytes] : inspection.memoryByFormat) {
        if (smaller.empty() && bytes <= free - free / 8) {
            smaller = " With --quant " + name + " it would fit: " + bytesText(bytes) + " of weights.";
        }
    }
    if (fit == Fit::kFromDisk) {
        return {fit, "It runs slowly, its experts read from disk as tokens need them: " + figures + ". In memory are " +
                         bytesText(needs.everyToken) + " that every token reads and " +
                         std::to_string(expertMemory / needs.expert) + " of " + std::to_string(needs.experts) +
                         " experts of " + bytesText(needs.expert) + "; a token picks " +
                         std::to_string(needs.picked * static_cast<std::uint64_t>(moeLayers(inspection.config.text))) +
                         "." + smaller};
    }
    return {fit, "It does not fit: " + figures + ", and every token reads " + bytesText(needs.everyToken) +
                     " besides its experts." + smaller};
}

Inspection inspect(const std::filesystem::path& folder) {
    const auto checkpoint = model::Checkpoint::open(folder);
    const model::TextConfig& text = checkpoint->config().text;
    Inspection inspection;
    inspection.folder = folder;
    inspection.config = checkpoint->config();
    inspection.summary = model::summarize(*checkpoint);
    inspection.needs = model::loadNeeds(*checkpoint, {});
    inspection.memoryByFormat.emplace_back("stored", inspection.needs.all);
    for (const char* name : {"fp8", "int8", "mixed", "int4"}) {
        const auto formats = *model::parseWeightFormats(name);
        inspection.memoryByFormat.emplace_back(name, model::packedBytes(*checkpoint, formats));
    }
    inspection.kvBytesPerToken = attention::kvBytesPerToken(text.numLayers, text.headDim, OpenOptions{}.kvFormat);
    inspection.machine = thisMachine();
    return inspection;
}

Json inspectionJson(const Inspection& inspection) {
    const model::TextConfig& text = inspection.config.text;
    Json bytes;
    bytes["total"] = inspection.summary.bytesTotal;
    for (const auto& [role, name] : kRoles) bytes[name] = bytesOf(inspection, role);
    Json formats = Json::object();
    for (const auto& [dtype, count] : inspection.summary.bytesByFormat) formats[formatName(dtype)] = count;
    const Verdict verdict = judge(inspection);
    constexpr const char* kFits[] = {"yes", "from_disk", "no"};
    Json memory = Json::object();
    for (const auto& [name, count] : inspection.memoryByFormat) memory[name] = count;
    return {{"model",
             {{"name", folderName(inspection.folder)},
              {"folder", inspection.folder.string()},
              {"architecture", inspection.config.architecture},
              {"vision", inspection.config.vision.has_value()},
              {"layers", text.numLayers},
              {"moe_layers", moeLayers(text)},
              {"hidden_size", text.hiddenSize},
              {"heads", text.numHeads},
              {"head_dim", text.headDim},
              {"experts", text.numExperts},
              {"experts_per_token", text.topK},
              {"vocab_size", text.vocabSize},
              {"max_context", text.maxPositions}}},
            {"parameters",
             {{"total", inspection.summary.parametersTotal}, {"active", inspection.summary.parametersActive}}},
            {"bytes", bytes},
            {"bytes_read_per_token", inspection.summary.bytesActive},
            {"weight_formats", formats},
            {"kv_bytes_per_token", inspection.kvBytesPerToken},
            {"machine",
             {{"cpu", inspection.machine.cpu},
              {"cores", inspection.machine.cores},
              {"isa", inspection.machine.isa},
              {"memory_total", inspection.machine.memoryTotal},
              {"memory_free", inspection.machine.memoryFree}}},
            {"needs",
             {{"weights_in_memory", memory},
              {"bytes_every_token", inspection.summary.bytesEveryToken},
              {"experts", inspection.needs.experts},
              {"expert_bytes", inspection.needs.expert},
              {"kv_cache", inspection.kvBytes()}}},
            {"verdict", {{"fits", kFits[static_cast<std::size_t>(verdict.fit)]}, {"sentence", verdict.sentence}}}};
}

std::string inspectionText(const Inspection& inspection) {
    const model::TextConfig& text = inspection.config.text;
    std::string formats;
    for (const auto& [dtype, count] : inspection.summary.bytesByFormat) {
        formats += (formats.empty() ? "" : ", ") + std::string(formatName(dtype)) + " " + bytesText(count);
    }
    std::string out = folderName(inspection.folder) + "\n";
    out += line("architecture", inspection.config.architecture +
                                    (inspection.config.vision ? ", reads pictures and text" : ", reads text only"));
    out += line("layers", std::to_string(text.numLayers) + ", " + std::to_string(moeLayers(text)) + " of them with " +
                              std::to_string(text.numExperts) + " experts, " + std::to_string(text.topK) +
                              " a token; hidden size " + std::to_string(text.hiddenSize));
    out += line("attention", std::to_string(text.numHeads) + " heads of " + std::to_string(text.headDim) +
                                 " over one shared key and value head");
    out += line("vocabulary", std::to_string(text.vocabSize) + " tokens");
    out += line("context", std::to_string(text.maxPositions) + " tokens");
    out += line("parameters", countText(inspection.summary.parametersTotal) + ", of which " +
                                  countText(inspection.summary.parametersActive) + " work on each token");
    out += line("weights", bytesText(inspection.summary.bytesTotal) + " (" + formats + "), of which " +
                               bytesText(inspection.summary.bytesActive) + " are read for each token");
    out += line("  attention", bytesText(bytesOf(inspection, TensorRole::kAttention)));
    out += line("  FFN", bytesText(bytesOf(inspection, TensorRole::kFfn)));
    out += line("  vision", bytesText(bytesOf(inspection, TensorRole::kVision)));
    out += line("  embeddings", bytesText(bytesOf(inspection, TensorRole::kEmbedding)));
    std::string memory;
    for (const auto& [name, count] : inspection.memoryByFormat) {
        if (!memory.empty()) memory += ", ";
        memory += (name == "stored" ? "as stored" : "--quant " + name) + " " + bytesText(count);
    }
    out += line("in memory", memory);
    out += line("KV cache", bytesText(inspection.kvBytesPerToken) + " a token, " + bytesText(inspection.kvBytes()) +
                                " for a full context");
    out += "\nThis machine\n";
    out += line("processor", inspection.machine.cpu + ", " + std::to_string(inspection.machine.cores) +
                                 (inspection.machine.cores == 1 ? " core" : " cores") + " to use, " +
                                 inspection.machine.isa + " kernels");
    out += line("memory",
                bytesText(inspection.machine.memoryFree) + " free of " + bytesText(inspection.machine.memoryTotal));
    return out + "\n" + judge(inspection).sentence + "\n";
}

}  // namespace step3::cli
