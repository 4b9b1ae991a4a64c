// Sequences of a pipeline on the golden checkpoint: what they keep and what they forget.

#include <cmath>
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
    explicit Machine(const std::string& model = "tiny-fp8", attention::KvFormat format = attention::KvFormat::kBf16) {
        afd::CpuPipelineOptions options;
        options.kv.format = format;
        const auto folder = std::filesystem::path(STEP3_TEST_DATA) / "golden" / model;
        pipeline = afd::Pipeline::createCpu(model::openWeights(folder, {}, pool), pool, options);
    }

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

TEST_CASE("every KV format stays near float32 on the golden models") {
    // With random weights a small error can send a token to another expert, so single logits say little: the bounds are
    // about the mean Kullback-Leibler divergence of the next token's distribution, in nats, and twice what is measured.
    struct Bound {
        attention::KvFormat format;
        double bf16Model, fp8Model;
    };
    const Bound bounds[] = {{attention::KvFormat::kF32, 0, 0},
                            {attention::KvFormat::kBf16, 0.0012, 0.016},
                            {attention::KvFormat::kFp8, 0.08, 0.5},
                            {attention::KvFormat::kInt8, 0.01, 0.046},
                            {attention::KvFormat::kInt4, 0.5, 3.1}};
    const auto logProbabilities = [](std::span<const float> logits) {
        const double largest = *std::max_element(logits.begin(), logits.end());
        double sum = 0;
        for (const float x : logits) sum += std::exp(x - largest);
        std::vector<double> result;
        for (const float x : logits) result.push_back(x - largest - std::log(sum));
        return result;
    };
    for (const std::string model : {"tiny-bf16", "tiny-fp8"}) {
        constexpr std::size_t kTokens = 150;
        const auto ids = someIds(kTokens, 7);
        std::vector<float> exact;
        for (const Bound& bound : bounds) {
            CAPTURE(model, kernels::kvFormatName(bound.format));
            Machine machine(model, bound.format);
            const auto sequence = machine.pipeline->newSequence({});
            const std::vector<float> logits = machine.feed(*sequence, ids);
            if (exact.empty()) exact = logits;
            double divergence = 0;
            const std::size_t vocab = logits.size() / kTokens;
            for (std::size_t t = 0; t < kTokens; ++t) {
                const auto p = logProbabilities(std::span(exact).subspan(t * vocab, vocab));
                const auto q = logProbabilities(std::span(logits).subspan(t * vocab, vocab));
                for (std::size_t v = 0; v < vocab; ++v) divergence += std::exp(p[v]) * (p[v] - q[v]) / kTokens;
            }
            CHECK(divergence <= (model == "tiny-bf16" ? bound.bf16Model : bound.fp8Model));
        }
    }
}
