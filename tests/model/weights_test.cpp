// Weights read into memory: same values as the mapped ones, or close to them where they are quantised.

#include "engine/model/weights.h"

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <numeric>

#include <catch2/catch.hpp>

#include "engine/afd/pipeline.h"
#include "engine/error.h"
#include "engine/model/load_plan.h"
#include "kernels/cpu/convert.h"
#include "tests/model/tiny_checkpoint.h"

using namespace step3;
using namespace step3::model;

namespace {

std::filesystem::path golden(const char* name) {
    return std::filesystem::path(STEP3_TEST_DATA) / "golden" / name;
}

std::vector<float> logitsOf(const std::shared_ptr<const Checkpoint>& checkpoint, kernels::ThreadPool& pool) {
    afd::CpuPipelineOptions options;
    options.kv.format = kernels::KvFormat::kF32;  // a rounded cache would show differences of the last bit larger
    const auto pipeline = afd::Pipeline::createCpu(checkpoint, pool, options);
    const auto sequence = pipeline->newSequence({});
    std::vector<std::int32_t> ids(40);
    for (std::size_t i = 0; i < ids.size(); ++i) ids[i] = static_cast<std::int32_t>(i * 37 % 200);
    const afd::StepEntry entry{sequence.get(), ids, {}, true};
    return pipeline->step({&entry, 1});
}

/// Norm of the difference over the norm.
double relativeError(const std::vector<float>& found, const std::vector<float>& expected) {
    REQUIRE(found.size() == expected.size());
    double error = 0;
    double size = 0;
    for (std::size_t i = 0; i < found.size(); ++i) {
        error += std::pow(static_cast<double>(found[i]) - expected[i], 2);
        size += std::pow(static_cast<double>(expected[i]), 2);
    }
    return std::sqrt(error / size);
}

WeightOptions reading(WeightFormat format) {
    return {LoadMode::kRead, WeightFormats::all(format)};
}

/// Requires that `read` has every value of every matrix of `mapped`; returns how many of its panel matrices have which
/// format.
std::map<kernels::DType, int> requireSameWeights(const Checkpoint& mapped, const Checkpoint& read) {
    std::map<kernels::DType, int> packed;
    int all = 0;
    for (const TensorSpec& spec : mapped.registry()) {
        if (spec.shape.size() < 2 || mapped.find(spec.name) == nullptr) continue;
        const std::int64_t matrices = spec.shape.size() == 3 ? spec.shape[0] : 1;
        for (std::int64_t e = 0; e < matrices; ++e) {
            const kernels::WeightView a = mapped.matrix(spec.name, e);
            const kernels::WeightView b = read.matrix(spec.name, e);
            CHECK(a.layout == kernels::Layout::kRows);
            if (b.layout == kernels::Layout::kPanels) {
                ++packed[b.dtype];
                ++all;
            }
            REQUIRE(a.n == b.n);
            REQUIRE(a.k == b.k);
            std::vector<float> expected(static_cast<std::size_t>(a.k));
            std::vector<float> found(expected.size());
            for (std::int64_t row = 0; row < a.n; ++row) {
                kernels::widenRow(a, row, expected.data());
                kernels::widenRow(b, row, found.data());
                REQUIRE(found == expected);
            }
        }
    }
    CHECK(all > 10);
    return packed;
}

}  // namespace

TEST_CASE("weights read as stored are the mapped ones, matrix by matrix") {
    kernels::ThreadPool pool(2);
    for (const char* name : {"tiny-bf16", "tiny-fp8"}) {
        const auto mapped = openWeights(golden(name), {LoadMode::kMap, {}}, pool);
        const auto read = openWeights(golden(name), reading(WeightFormat::kStored), pool);
        CHECK(requireSameWeights(*mapped, *read)[kernels::DType::kCompactBF16] == 0);
        CHECK(relativeError(logitsOf(read, pool), logitsOf(mapped, pool)) < 1e-5);
    }
}

TEST_CASE("BF16 weights of large models become compact with all their values") {
    kernels::ThreadPool pool(2);
    const auto mapped = openWeights(golden("tiny-bf16"), {LoadMode::kMap, {}}, pool);
    const std::uint64_t plain = packedBytes(*mapped, {});
    WeightOptions options = reading(WeightFormat::kStored);
    options.formats.compactFrom = plain / 2;
    CHECK(packedBytes(*mapped, options.formats) < plain * 9 / 10);
    const auto read = openWeights(golden("tiny-bf16"), options, pool);
    CHECK(read->memoryBytes() < mapped->memoryBytes());
    CHECK(requireSameWeights(*mapped, *read)[kernels::DType::kCompactBF16] > 10);
    CHECK(relativeError(logitsOf(read, pool), logitsOf(mapped, pool)) < 1e-5);
}

