// Quantised checkpoints on disk: the same weights as those quantised on loading, resumed runs, refusals.

#include "engine/model/quantize.h"

#include <cmath>
#include <fstream>
#include <iterator>
#include <map>
#include <set>

#include <catch2/catch.hpp>

#include "engine/afd/pipeline.h"
#include "engine/error.h"
#include "engine/model/load_plan.h"
#include "engine/model/summary.h"
#include "engine/model/weights.h"
#include "kernels/cpu/convert.h"
#include "tests/model/tiny_checkpoint.h"

using namespace step3;
using namespace step3::model;
using test::Folder;
using test::TinyCheckpoint;

namespace {

namespace fs = std::filesystem;

fs::path golden(const std::string& name) {
    return fs::path(STEP3_TEST_DATA) / "golden" / name;
}

std::map<std::string, std::string> filesOf(const fs::path& folder) {
    std::map<std::string, std::string> files;
    for (const auto& item : fs::directory_iterator(folder)) {
        std::ifstream stream(item.path(), std::ios::binary);
        files[item.path().filename().string()] = {std::istreambuf_iterator<char>(stream), {}};
    }
    return files;
}

std::vector<float> logitsOf(const fs::path& folder, const WeightOptions& options, kernels::ThreadPool& pool) {
    const auto checkpoint = openWeights(folder, options, pool);
    const auto pipeline = afd::Pipeline::createCpu(checkpoint, pool);
    const auto sequence = pipeline->newSequence({});
    std::vector<std::int32_t> ids(40);
    for (std::size_t i = 0; i < ids.size(); ++i) ids[i] = static_cast<std::int32_t>(i * 37 % 200);
    const afd::StepEntry entry{sequence.get(), ids, {}, true};
    return pipeline->step({&entry, 1});
}

double meanDivergence(const std::vector<float>& found, const std::vector<float>& expected, std::size_t vocabulary) {
    double sum = 0;
    for (std::size_t row = 0; row < found.size(); row += vocabulary) {
        double ours = 0;
        double theirs = 0;
        for (std::size_t i = row; i < row + vocabulary; ++i) {
            ours += std::exp(static_cast<double>(found[i]));
            theirs += std::exp(static_cast<double>(expected[i]));
        }
        for (std::size_t i = row; i < row + vocabulary; ++i) {
            const double p = std::exp(static_cast<double>(expected[i])) / theirs;
            sum += p * (static_cast<double>(expected[i]) - found[i] + std::log(ours) - std::log(theirs));
        }
    }
    return sum / static_cast<double>(found.size() / vocabulary);
}

QuantizeOptions options(const fs::path& source, const fs::path& target, const WeightFormats& formats) {
    QuantizeOptions options;
    options.source = source;
    options.target = target;
    options.groups.formats = formats;
    return options;
}

std::string refusal(const QuantizeOptions& options, ErrorCode code) {
    kernels::ThreadPool pool(1);
    try {
        quantizeCheckpoint(options, pool);
    } catch (const Error& error) {
        CHECK(error.code() == code);
        return error.what();
    }
    return "no error";
}

}  // namespace

TEST_CASE("a quantised checkpoint gives the logits of one quantised on loading, bit by bit") {
    kernels::ThreadPool pool(2);
    struct Bound {
        const char* model;
        const char* format;
        double divergence;  // nats a token; the tiny models magnify: many tokens are near the border of two experts
    };
    for (const auto& [name, format, most] :
         {Bound{"tiny-bf16", "int8", 0.02}, Bound{"tiny-bf16", "mixed", 0.25}, Bound{"tiny-bf16", "int4", 1.0},
          Bound{"tiny-fp8", "int8", 0.11}, Bound{"tiny-fp8", "mixed", 0.3}, Bound{"tiny-fp8", "int4", 2.6}}) {
        const auto stored = logitsOf(golden(name), {LoadMode::kRead, {}}, pool);
        const auto vocabulary = static_cast<std::size_t>(loadModelConfig(golden(name)).text.vocabSize);
        INFO(name << " " << format);
        const Folder folder;
        const WeightFormats formats = *parseWeightFormats(format);
        const QuantizeReport report = quantizeCheckpoint(options(golden(name), folder / "out", formats), pool, {});
        const auto onDisk = Checkpoint::open(folder / "out");
        const auto source = Checkpoint::open(golden(name));
        CHECK(report.files == 1);
        CHECK(report.sourceBytes == summarize(*source).bytesTotal);
        CHECK(report.targetBytes >= summarize(*onDisk).bytesTotal);
        REQUIRE(onDisk->config().groups);
        CHECK(onDisk->config().groups->formats == formats);
        CHECK(packedBytes(*onDisk, {}) == packedBytes(*source, formats));
        for (const TensorSpec& spec : onDisk->registry()) {
            const Tensor* tensor = onDisk->find(spec.name);
            if (tensor == nullptr) continue;
            const WeightFormat wanted = formatOf(spec, formats);
            CHECK((tensor->dtype == kernels::DType::kInt8Group) == (wanted == WeightFormat::kInt8));
            CHECK((tensor->dtype == kernels::DType::kInt4Group) == (wanted == WeightFormat::kInt4));
        }
        const auto direct = logitsOf(folder / "out", {LoadMode::kRead, {}}, pool);
        CHECK(direct == logitsOf(golden(name), {LoadMode::kRead, formats}, pool));
        CHECK(meanDivergence(direct, stored, vocabulary) < most);
        // Mapped, activations are not rounded.
        CHECK(meanDivergence(logitsOf(folder / "out", {LoadMode::kMap, {}}, pool), stored, vocabulary) < most);
    }
}

