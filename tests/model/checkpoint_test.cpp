#include "engine/model/checkpoint.h"

#include <cmath>
#include <cstring>

#include <catch2/catch.hpp>

#include "engine/error.h"
#include "kernels/cpu/convert.h"
#include "tests/model/tiny_checkpoint.h"

using namespace step3;
using test::Folder;
using test::TinyCheckpoint;

namespace {

std::string bytesOf(const std::vector<float>& values) {
    std::string bytes(values.size() * 4, '\0');
    std::memcpy(bytes.data(), values.data(), bytes.size());
    return bytes;
}

}  // namespace

TEST_CASE("a checkpoint in one file gives every tensor of the registry") {
    const Folder folder;
    TinyCheckpoint tiny;
    tiny.tensor("model.norm.weight").bytes = bytesOf({0, 1, 2, 3, 4, 5});
    tiny.tensors.push_back({"extra.that.nobody.needs", "F64", {1}, std::string(8, 'x')});
    tiny.write(folder);
    std::vector<model::OpenProgress> progress;
    const auto checkpoint = model::Checkpoint::open(folder.path(), [&](const auto& p) { progress.push_back(p); });
    CHECK(checkpoint->folder() == folder.path());
    CHECK(checkpoint->config().text.numExperts == 3);
    for (const auto& spec : checkpoint->registry()) {
        INFO(spec.name);
        const model::Tensor* tensor = checkpoint->find(spec.name);
        REQUIRE(tensor != nullptr);
        CHECK(tensor->shape == spec.shape);
    }
    CHECK(checkpoint->floats("model.norm.weight") == std::vector<float>{0, 1, 2, 3, 4, 5});
    CHECK(checkpoint->find("extra.that.nobody.needs") == nullptr);
    CHECK_THROWS_WITH(checkpoint->get("none"),
                      folder.path().string() + ": tensor none: expected it in the checkpoint, found no such tensor");
    REQUIRE(progress.size() == checkpoint->registry().size());
    for (std::size_t i = 1; i < progress.size(); ++i) CHECK(progress[i].bytesDone >= progress[i - 1].bytesDone);
    CHECK(progress.back().bytesDone == progress.back().bytesTotal);
}

TEST_CASE("a checkpoint in shards is the same as in one file") {
    const Folder one;
    const Folder two;
    const TinyCheckpoint tiny(true);
    tiny.write(one);
    tiny.writeShards(two, [](Json&) {});
    const auto a = model::Checkpoint::open(one.path());
    const auto b = model::Checkpoint::open(two.path());
    for (const auto& spec : a->registry()) {
        INFO(spec.name);
        const model::Tensor& x = a->get(spec.name);
        const model::Tensor& y = b->get(spec.name);
        CHECK(x.dtype == y.dtype);
        REQUIRE(x.byteSize == y.byteSize);
        CHECK(std::memcmp(x.data, y.data, x.byteSize) == 0);
    }
}

TEST_CASE("a matrix of one expert starts at its own weights and scales") {
    const Folder folder;
    TinyCheckpoint tiny(true);
    const std::string name = "model.layers.1.moe.gate_proj.weight";  // [3, 3, 6] in blocks of 4 by 4
    std::string& codes = tiny.tensor(name).bytes;
    for (std::size_t i = 0; i < codes.size(); ++i) codes[i] = static_cast<char>(i);
    tiny.tensor(name + "_scale_inv").bytes = bytesOf({1, 2, 3, 4, 5, 6});  // [3, 1, 2]
    tiny.write(folder);
    const auto checkpoint = model::Checkpoint::open(folder.path());
    const kernels::WeightView view = checkpoint->matrix(name, 2);
    CHECK(view.n == 3);
    CHECK(view.k == 6);
    CHECK(view.blockN == 4);
    CHECK(view.scaleStride == 2);
    std::vector<float> row(6);
    kernels::widenRow(view, 1, row.data());
    for (std::size_t i = 0; i < 6; ++i)
        CHECK(row[i] == kernels::e4m3ToFloat(static_cast<std::uint8_t>(2 * 18 + 6 + i)) * (i < 4 ? 5.0F : 6.0F));
}