TEST_CASE("a tensor whose numbers are of too many orders stays as it is among compact ones") {
    const test::Folder folder;
    std::filesystem::copy(golden("tiny-bf16"), folder.path(), std::filesystem::copy_options::recursive);
    const std::string name = "lm_head.weight";
    std::string bytes;
    for (int i = 0; i < 4000; ++i) {  // 2^-60 .. 2^60 in turn
        const int bits = (127 + i * 7 % 121 - 60) << 7;
        bytes += {static_cast<char>(bits & 255), static_cast<char>(bits >> 8)};
    }
    test::damage(*Checkpoint::open(folder.path()), name, 0, bytes);
    kernels::ThreadPool pool(2);
    WeightOptions options = reading(WeightFormat::kStored);
    options.formats.compactFrom = 0;
    const auto mapped = openWeights(folder.path(), {LoadMode::kMap, {}}, pool);
    const auto read = openWeights(folder.path(), options, pool);
    CHECK(read->matrix(name).dtype == kernels::DType::kBF16);
    CHECK(read->matrix(name).layout == kernels::Layout::kPanels);
    CHECK(requireSameWeights(*mapped, *read)[kernels::DType::kCompactBF16] > 10);
}

TEST_CASE("quantised weights stay close to the stored ones") {
    kernels::ThreadPool pool(2);
    for (const char* name : {"tiny-bf16", "tiny-fp8"}) {
        const auto stored = openWeights(golden(name), reading(WeightFormat::kStored), pool);
        const std::vector<float> logits = logitsOf(stored, pool);
        for (const auto& [format, most] :
             {std::pair{WeightFormat::kInt8, 0.008}, {WeightFormat::kFp8, 0.035}, {WeightFormat::kInt4, 0.12}}) {
            const auto quantised = openWeights(golden(name), reading(format), pool);
            std::int64_t changed = 0;
            for (const TensorSpec& spec : stored->registry()) {
                if (spec.shape.size() < 2 || stored->find(spec.name) == nullptr) continue;
                const std::int64_t matrix = spec.shape.size() == 3 ? spec.shape[0] - 1 : 0;
                const kernels::WeightView a = stored->matrix(spec.name, matrix);
                const kernels::WeightView b = quantised->matrix(spec.name, matrix);
                if (a.dtype == b.dtype) continue;
                ++changed;
                std::vector<float> expected(static_cast<std::size_t>(a.n * a.k));
                std::vector<float> found(expected.size());
                for (std::int64_t row = 0; row < a.n; ++row) {
                    kernels::widenRow(a, row, expected.data() + row * a.k);
                    kernels::widenRow(b, row, found.data() + row * a.k);
                }
                INFO(name << " " << spec.name << " format " << static_cast<int>(format));
                CHECK(relativeError(found, expected) < most);
            }
            if (format == WeightFormat::kInt4) CHECK(quantised->memoryBytes() < stored->memoryBytes());
            CHECK((changed > 10) == (format != WeightFormat::kFp8 || !stored->config().blockFp8));
            // The tiny models magnify: a token near the border between two experts gets another one.
            if (format == WeightFormat::kInt8) CHECK(relativeError(logitsOf(quantised, pool), logits) < 0.25);
        }
    }
}

TEST_CASE("formats can be chosen by part") {
    kernels::ThreadPool pool(1);
    WeightOptions options{LoadMode::kRead, {}};
    options.formats.experts = WeightFormat::kInt4;
    options.formats.head = WeightFormat::kInt8;
    const auto read = openWeights(golden("tiny-bf16"), options, pool);
    const auto typeOf = [&](const char* name) { return read->matrix(name).dtype; };
    const auto moe = std::find(read->config().text.isMoeLayer.begin(), read->config().text.isMoeLayer.end(), true) -
                     read->config().text.isMoeLayer.begin();
    const std::string layer = "model.layers." + std::to_string(moe) + ".";
    CHECK(typeOf((layer + "moe.up_proj.weight").c_str()) == kernels::DType::kInt4Group);
    CHECK(typeOf((layer + "share_expert.up_proj.weight").c_str()) == kernels::DType::kBF16);
    CHECK(typeOf((layer + "moe.gate.weight").c_str()) == kernels::DType::kBF16);
    CHECK(typeOf("lm_head.weight") == kernels::DType::kInt8Group);
    CHECK(typeOf("model.embed_tokens.weight") == kernels::DType::kBF16);
    CHECK(read->matrix("model.embed_tokens.weight").layout == kernels::Layout::kRows);
    const auto mapped = Checkpoint::open(golden("tiny-bf16"));
    CHECK(packedBytes(*mapped, options.formats) < packedBytes(*mapped, {}));
}

