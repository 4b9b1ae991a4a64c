// Experts on disk: the same numbers as with all of them in memory, however few fit.

#include "engine/model/expert_cache.h"

#include <cstring>
#include <random>

#include <catch2/catch.hpp>

#include "engine/afd/pipeline.h"
#include "engine/error.h"
#include "engine/model/load_plan.h"
#include "engine/model/weights.h"
#include "kernels/cpu/convert.h"
#include "kernels/cpu/kernel_table.h"
#include "tests/model/tiny_checkpoint.h"

using namespace step3;
using namespace step3::model;
using step3::test::damage;

namespace {

namespace fs = std::filesystem;

fs::path golden(const char* name) {
    return fs::path(STEP3_TEST_DATA) / "golden" / name;
}

WeightOptions offloading(const fs::path& folder, const WeightFormats& formats, std::uint64_t experts) {
    const auto checkpoint = Checkpoint::open(folder);
    return {LoadMode::kOffload, formats, experts * loadNeeds(*checkpoint, formats).expert};
}

/// Logits of a prompt of several tokens and of some tokens one by one.
std::vector<float> logitsOf(const std::shared_ptr<const Checkpoint>& checkpoint, kernels::ThreadPool& pool) {
    const auto pipeline = afd::Pipeline::createCpu(checkpoint, pool);
    const auto sequence = pipeline->newSequence({});
    const auto vocab = static_cast<std::int32_t>(checkpoint->config().text.vocabSize);
    std::vector<float> all;
    std::int32_t next = 1;
    for (const std::size_t count : {19, 1, 1, 2, 1, 1, 1, 1}) {
        std::vector<std::int32_t> ids(count);
        for (std::int32_t& id : ids) id = next = (next * 37 + 11) % vocab;
        const afd::StepEntry entry{sequence.get(), ids, {}, true};
        const std::vector<float> logits = pipeline->step({&entry, 1});
        all.insert(all.end(), logits.begin(), logits.end());
    }
    return all;
}

}  // namespace

TEST_CASE("offloaded experts give the same logits, to the bit, in any amount of memory") {
    const WeightFormats formats[] = {
        {}, WeightFormats::all(WeightFormat::kFp8), WeightFormats::all(WeightFormat::kInt8), WeightFormats::mixed()};
    for (const int threads : {1, 2}) {
        kernels::ThreadPool pool(threads);
        for (const char* name : {"tiny-bf16", "tiny-fp8"}) {
            for (const WeightFormats& format : formats) {
                const auto read = openWeights(golden(name), {LoadMode::kRead, format}, pool);
                const std::vector<float> expected = logitsOf(read, pool);
                const std::uint64_t all = loadNeeds(*Checkpoint::open(golden(name)), format).experts;
                for (const std::uint64_t experts : {std::uint64_t{3}, std::uint64_t{5}, all}) {  // 3 of 8 a token
                    INFO(name << " format " << static_cast<int>(format.experts) << " experts " << experts);
                    const auto offloaded = openWeights(golden(name), offloading(golden(name), format, experts), pool);
                    REQUIRE(offloaded->expertCache() != nullptr);
                    CHECK(logitsOf(offloaded, pool) == expected);
                    const ExpertCacheStats stats = offloaded->expertCache()->stats();
                    CHECK(stats.places == experts);
                    CHECK(stats.used == experts);
                    CHECK(stats.bytesRead > 0);
                    if (experts == all) CHECK(stats.misses <= all);
                    if (experts == 3) CHECK(stats.misses > 2 * all);
                }
            }
        }
    }
}

TEST_CASE("experts in formats that cannot be packed are offloaded as they are") {
    kernels::ThreadPool pool(2);
    test::TinyCheckpoint models[] = {test::TinyCheckpoint(), test::TinyCheckpoint(true),
                                     test::TinyCheckpoint::inGroups()};
    for (test::TinyCheckpoint& model : models) {
        // Different weights, so that tokens pick different experts; the codes hold no NaN.
        std::mt19937 random(5);
        for (test::RawTensor& tensor : model.tensors) {
            if (tensor.name.ends_with("_scale") || tensor.name.ends_with("_scale_inv")) continue;
            for (std::size_t i = 0; i < tensor.bytes.size(); ++i) {
                const bool exponent = tensor.dtype == "F32" && i % 4 >= 2;
                if (!exponent) tensor.bytes[i] = static_cast<char>(random() & (tensor.dtype == "U8" ? 0xFFU : 0xBEU));
                if (tensor.dtype == "F32" && i % 4 == 3) tensor.bytes[i] = random() % 2 == 0 ? '\x3E' : '\xBE';
            }
        }
        const test::Folder folder;
        model.write(folder);
        const auto read = openWeights(folder.path(), {LoadMode::kRead, {}}, pool);
        const auto offloaded = openWeights(folder.path(), offloading(folder.path(), {}, 2), pool);
        CHECK(logitsOf(offloaded, pool) == logitsOf(read, pool));
        CHECK(offloaded->expertCache()->stats().misses > 3);
    }
}