TEST_CASE("norms may be stored in any float format") {
    struct Format {
        const char* dtype;
        std::string one;  // 1.0 and -0.5, little-endian
        std::string minusHalf;
    };
    for (const Format& format :
         {Format{"F32", {"\0\0\x80\x3F", 4}, {"\0\0\0\xBF", 4}}, Format{"BF16", {"\x80\x3F", 2}, {"\0\xBF", 2}},
          Format{"F16", {"\0\x3C", 2}, {"\0\xB8", 2}}}) {
        INFO(format.dtype);
        const Folder folder;
        TinyCheckpoint tiny;
        auto& norm = tiny.tensor("model.norm.weight");
        norm.dtype = format.dtype;
        norm.bytes = format.one + format.minusHalf + format.one + format.one + format.one + format.minusHalf;
        tiny.write(folder);
        CHECK(model::Checkpoint::open(folder.path())->floats("model.norm.weight") ==
              std::vector<float>{1, -0.5F, 1, 1, 1, -0.5F});
    }
}

TEST_CASE("16-bit floats widen exactly, subnormal and special ones too") {
    const Folder folder;
    TinyCheckpoint tiny;
    auto& norm = tiny.tensor("model.norm.weight");
    norm.dtype = "F16";
    const std::uint16_t codes[] = {0x0001, 0x83FF, 0x0400, 0x7BFF, 0x8000, 0x7C00};
    norm.bytes.assign(reinterpret_cast<const char*>(codes), sizeof codes);
    tiny.write(folder);
    const auto values = model::Checkpoint::open(folder.path())->floats("model.norm.weight");
    REQUIRE(values.size() == 6);
    for (std::size_t i = 0; i < 6; ++i) CHECK(values[i] == kernels::f16ToFloat(codes[i]));
    CHECK(std::signbit(values[4]));
}

TEST_CASE("data that is not aligned in the file is read all the same") {
    const Folder folder;
    TinyCheckpoint tiny;
    tiny.tensors.insert(tiny.tensors.begin(), {"pad", "U8", {1}, "x"});
    tiny.tensor("model.norm.weight").bytes = bytesOf({6, 5, 4, 3, 2, 1});
    tiny.write(folder);
    const auto checkpoint = model::Checkpoint::open(folder.path());
    CHECK(checkpoint->floats("model.norm.weight") == std::vector<float>{6, 5, 4, 3, 2, 1});
    for (const auto& spec : checkpoint->registry())
        CHECK(reinterpret_cast<std::uintptr_t>(checkpoint->get(spec.name).data) % 4 == 0);
}

TEST_CASE("nested names of the original classes are understood") {
    const Folder folder;
    TinyCheckpoint tiny;
    for (auto& tensor : tiny.tensors) {
        if (tensor.name.starts_with("model.")) tensor.name = "model.language_model." + tensor.name.substr(6);
        if (tensor.name == "lm_head.weight") tensor.name = "model.lm_head.weight";
    }
    tiny.write(folder);
    const auto checkpoint = model::Checkpoint::open(folder.path());
    CHECK(checkpoint->find("model.layers.0.mlp.up_proj.weight") != nullptr);
    CHECK(checkpoint->find("lm_head.weight") != nullptr);
}

TEST_CASE("opening stops when it is asked to") {
    const Folder folder;
    TinyCheckpoint().write(folder);
    std::stop_source stop;
    int calls = 0;
    try {
        static_cast<void>(model::Checkpoint::open(
            folder.path(),
            [&](const auto&) {
                if (++calls == 3) stop.request_stop();
            },
            stop.get_token()));
        FAIL("it went on");
    } catch (const Error& error) {
        CHECK(error.code() == ErrorCode::kCancelled);
        CHECK(calls == 3);
    }
}

TEST_CASE("the golden checkpoints open, with their pictures") {
    for (const std::string name : {"tiny-bf16", "tiny-fp8"}) {
        const auto checkpoint = model::Checkpoint::open(std::string(STEP3_TEST_DATA) + "/golden/" + name);
        REQUIRE(checkpoint->config().vision);
        CHECK(checkpoint->config().blockFp8 == (name == "tiny-fp8"));
        CHECK(checkpoint->find("vit_large_projector.bias") == nullptr);  // optional and absent
        for (const auto& spec : checkpoint->registry())
            if (!spec.optional) CHECK(checkpoint->find(spec.name) != nullptr);
    }
}