TEST_CASE("a part stays as stored, block FP8 with its scales, and longer groups take less") {
    kernels::ThreadPool pool(1);
    const Folder folder;
    std::uint64_t before = UINT64_MAX;
    for (const std::int64_t group : {32, 64, 128}) {
        const fs::path target = folder / std::to_string(group);
        QuantizeOptions wanted =
            options(golden("tiny-fp8"), target, {WeightFormat::kInt4, WeightFormat::kStored, WeightFormat::kInt8});
        wanted.groups.groupSize = group;
        const QuantizeReport report = quantizeCheckpoint(wanted, pool);
        CHECK(report.targetBytes < before);
        before = report.targetBytes;
        const auto made = Checkpoint::open(target);
        const auto source = Checkpoint::open(golden("tiny-fp8"));
        const std::string name = "model.layers.0.self_attn.o_proj.weight";
        CHECK(made->matrix(name).dtype == kernels::DType::kE4M3);
        std::vector<float> expected(static_cast<std::size_t>(source->matrix(name).k));
        std::vector<float> found(expected.size());
        kernels::widenRow(source->matrix(name), 130, expected.data());
        kernels::widenRow(made->matrix(name), 130, found.data());
        CHECK(found == expected);
        const auto logits = logitsOf(target, {LoadMode::kRead, {}}, pool);
        CHECK(std::all_of(logits.begin(), logits.end(), [](float value) { return std::isfinite(value); }));
    }
}

TEST_CASE("an interrupted run goes on, finished files are kept, and the result is the same") {
    kernels::ThreadPool pool(2);
    const Folder folder;
    QuantizeOptions wanted = options(golden("tiny-bf16"), folder / "whole", WeightFormats::mixed());
    wanted.shardBytes = 300'000;
    const QuantizeReport whole = quantizeCheckpoint(wanted, pool);
    REQUIRE(whole.files > 4);
    CHECK(whole.filesKept == 0);
    const auto expected = filesOf(folder / "whole");
    CHECK(expected.contains("tokenizer.json"));
    CHECK(expected.contains("preprocessor_config.json"));
    CHECK(expected.size() == static_cast<std::size_t>(whole.files) + 7);  // and index, quantize.json, five more

    // Stopped at every piece in turn, until it comes through.
    wanted.target = folder / "again";
    int runs = 0;
    QuantizeReport last;
    for (bool done = false; !done;) {
        std::stop_source stop;
        const int most = ++runs * 3;
        int pieces = 0;
        REQUIRE(runs < 200);
        try {
            last = quantizeCheckpoint(
                wanted, pool,
                [&](const QuantizeProgress& progress) {
                    CHECK(progress.bytesDone <= progress.bytesTotal);
                    if (++pieces == most) stop.request_stop();
                },
                stop.get_token());
            done = true;
        } catch (const Error& error) {
            REQUIRE(error.code() == ErrorCode::kCancelled);
            CHECK_FALSE(fs::exists(folder / "again" / "model.safetensors.index.json"));
            CHECK_FALSE(fs::exists(folder / "again" / "config.json"));
        }
    }
    CHECK(runs > 3);
    CHECK(last.filesKept > 0);
    CHECK(filesOf(folder / "again") == expected);
}

