// Sequences of a pipeline on the golden checkpoint: what they keep and what they forget.

#include <filesystem>
#include <numeric>

#include <catch2/catch.hpp>

#include "engine/afd/pipeline.h"
#include "engine/model/weights.h"

using namespace step3;

namespace {

std::vector<std::int32_t> someIds(std::size_t count, std::int32_t seed) {
    std::vector<std::int32_t> ids(count);
    for (std::size_t i = 0; i < count; ++i) ids[i] = static_cast<std::int32_t>((i * 37 + i * i * 5) % 199) + seed;
    return ids;
}

struct Machine {
    Machine()
        : pipeline(afd::Pipeline::createCpu(
              model::openWeights(std::filesystem::path(STEP3_TEST_DATA) / "golden/tiny-fp8", {}, pool), pool)) {}

    std::vector<float> feed(afd::Sequence& sequence, std::span<const std::int32_t> ids) {
        const afd::StepEntry entry{&sequence, ids, {}, true};
        return pipeline->step({&entry, 1});
    }

    kernels::ThreadPool pool{2};
    std::unique_ptr<afd::Pipeline> pipeline;
};

}  // namespace

TEST_CASE("a pipeline counts what its link carries and its experts get") {
    Machine machine;
    const auto sequence = machine.pipeline->newSequence({});
    CHECK(machine.pipeline->stats().toFfnBytes == 0);
    machine.feed(*sequence, someIds(5, 0));
    const afd::PipelineStats one = machine.pipeline->stats();
    machine.feed(*sequence, someIds(10, 0));
    const afd::PipelineStats two = machine.pipeline->stats();
    CHECK(one.tokens == 5);
    CHECK(one.toAttentionBytes > 0);
    CHECK(one.toFfnBytes > one.toAttentionBytes);  // the router's choice goes along
    CHECK(two.toFfnBytes == 3 * one.toFfnBytes);
    CHECK(two.toAttentionBytes == 3 * one.toAttentionBytes);
    const auto all = [](const afd::PipelineStats& stats) {
        return std::accumulate(stats.expertTokens.begin(), stats.expertTokens.end(), std::uint64_t{0});
    };
    CHECK(all(one) > 0);
    CHECK(all(two) == 3 * all(one));
    CHECK(two.lmHeadSeconds > 0);
    CHECK(two.lmHeadSeconds <= two.attentionSeconds);
    CHECK(two.receiveSeconds <= two.linkSeconds);
    CHECK(two.microBatchesInFlight == 0);
}

TEST_CASE("a truncated sequence goes on as if the forgotten tokens had never been") {
    Machine machine;
    const auto first = someIds(130, 0);
    const auto refused = someIds(9, 20);
    const auto second = someIds(11, 40);
    for (const std::size_t kept : {0, 1, 63, 64, 65, 128, 129, 130}) {
        CAPTURE(kept);
        const auto plain = machine.pipeline->newSequence({});
        const auto cut = machine.pipeline->newSequence({});
        if (kept > 0) machine.feed(*plain, std::span(first).first(kept));
        machine.feed(*cut, first);
        machine.feed(*cut, refused);
        cut->truncate(static_cast<std::int64_t>(kept));
        CHECK(cut->length() == static_cast<std::int64_t>(kept));
        CHECK(cut->kvBytes() == plain->kvBytes());
        CHECK(machine.feed(*cut, second) == machine.feed(*plain, second));
        CHECK(cut->length() == plain->length());
    }
}
