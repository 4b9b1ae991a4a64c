#include "engine/model/weight_options.h"

namespace step3::model {

std::optional<WeightFormat> parseWeightFormat(std::string_view name) {
    if (name == "bf16") return WeightFormat::kStored;
    if (name == "fp8") return WeightFormat::kFp8;
    if (name == "int8") return WeightFormat::kInt8;
    if (name == "int4") return WeightFormat::kInt4;
    return std::nullopt;
}

std::optional<WeightFormats> parseWeightFormats(std::string_view name) {
    if (name == "mixed") return WeightFormats::mixed();
    const auto format = parseWeightFormat(name);
    return format ? std::optional(WeightFormats::all(*format)) : std::nullopt;
}

std::optional<LoadMode> parseLoadMode(std::string_view name) {
    if (name == "auto") return LoadMode::kAuto;
    if (name == "read") return LoadMode::kRead;
    if (name == "offload") return LoadMode::kOffload;
    if (name == "mmap") return LoadMode::kMap;
    return std::nullopt;
}

WeightFormats WeightFormats::all(WeightFormat format) {
    const bool fp8 = format == WeightFormat::kFp8;  // like FP8 checkpoints, which keep the head in BF16
    const WeightFormat head = fp8                             ? WeightFormat::kStored
                              : format == WeightFormat::kInt4 ? WeightFormat::kInt8
                                                              : format;
    return {format, format, head};
}

WeightFormats WeightFormats::mixed() {
    return {WeightFormat::kInt4, WeightFormat::kInt8, WeightFormat::kInt8};
}

bool WeightFormats::allStored() const {
    return experts == WeightFormat::kStored && attention == WeightFormat::kStored && head == WeightFormat::kStored;
}

}  // namespace step3::model