TEST_CASE("the load mode follows the memory, and what cannot work is refused with figures") {
    constexpr std::uint64_t kMiB = 1ULL << 20U;
    const WeightFormats int8 = WeightFormats::all(WeightFormat::kInt8);
    const auto needs = [](std::uint64_t all, std::uint64_t everyToken) {
        return LoadNeeds{all * kMiB, everyToken * kMiB, 10 * kMiB, (all - everyToken) / 10, 3};
    };
    const auto plan = [](LoadMode mode, const WeightFormats& formats, const LoadNeeds& needed,
                         std::uint64_t expertMemory = 0) {
        return planLoad({mode, formats, expertMemory}, needed, 1000 * kMiB);
    };
    CHECK(plan(LoadMode::kAuto, {}, needs(700, 100)).mode == LoadMode::kRead);
    CHECK(plan(LoadMode::kMap, {}, needs(700, 100)).mode == LoadMode::kMap);
    CHECK(plan(LoadMode::kMap, {}, needs(9000, 5000)).mode == LoadMode::kMap);
    CHECK(plan(LoadMode::kRead, int8, needs(700, 100)).mode == LoadMode::kRead);
    CHECK_THROWS_WITH(plan(LoadMode::kRead, {}, needs(900, 100)),
                      Catch::Contains("expected at most 875 MiB") && Catch::Contains("found 900 MiB"));
    CHECK_THROWS_AS(plan(LoadMode::kMap, int8, needs(700, 100)), Error);

    // Experts move to disk when not all fit: two thirds of what the rest leaves are for them.
    for (const WeightFormats& formats : {WeightFormats{}, int8}) {
        const LoadPlan offload = plan(LoadMode::kAuto, formats, needs(900, 125));
        CHECK(offload.mode == LoadMode::kOffload);
        CHECK(offload.expertMemory == 500 * kMiB);
    }
    CHECK(plan(LoadMode::kAuto, {}, needs(900, 840)).expertMemory == 30 * kMiB);      // what a token picks in a layer
    CHECK(plan(LoadMode::kOffload, {}, needs(200, 100)).expertMemory == 100 * kMiB);  // all there are
    const LoadPlan asked = plan(LoadMode::kAuto, {}, needs(700, 100), 60 * kMiB);
    CHECK(asked.mode == LoadMode::kOffload);
    CHECK(asked.expertMemory == 60 * kMiB);
    CHECK_THROWS_WITH(plan(LoadMode::kAuto, {}, needs(9000, 850)),
                      Catch::Contains("850 MiB that every token reads and 30 MiB for experts, of 9000 MiB in all"));
    CHECK_THROWS_WITH(plan(LoadMode::kOffload, {}, needs(9000, 100), 800 * kMiB),
                      Catch::Contains("800 MiB for experts"));
    CHECK_THROWS_WITH(plan(LoadMode::kOffload, {}, needs(900, 100), 20 * kMiB),
                      Catch::Contains("the 3 that a token picks in a layer, found 20971520"));
    CHECK_THROWS_AS(plan(LoadMode::kRead, {}, needs(700, 100), 60 * kMiB), Error);
    CHECK_THROWS_AS(plan(LoadMode::kMap, {}, needs(700, 100), 60 * kMiB), Error);
    CHECK_THROWS_WITH(plan(LoadMode::kAuto, {}, LoadNeeds{900 * kMiB, 900 * kMiB}), Catch::Contains("found 900 MiB"));
    CHECK_THROWS_WITH(plan(LoadMode::kOffload, {}, LoadNeeds{700 * kMiB, 700 * kMiB}), Catch::Contains("found none"));
}

TEST_CASE("names of formats and modes") {
    CHECK(parseWeightFormat("bf16") == WeightFormat::kStored);
    CHECK(parseWeightFormat("fp8") == WeightFormat::kFp8);
    CHECK(parseWeightFormat("int8") == WeightFormat::kInt8);
    CHECK(parseWeightFormat("int4") == WeightFormat::kInt4);
    CHECK_FALSE(parseWeightFormat("q4").has_value());
    CHECK(parseLoadMode("auto") == LoadMode::kAuto);
    CHECK(parseLoadMode("read") == LoadMode::kRead);
    CHECK(parseLoadMode("offload") == LoadMode::kOffload);
    CHECK(parseLoadMode("mmap") == LoadMode::kMap);
    CHECK_FALSE(parseLoadMode("").has_value());
}

TEST_CASE("reading weights reports progress and can be cancelled") {
    kernels::ThreadPool pool(2);
    double last = 0;
    openWeights(golden("tiny-bf16"), reading(WeightFormat::kStored), pool, [&](const OpenProgress& done) {
        const double fraction = static_cast<double>(done.bytesDone) / static_cast<double>(done.bytesTotal);
        CHECK(fraction >= last);
        last = fraction;
    });
    CHECK(last == 1.0);

    std::stop_source source;
    const auto mapped = Checkpoint::open(golden("tiny-bf16"));
    const auto cancelAtOnce = [&](const OpenProgress&) { source.request_stop(); };
    CHECK_THROWS_AS(readWeights(mapped, {}, pool, kernels::activeKernels(), 0, cancelAtOnce, source.get_token()),
                    Error);

    ::setenv("STEP3_LOAD", "sometimes", 1);
    CHECK_THROWS_WITH(openWeights(golden("tiny-bf16"), {}, pool), Catch::Contains("found sometimes"));
    ::unsetenv("STEP3_LOAD");
}
