#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "kernels/moe/grouped_ffn.h"
#include "kernels/moe/router.h"
#include "tests/kernels/kernel_cases.h"

using namespace step3;
using namespace step3::kernels;
using namespace step3::test;

namespace {

struct Mlp {
    Matrix gate, up, down;
    FfnWeights weights;
    Mlp(Rng& rng, DType dtype, std::int64_t hidden, std::int64_t inner)
        : gate(randomMatrix(rng, dtype, inner, hidden, 0.2F)),
          up(randomMatrix(rng, dtype, inner, hidden, 0.2F)),
          down(randomMatrix(rng, dtype, hidden, inner, 0.2F)),
          weights{gate.view, up.view, down.view} {}
};

/// A random batch: a dense group of all tokens, and experts with those tokens that chose them.
struct Batch {
    std::vector<Mlp> experts;
    std::vector<std::vector<std::int32_t>> tokens;
    std::vector<std::vector<float>> factors;
    std::vector<float> x;
    std::int64_t count, hidden;

    Batch(Rng& rng, DType dtype, std::int64_t tokenCount, std::int64_t hiddenSize, std::int64_t inner)
        : x(randomFloats(rng, tokenCount * hiddenSize)), count(tokenCount), hidden(hiddenSize) {
        std::uniform_real_distribution<float> factor(0.0F, 1.0F);
        for (int e = 0; e < 5; ++e) {
            experts.emplace_back(rng, dtype, hidden, inner);
            tokens.emplace_back();
            factors.emplace_back();
            for (std::int32_t t = 0; e > 0 && t < count; ++t) {
                if (rng() % 3 == 0 && !(e == 4 && t == 0)) continue;
                tokens.back().push_back(t);
                factors.back().push_back(factor(rng));
            }
        }
    }
    /// Groups of the tokens [begin, end), numbered from 0.
    std::vector<float> run(std::int64_t begin, std::int64_t end, const KernelTable* table, ThreadPool& pool) const {
        std::vector<FfnGroup> groups;
        std::vector<std::vector<std::int32_t>> rows(experts.size());
        std::vector<std::vector<float>> weights(experts.size());
        for (std::size_t e = 0; e < experts.size(); ++e) {
            for (std::size_t i = 0; i < tokens[e].size(); ++i) {
                if (tokens[e][i] < begin || tokens[e][i] >= end) continue;
                rows[e].push_back(static_cast<std::int32_t>(tokens[e][i] - begin));
                weights[e].push_back(factors[e][i]);
            }
            if (e == 0 || !rows[e].empty()) groups.push_back({&experts[e].weights, rows[e], weights[e]});
        }
        std::vector<float> out(static_cast<std::size_t>((end - begin) * hidden), std::nanf(""));
        const GroupedFfnParams params{x.data() + begin * hidden, groups, out.data(), end - begin, hidden};
        FfnWorkspace workspace;
        if (table == nullptr) {
            groupedFfnReference(params);
        } else {
            groupedFfn(*table, pool, workspace, params);
        }
        return out;
    }
};

float largest(const std::vector<float>& values) {
    float most = 0;
    for (const float value : values) most = std::max(most, std::abs(value));
    return most;
}

}  // namespace

TEST_CASE("the grouped FFN agrees with the reference over odd sizes, formats and instruction sets") {
    struct Size {
        std::int64_t tokens, hidden, inner;
    };
    ThreadPool pool(3, kSplitAll);
    onEveryIsa([&](Isa isa) {
        Rng rng(1);
        for (const DType dtype : kWeightTypes) {
            for (const Size size :
                 {Size{1, 8, 3}, Size{2, 33, 20}, Size{5, 129, 65}, Size{9, 64, 130}, Size{40, 48, 17}}) {
                CAPTURE(dtypeName(dtype), size.tokens, size.hidden, size.inner);
                const Batch batch(rng, dtype, size.tokens, size.hidden, size.inner);
                const std::vector<float> expected = batch.run(0, size.tokens, nullptr, pool);
                const std::vector<float> found = batch.run(0, size.tokens, &kernelTable(isa), pool);
                CHECK(worstDifference(found, expected) <= 1e-5 * largest(expected));
            }
        }
    });
}

TEST_CASE("a token of the grouped FFN does not depend on the batch or on the threads") {
    onEveryIsa([&](Isa isa) {
        Rng rng(2);
        ThreadPool one(1);
        ThreadPool three(3, kSplitAll);
        const KernelTable& table = kernelTable(isa);
        for (const DType dtype : kWeightTypes) {
            CAPTURE(dtypeName(dtype));
            const std::int64_t tokens = 23;
            const Batch batch(rng, dtype, tokens, 96, 70);
            const std::vector<float> together = batch.run(0, tokens, &table, one);
            CHECK(batch.run(0, tokens, &table, three) == together);
            std::vector<float> alone;
            for (std::int64_t t = 0; t < tokens; ++t) {
                const std::vector<float> out = batch.run(t, t + 1, &table, one);
                alone.insert(alone.end(), out.begin(), out.end());
            }
            CHECK(alone == together);
        }
    });
}