TEST_CASE("an expert read in small pieces is the one that is packed whole") {
    kernels::ThreadPool pool(1);
    std::vector<std::byte> staging;
    for (const char* name : {"tiny-bf16", "tiny-fp8"}) {
        for (const WeightFormat format : {WeightFormat::kStored, WeightFormat::kFp8, WeightFormat::kInt4}) {
            const WeightFormats formats = WeightFormats::all(format);
            const auto read = openWeights(golden(name), {LoadMode::kRead, formats}, pool);
            const ExpertReader reader(Checkpoint::open(golden(name)), formats, kernels::activeKernels(), 1);
            std::vector<std::byte> memory(static_cast<std::size_t>(reader.layout().bytes) + 64);
            void* place = memory.data();
            std::size_t room = memory.size();
            auto* aligned =
                static_cast<std::byte*>(std::align(64, static_cast<std::size_t>(reader.layout().bytes), place, room));
            for (std::size_t layer = 0; layer < reader.layout().moeLayerOf.size(); ++layer) {
                const std::int64_t moe = reader.layout().moeLayerOf[layer];
                if (moe < 0) continue;
                CHECK(reader.pieces(moe) > 3);
                for (std::int64_t expert = 0; expert < reader.layout().experts; ++expert) {
                    for (std::int64_t piece = reader.pieces(moe); piece-- > 0;)
                        reader.read(moe, expert, piece, aligned, staging);
                    const kernels::FfnWeights weights = reader.layout().weights(moe, aligned);
                    const std::string prefix = "model.layers." + std::to_string(layer) + ".moe.";
                    for (const auto& [found, tensor] : {std::pair{weights.gate, "gate_proj.weight"},
                                                        {weights.up, "up_proj.weight"},
                                                        {weights.down, "down_proj.weight"}}) {
                        const kernels::WeightView expected = read->matrix(prefix + tensor, expert);
                        REQUIRE(found.n == expected.n);
                        REQUIRE(found.k == expected.k);
                        std::vector<float> a(static_cast<std::size_t>(found.k)), b(a.size());
                        for (std::int64_t row = 0; row < found.n; ++row) {
                            kernels::widenRow(expected, row, a.data());
                            kernels::widenRow(found, row, b.data());
                            REQUIRE(a == b);
                        }
                    }
                }
            }
        }
    }
}

TEST_CASE("a file that is damaged while the model runs fails the step with its name, and no other") {
    kernels::ThreadPool pool(2);
    const test::Folder folder;
    for (const auto& file : fs::directory_iterator(golden("tiny-fp8")))
        fs::copy_file(file.path(), folder / file.path().filename().string());
    const auto mapped = Checkpoint::open(folder.path());
    const auto offloaded = openWeights(folder.path(), offloading(folder.path(), {}, 3), pool);
    const std::vector<float> expected = logitsOf(offloaded, pool);
    const std::int64_t layer =
        std::find(mapped->config().text.isMoeLayer.begin(), mapped->config().text.isMoeLayer.end(), true) -
        mapped->config().text.isMoeLayer.begin();
    const std::string name = "model.layers." + std::to_string(layer) + ".moe.down_proj.weight";
    const std::string file = mapped->fileRange(name)->file.filename().string();

    const auto stored = static_cast<char>(mapped->get(name).data[5]);
    damage(*mapped, name, 5, "\x7F");
    CHECK_THROWS_WITH(logitsOf(offloaded, pool), Catch::Contains(file + ": tensor " + name) &&
                                                     Catch::Contains("expected finite F8_E4M3 codes, found NaN at 5"));
    damage(*mapped, name, 5, std::string(1, stored));
    CHECK(logitsOf(offloaded, pool) == expected);

    const std::string scales = name + "_scale_inv";
    const float scale = *mapped->get(name).scaleInv;
    const float infinite = std::numeric_limits<float>::infinity();
    damage(*mapped, scales, 0, std::string(reinterpret_cast<const char*>(&infinite), 4));
    CHECK_THROWS_WITH(logitsOf(offloaded, pool),
                      Catch::Contains(file + ": tensor " + scales) &&
                          Catch::Contains("expected finite scales of at least 0, found inf"));
    damage(*mapped, scales, 0, std::string(reinterpret_cast<const char*>(&scale), 4));
    CHECK(logitsOf(offloaded, pool) == expected);
}

TEST_CASE("a file that became shorter is an error that names it") {
    const test::Folder folder;
    test::TinyCheckpoint tiny;
    // Only what is read in pieces lies behind the cut: the rest is mapped.
    std::stable_partition(tiny.tensors.begin(), tiny.tensors.end(),
                          [](const test::RawTensor& t) { return t.name.find(".moe.down_proj") == std::string::npos; });
    tiny.write(folder);
    kernels::ThreadPool pool(2);
    const auto offloaded = openWeights(folder.path(), offloading(folder.path(), {}, 2), pool);
    const auto range = offloaded->expertCache() == nullptr
                           ? std::nullopt
                           : Checkpoint::open(folder.path())->fileRange("model.layers.1.moe.down_proj.weight");
    REQUIRE(range.has_value());
    fs::resize_file(range->file, range->begin + 8);
    CHECK_THROWS_WITH(
        logitsOf(offloaded, pool),
        Catch::Contains("model.safetensors: tensor model.layers.1.moe.down_proj.weight: expected to read") &&
            Catch::Contains("found the end of the file"));
}

TEST_CASE("the expert that is expected last goes first") {
    ExpertUse use(3, 4, 0.5);
    // Nothing is known of the experts: those of the layer just visited are needed last.
    use.visit(1, std::vector<std::int32_t>{});
    CHECK(use.distance(2, 0) < use.distance(0, 0));
    CHECK(use.distance(0, 0) < use.distance(1, 0));
    // What is picked often outweighs the order of the layers.
    for (int step = 0; step < 100; ++step) {
        for (std::int64_t layer = 0; layer < 3; ++layer) use.visit(layer, std::vector<std::int32_t>{2, 3});
    }
    CHECK(use.distance(2, 2) < use.distance(0, 0));
    CHECK(use.distance(1, 3) < use.distance(2, 3));
    // And what no longer is picked is forgotten.
    for (int step = 0; step < 200; ++step) use.visit(0, std::vector<std::int32_t>{0, 1});
    CHECK(use.distance(0, 0) < use.distance(0, 2));
}
