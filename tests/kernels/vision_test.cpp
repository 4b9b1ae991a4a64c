#include <algorithm>
#include <cmath>

#include "kernels/vision/attention.h"
#include "kernels/vision/conv2d.h"
#include "kernels/vision/elementwise.h"
#include "tests/kernels/kernel_cases.h"

using namespace step3;
using namespace step3::kernels;
using namespace step3::test;

TEST_CASE("vision attention agrees with the reference around the sizes of its blocks") {
    ThreadPool pool(3);
    onEveryIsa([&](Isa isa) {
        Rng rng(1);
        for (const std::int64_t tokens : {1, 2, 47, 48, 49, 63, 64, 65, 130}) {
            for (const std::int64_t dim : {1, 5, 16, 40}) {
                const std::int64_t heads = dim == 16 ? 3 : 2;
                const std::int64_t batch = tokens < 50 ? 2 : 1;
                CAPTURE(tokens, dim, heads, batch);
                const std::vector<float> qkv = randomFloats(rng, batch * tokens * 3 * heads * dim);
                std::vector<float> found(static_cast<std::size_t>(batch * tokens * heads * dim), std::nanf(""));
                std::vector<float> expected(found.size());
                visionAttention(pool, {qkv.data(), found.data(), batch, tokens, heads, dim}, visionTable(isa));
                visionAttentionReference({qkv.data(), expected.data(), batch, tokens, heads, dim});
                CHECK(worstDifference(found, expected) <= 2e-5);
            }
        }
    });
}

TEST_CASE("the residual layer norm agrees with the reference") {
    ThreadPool pool(2);
    onEveryIsa([&](Isa isa) {
        Rng rng(2);
        for (const std::int64_t width : {1, 3, 16, 33, 100, 257}) {
            for (const std::int64_t rows : {1, 6, 70}) {
                CAPTURE(width, rows);
                std::vector<float> found = randomFloats(rng, rows * width);
                std::vector<float> expected = found;
                const std::vector<float> branch = randomFloats(rng, rows * width, 3.0F);
                const std::vector<float> weight = randomFloats(rng, width);
                const std::vector<float> bias = randomFloats(rng, width);
                addLayerNorm(pool, {found.data(), branch.data(), rows, width, weight.data(), bias.data(), 1e-6F},
                             visionTable(isa));
                addLayerNormReference({expected.data(), branch.data(), rows, width, weight.data(), bias.data(), 1e-6F});
                CHECK(worstDifference(found, expected) <= 2e-5);
            }
        }
    });
}

TEST_CASE("quick GELU agrees with the reference, far from zero too") {
    ThreadPool pool(2);
    onEveryIsa([&](Isa isa) {
        Rng rng(3);
        for (const std::int64_t count : {1, 5, 16, 17, 1000, 40001}) {
            CAPTURE(count);
            std::vector<float> found = randomFloats(rng, count, 4.0F);
            const float extremes[] = {0.0F, -0.0F, 50.0F, -50.0F, 1000.0F, -1000.0F};
            for (std::size_t i = 0; i < 6 && i < found.size(); ++i) found[i] = extremes[i];
            std::vector<float> expected = found;
            quickGelu(pool, found.data(), count, visionTable(isa));
            quickGeluReference(expected.data(), count);
            std::vector<float> scale = expected;
            for (float& s : scale) s = std::abs(s);
            CHECK(worstExcess(found, expected, scale, 1e-5) <= 1e-6);
        }
    });
}

TEST_CASE("a convolution agrees with the reference for planar pictures and for token rows") {
    struct Case {
        std::int64_t batch, channels, height, width, kernel, stride, pad, out;
        bool tokenRows;
        DType dtype;
    };
    const Case cases[] = {
        {1, 3, 14, 14, 14, 14, 0, 5, false, DType::kBF16}, {2, 3, 28, 42, 14, 14, 0, 7, false, DType::kF32},
        {1, 4, 7, 9, 2, 1, 0, 3, true, DType::kBF16},      {2, 5, 8, 8, 3, 2, 1, 9, true, DType::kF16},
        {1, 1, 1, 1, 1, 1, 0, 1, false, DType::kF32},      {1, 2, 2, 3, 3, 2, 1, 4, true, DType::kF32},
        {1, 2, 5, 4, 5, 3, 4, 2, false, DType::kF32},
    };
    ThreadPool pool(2);
    Rng rng(4);
    for (const Case& c : cases) {
        CAPTURE(c.batch, c.channels, c.height, c.width, c.kernel, c.stride, c.pad, c.out);
        const std::vector<float> input = randomFloats(rng, c.batch * c.channels * c.height * c.width);
        const Matrix weight = randomMatrix(rng, c.dtype, c.out, c.channels * c.kernel * c.kernel, 0.3F);
        const std::vector<float> bias = randomFloats(rng, c.out);
        Conv2dParams p;
        p.input = input.data();
        p.batch = c.batch;
        p.channels = c.channels;
        p.height = c.height;
        p.width = c.width;
        p.batchStride = c.channels * c.height * c.width;
        p.channelStride = c.tokenRows ? 1 : c.height * c.width;
        p.rowStride = c.tokenRows ? c.width * c.channels : c.width;
        p.columnStride = c.tokenRows ? c.channels : 1;
        p.kernel = c.kernel;
        p.stride = c.stride;
        p.pad = c.pad;
        p.weight = weight.view;
        p.bias = bias.data();
        const std::int64_t count = c.batch * p.outHeight() * p.outWidth() * c.out;
        std::vector<float> found(static_cast<std::size_t>(count), std::nanf("")), expected(found.size());
        p.output = found.data();
        conv2d(pool, p);
        p.output = expected.data();
        conv2dReference(p);
        CHECK(worstDifference(found, expected) <= 1e-4);
    }
}
