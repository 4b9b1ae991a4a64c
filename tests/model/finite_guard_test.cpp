// Weights that are NaN or infinite in checkpoints that nobody looked through: found when they are used or packed.

#include "engine/model/finite_guard.h"

#include <cmath>
#include <filesystem>

#include <catch2/catch.hpp>

#include "engine/afd/pipeline.h"
#include "engine/error.h"
#include "engine/model/weights.h"
#include "tests/model/tiny_checkpoint.h"

using namespace step3;
using namespace step3::model;
using step3::test::damage;

namespace {

namespace fs = std::filesystem;

std::vector<float> logitsOf(const std::shared_ptr<const Checkpoint>& checkpoint, kernels::ThreadPool& pool) {
    const auto pipeline = afd::Pipeline::createCpu(checkpoint, pool);
    const auto sequence = pipeline->newSequence({});
    std::vector<std::int32_t> ids(40);  // enough for every expert
    for (std::size_t i = 0; i < ids.size(); ++i) ids[i] = static_cast<std::int32_t>(i * 37 % 200);
    const afd::StepEntry entry{sequence.get(), ids, {}, true};
    return pipeline->step({&entry, 1});
}

struct Copy {
    test::Folder folder;
    explicit Copy(const char* name) {
        for (const auto& file : fs::directory_iterator(fs::path(STEP3_TEST_DATA) / "golden" / name))
            fs::copy_file(file.path(), folder / file.path().filename().string());
    }
};

const std::string kNanBf16 = "\xC0\x7F";

}  // namespace

TEST_CASE("a weight that is not finite fails the step that uses it, by name") {
    kernels::ThreadPool pool(2);

    for (const char* name :
         {"model.layers.2.self_attn.o_proj.weight", "model.layers.0.self_attn.q_proj.weight",
          "model.layers.3.moe.gate.weight", "model.layers.3.moe.up_proj.weight",
          "model.layers.3.share_expert.down_proj.weight", "model.layers.0.mlp.gate_proj.weight", "lm_head.weight"}) {
        for (const LoadMode mode : {LoadMode::kMap, LoadMode::kRead}) {
            const Copy copy("tiny-bf16");
            const auto stored = Checkpoint::open(copy.folder.path());
            if (stored->find(name) == nullptr) continue;
            INFO(name << " mode " << static_cast<int>(mode));
            damage(*stored, name, 20, kNanBf16);
            const auto checkpoint = openWeights(copy.folder.path(), {mode, {}}, pool);
            CHECK_THROWS_WITH(logitsOf(checkpoint, pool),
                              Catch::Contains(std::string("model.safetensors: tensor ") + name) &&
                                  Catch::Contains("expected finite numbers, found NaN at 10"));
        }
    }
}

TEST_CASE("codes and scales of large mapped checkpoints are found likewise") {
    kernels::ThreadPool pool(2);
    const Copy copy("tiny-fp8");
    const auto mapped = Checkpoint::open(copy.folder.path());  // sees what is written to the file later
    const std::string name = "model.layers.4.self_attn.o_proj.weight";
    const auto code = static_cast<char>(mapped->get(name).data[7]);
    CHECK(std::isfinite(logitsOf(mapped, pool).front()));
    damage(*mapped, name, 7, "\xFF");
    CHECK_THROWS_WITH(logitsOf(mapped, pool),
                      Catch::Contains(name + ": expected finite F8_E4M3 codes, found NaN at 7"));
    CHECK_THROWS_WITH(readWeights(mapped, {}, pool, kernels::activeKernels()),
                      Catch::Contains(name + ": expected finite F8_E4M3 codes, found NaN at 7"));
    damage(*mapped, name, 7, std::string(1, code));
    damage(*mapped, name + "_scale_inv", 0, std::string("\x00\x00\x80\x7F", 4));
    CHECK_THROWS_WITH(logitsOf(mapped, pool),
                      Catch::Contains(name + "_scale_inv: expected finite scales of at least 0"));
}

TEST_CASE("values that became too large from sound weights are no defect of the file") {
    const auto sound = Checkpoint::open(fs::path(STEP3_TEST_DATA) / "golden" / "tiny-bf16");
    FiniteGuard guard(sound, kernels::activeKernels());
    const std::vector<float> values{1.0F, std::numeric_limits<float>::infinity()};
    CHECK_NOTHROW(guard.check(values, 1));
    CHECK_NOTHROW(guard.check(values, FiniteGuard::kHead));
}