TEST_CASE("what a killed run left is checked, not believed") {
    kernels::ThreadPool pool(1);
    const Folder folder;
    QuantizeOptions wanted = options(golden("tiny-bf16"), folder / "out", WeightFormats::all(WeightFormat::kInt8));
    wanted.shardBytes = 300'000;
    quantizeCheckpoint(wanted, pool);
    const auto expected = filesOf(folder / "out");
    // As if it had been killed: the index is not there, files are damaged.
    fs::remove(folder / "out" / "model.safetensors.index.json");
    std::vector<std::string> shards;
    for (const auto& [name, bytes] : expected)
        if (name.starts_with("model-")) shards.push_back(name);
    REQUIRE(shards.size() > 3);
    fs::resize_file(folder / "out" / shards[0], expected.at(shards[0]).size() - 1);
    fs::remove(folder / "out" / shards[1]);
    std::string header = expected.at(shards[2]);
    header[20] ^= 1;
    std::ofstream(folder / "out" / shards[2], std::ios::binary) << header;
    std::ofstream(folder / "out" / (shards[1] + ".unfinished")) << "half";
    const QuantizeReport report = quantizeCheckpoint(wanted, pool);
    CHECK(report.filesKept == report.files - 3);
    CHECK(filesOf(folder / "out") == expected);
    CHECK(quantizeCheckpoint(wanted, pool).filesKept == report.files);
}

TEST_CASE("quantising refuses what cannot go well") {
    const Folder folder;
    const WeightFormats int8 = WeightFormats::all(WeightFormat::kInt8);
    TinyCheckpoint tiny;
    const auto writeTiny = [&](const TinyCheckpoint& checkpoint, const std::string& name) {
        const Folder made;
        checkpoint.write(made);
        fs::copy(made.path(), folder / name, fs::copy_options::recursive | fs::copy_options::overwrite_existing);
        return folder / name;
    };
    const fs::path source = writeTiny(tiny, "source");
    const auto inFolder = [&](const std::string& message) { return folder.without(message); };
    CHECK(inFolder(refusal(options(source, source, int8), ErrorCode::kInvalidArgument)) ==
          "DIR/source: expected a folder outside the source DIR/source");
    CHECK(inFolder(refusal(options(source, source / "deep" / "er", int8), ErrorCode::kInvalidArgument)) ==
          "DIR/source/deep/er: expected a folder outside the source DIR/source");
    fs::create_directory(folder / "full");
    folder.write("full/letter.txt", "dear");
    CHECK(inFolder(refusal(options(source, folder / "full", int8), ErrorCode::kInvalidArgument)) ==
          "DIR/full: expected an empty folder, found 1 file, letter.txt for one");
    CHECK(inFolder(refusal(options(source, folder / "full" / "letter.txt", int8), ErrorCode::kIo)) ==
          "DIR/full/letter.txt: expected a folder or a place for one, found a file");

    // Begun in one way, gone on with in another.
    kernels::ThreadPool pool(1);
    std::stop_source stop;
    QuantizeOptions begun = options(source, folder / "begun", int8);
    CHECK_THROWS(quantizeCheckpoint(
        begun, pool, [&](const QuantizeProgress&) { stop.request_stop(); }, stop.get_token()));
    begun.groups.groupSize = 64;
    CHECK_THAT(
        inFolder(refusal(begun, ErrorCode::kInvalidArgument)),
        Catch::StartsWith("DIR/begun: expected what the same command left, found a quantisation of another source"));

    // A quantised one again; weights that are no numbers.
    CHECK(inFolder(refusal(options(writeTiny(TinyCheckpoint::inGroups(), "groups"), folder / "b", int8),
                           ErrorCode::kInvalidArgument)) ==
          "DIR/groups/config.json: expected a checkpoint that is not quantised in groups, found quant_method "
          "step3_groups");
    tiny.tensor("model.layers.1.moe.up_proj.weight").bytes.replace(4 * (2 * 18 + 6), 4, std::string("\0\0\x80\x7F", 4));
    CHECK(inFolder(refusal(options(writeTiny(tiny, "bad"), folder / "c", int8), ErrorCode::kInvalidData)) ==
          "DIR/bad/model.safetensors: tensor model.layers.1.moe.up_proj.weight: expected finite weights, found others "
          "in row 1 of expert 2");
    CHECK_FALSE(fs::exists(folder / "c" / "config.json"));
    for (const WeightFormat format : {WeightFormat::kInt8, WeightFormat::kInt4, WeightFormat::kFp8}) {
        CHECK_THROWS_WITH(openWeights(folder / "bad", {LoadMode::kRead, WeightFormats::all(format)}, pool),
                          Catch::EndsWith("bad/model.safetensors: tensor model.layers.1.moe.up_proj.weight: expected "
                                          "finite weights, found others in row 1 of expert 2"));
    }
    CHECK_THROWS_WITH(requireDiskSpace("/data/out", 5ULL << 30U, (3ULL << 30U) + 7),
                      "/data/out: expected 5120 MiB free on its disk, found 3072 MiB");
    CHECK_NOTHROW(requireDiskSpace("/data/out", 5, 5));
}