TEST_CASE("the workspace of the grouped FFN serves batches of any size one after another") {
    ThreadPool pool(2, kSplitAll);
    Rng rng(3);
    FfnWorkspace workspace;
    for (const std::int64_t tokens : {3, 60, 1, 17}) {
        const Mlp mlp(rng, DType::kBF16, 40, 24);
        const std::vector<float> x = randomFloats(rng, tokens * 40);
        std::vector<float> found(x.size()), expected(x.size());
        const FfnGroup group{&mlp.weights, {}, {}};
        groupedFfn(activeKernels(), pool, workspace, {x.data(), {&group, 1}, found.data(), tokens, 40});
        groupedFfnReference({x.data(), {&group, 1}, expected.data(), tokens, 40});
        CHECK(worstDifference(found, expected) <= 1e-5 * largest(expected));
    }
}

TEST_CASE("the router agrees with the reference") {
    struct Size {
        std::int64_t tokens, experts, topK;
    };
    ThreadPool pool(2, kSplitAll);
    Rng rng(4);
    for (const Size size :
         {Size{1, 1, 1}, Size{3, 2, 2}, Size{7, 5, 3}, Size{20, 48, 3}, Size{65, 129, 8}, Size{2, 9, 9}}) {
        for (const bool renormalise : {false, true}) {
            for (const float spread : {0.1F, 3.0F, 20.0F}) {
                CAPTURE(size.tokens, size.experts, size.topK, renormalise, spread);
                const std::vector<float> logits = randomFloats(rng, size.tokens * size.experts, spread);
                const auto count = static_cast<std::size_t>(size.tokens * size.topK);
                std::vector<std::int32_t> ids(count, -1), expectedIds(count, -1);
                std::vector<float> weights(count), expected(count);
                RouterParams params{logits.data(), ids.data(), weights.data(), size.tokens,
                                    size.experts,  size.topK,  renormalise};
                routeTopK(pool, params);
                params.ids = expectedIds.data();
                params.weights = expected.data();
                routeTopKReference(params);
                CHECK(ids == expectedIds);
                CHECK(worstDifference(weights, expected) <= 1e-6);
            }
        }
    }
}

TEST_CASE("equal logits go to the lowest expert first") {
    const auto route = [](const std::vector<float>& logits, std::int64_t topK) {
        ThreadPool pool(1);
        std::vector<std::int32_t> ids(static_cast<std::size_t>(topK));
        std::vector<float> weights(ids.size());
        routeTopK(pool, {logits.data(), ids.data(), weights.data(), 1, static_cast<std::int64_t>(logits.size()), topK,
                         false});
        return ids;
    };
    using Ids = std::vector<std::int32_t>;
    CHECK(route({1, 1, 1, 1}, 3) == Ids{0, 1, 2});
    CHECK(route({0, 2, 1, 2, 2, 1}, 4) == Ids{1, 3, 4, 2});
    CHECK(route({-3, -3, -2}, 2) == Ids{2, 0});
    CHECK(route({0.0F, -0.0F}, 2) == Ids{0, 1});
}

TEST_CASE("numbers that are not finite are seen wherever they are") {
    Rng rng(8);
    onEveryIsa([&](Isa isa) {
        const KernelTable& kernels = kernelTable(isa);
        for (const std::int64_t n : {0, 1, 7, 16, 63, 64, 65, 200}) {
            std::vector<float> x = randomFloats(rng, n, 1e38F);
            for (float& value : x) value = std::clamp(value, -3e38F, 3e38F);
            INFO(n << " numbers");
            CHECK(kernels.allFinite(x.data(), n));
            for (std::size_t i = 0; i < x.size(); ++i) {
                const float before = x[i];
                for (const float value :
                     {std::numeric_limits<float>::infinity(), -std::numeric_limits<float>::infinity(),
                      std::numeric_limits<float>::quiet_NaN()}) {
                    x[i] = value;
                    CHECK(!kernels.allFinite(x.data(), n));
                }
                x[i] = before;
            }
        }
    });
}

TEST_CASE("router weights are probabilities for large logits too") {
    ThreadPool pool(1);
    const float logits[] = {1000, 999, -1000, 1000, 88, 0};
    std::int32_t ids[3];
    float weights[3];
    routeTopK(pool, {logits, ids, weights, 1, 6, 3, false});
    CHECK(ids[0] == 0);
    CHECK(ids[1] == 3);
    CHECK(ids[2] == 1);
    const double sum = 2 + std::exp(-1.0);
    CHECK(weights[0] == Approx(1 / sum));
    CHECK(weights[2] == Approx(std::exp(-1.0) / sum));
    routeTopK(pool, {logits, ids, weights, 1, 6, 3, true});
    CHECK(std::accumulate(weights, weights + 3, 0.0F) == Approx(1.0F));
}
