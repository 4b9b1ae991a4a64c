#include "kernels/attention/mfa.h"

#include <cmath>

#include "tests/kernels/kernel_cases.h"

using namespace step3;
using namespace step3::kernels;
using namespace step3::test;

namespace {

struct Shape {
    std::int64_t heads, headDim, pageTokens;
    KvFormat format = KvFormat::kF32;
    [[nodiscard]] std::int64_t rowBytes() const { return kvRowBytes(format, headDim); }
};
struct Length {
    std::int64_t firstPosition, tokens;
};

/// Sequences with K and V in pages; the part of the last page behind the keys holds NaN, which nothing may read into a
/// result.
class Cache {
public:
    Cache(Rng& rng, Shape shape, std::vector<Length> lengths) : shape_(shape), lengths_(std::move(lengths)) {
        for (const Length& length : lengths_) {
            const std::int64_t keys = length.firstPosition + length.tokens;
            const std::int64_t pages = (keys + shape_.pageTokens - 1) / shape_.pageTokens;
            auto& own = pages_.emplace_back();
            const std::int64_t side = shape_.pageTokens * shape_.rowBytes();
            for (std::int64_t p = 0; p < pages; ++p) {
                auto& page = own.emplace_back(static_cast<std::size_t>(2 * side), std::byte{0xFF});
                const std::int64_t used = std::min(shape_.pageTokens, keys - p * shape_.pageTokens);
                for (const std::int64_t begin : {std::int64_t{0}, side}) {
                    for (std::int64_t t = 0; t < used; ++t) {
                        storeKvRow(activeKernels(), shape_.format, randomFloats(rng, shape_.headDim).data(),
                                   shape_.headDim, page.data() + begin + t * shape_.rowBytes());
                    }
                }
            }
            q_.push_back(randomFloats(rng, length.tokens * shape_.heads * shape_.headDim));
        }
    }

    using Run = std::function<void(const MfaParams&)>;
    /// The results of tokens [skip, skip + take) of every sequence, one sequence after another.
    [[nodiscard]] std::vector<float> run(const Run& kernel, std::int64_t skip = 0, std::int64_t take = 1 << 20) const {
        const std::int64_t row = shape_.heads * shape_.headDim;
        std::vector<std::vector<float>> out;
        std::vector<std::vector<const std::byte*>> pages;
        std::vector<MfaSequence> sequences;
        for (std::size_t s = 0; s < lengths_.size(); ++s) {
            pages.emplace_back();
            for (const auto& page : pages_[s]) pages.back().push_back(page.data());
            const std::int64_t tokens = std::min(take, lengths_[s].tokens - skip);
            if (tokens > 0) out.emplace_back(static_cast<std::size_t>(tokens * row), std::nanf(""));
        }
        std::size_t at = 0;
        for (std::size_t s = 0; s < lengths_.size(); ++s) {
            const std::int64_t tokens = std::min(take, lengths_[s].tokens - skip);
            if (tokens <= 0) continue;
            sequences.push_back({q_[s].data() + skip * row, out[at++].data(), pages[s], 0,
                                 shape_.pageTokens * shape_.rowBytes(), tokens, lengths_[s].firstPosition + skip});
        }
        kernel({sequences, shape_.heads, shape_.headDim, shape_.pageTokens, shape_.format});
        std::vector<float> all;
        for (const auto& part : out) all.insert(all.end(), part.begin(), part.end());
        return all;
    }

private:
    Shape shape_;
    std::vector<Length> lengths_;
    std::vector<std::vector<std::vector<std::byte>>> pages_;  // [sequence][page][2, pageTokens] rows
    std::vector<std::vector<float>> q_;
};

Cache::Run fast(Isa isa, ThreadPool& pool) {
    return [isa, &pool](const MfaParams& params) {
        MfaWorkspace workspace;
        mfaAttention(kernelTable(isa), pool, workspace, params);
    };
}

/// Odd sizes in every format.
std::vector<Shape> shapes() {
    std::vector<Shape> all;
    for (const KvFormat format : kAllKvFormats) {
        for (const Shape& shape : {Shape{1, 2, 1}, {3, 10, 5}, {7, 16, 16}, {5, 48, 33}, {13, 70, 64}, {2, 256, 64}}) {
            all.push_back({shape.heads, shape.headDim, shape.pageTokens, format});
        }
    }
    return all;
}

}  // namespace

TEST_CASE("MFA attention agrees with the reference around page borders") {
    ThreadPool pool(3, kSplitAll);
    onEveryIsa([&](Isa isa) {
        Rng rng(1);
        for (const Shape& shape : shapes()) {
            const std::int64_t page = shape.pageTokens;
            const Length lengths[] = {{0, 1},        {0, 7},        {page - 1, 1}, {page, 1},
                                      {page - 1, 2}, {2 * page, 3}, {3, page},     {page + 1, page + 5}};
            for (const Length& length : lengths) {
                CAPTURE(kvFormatName(shape.format), shape.heads, shape.headDim, shape.pageTokens, length.firstPosition,
                        length.tokens);
                const Cache cache(rng, shape, {length});
                CHECK(worstDifference(cache.run(fast(isa, pool)), cache.run(mfaAttentionReference)) <= 1e-5);
            }
        }
    });
}

TEST_CASE("MFA attention serves several sequences of different lengths at once") {
    ThreadPool pool(2, kSplitAll);
    onEveryIsa([&](Isa isa) {
        Rng rng(2);
        for (const Shape& shape : shapes()) {
            CAPTURE(kvFormatName(shape.format), shape.heads, shape.headDim, shape.pageTokens);
            const Cache cache(rng, shape, {{0, 3}, {100, 1}, {17, 20}, {0, 1}, {63, 1}});
            CHECK(worstDifference(cache.run(fast(isa, pool)), cache.run(mfaAttentionReference)) <= 1e-5);
        }
    });
}

TEST_CASE("MFA attention over several key ranges agrees with the reference") {
    ThreadPool pool(3, kSplitAll);
    onEveryIsa([&](Isa isa) {
        Rng rng(3);
        for (const Length& length : {Length{kMfaRangeKeys - 1, 1}, Length{kMfaRangeKeys, 1},
                                     Length{kMfaRangeKeys - 2, 5}, Length{2 * kMfaRangeKeys + 100, 2}}) {
            CAPTURE(length.firstPosition, length.tokens);
            const Cache cache(rng, {3, 24, 64}, {length, {5, 2}});
            CHECK(worstDifference(cache.run(fast(isa, pool)), cache.run(mfaAttentionReference)) <= 1e-5);
        }
    });
}

TEST_CASE("MFA attention depends neither on threads nor on how tokens are cut into steps") {
    onEveryIsa([&](Isa isa) {
        Rng rng(4);
        ThreadPool one(1);
        ThreadPool four(4, kSplitAll);
        for (const Length& length : {Length{0, 40}, Length{kMfaRangeKeys - 20, 40}, Length{2 * kMfaRangeKeys, 3}}) {
            CAPTURE(length.firstPosition, length.tokens);
            for (const KvFormat format : {KvFormat::kF32, KvFormat::kBf16, KvFormat::kInt4}) {
                CAPTURE(kvFormatName(format));
                const Cache cache(rng, {4, 64, 16, format}, {length});
                const std::vector<float> whole = cache.run(fast(isa, one));
                CHECK(cache.run(fast(isa, four)) == whole);
                for (const std::int64_t step : {1, 7, 16}) {
                    std::vector<float> pieces;
                    for (std::int64_t skip = 0; skip < length.tokens; skip += step) {
                        const auto part = cache.run(fast(isa, skip % 2 == 0 ? one : four), skip, step);
                        pieces.insert(pieces.end(), part.begin(), part.end());
                    }
                    CHECK(pieces == whole);
                }
            }
        }
    });
}

TEST_CASE("MFA attention stays finite for large scores") {
    ThreadPool pool(1);
    onEveryIsa([&](Isa isa) {
        const std::int64_t dim = 16;
        std::vector<float> q(16, 100.0F), page(16 * 8), out(16);
        for (std::size_t i = 0; i < 64; ++i) {
            page[i] = i / 16 == 2 ? 100.0F : -100.0F;
            page[64 + i] = static_cast<float>(i / 16);
        }
        const auto* bytes = reinterpret_cast<const std::byte*>(page.data());
        const MfaSequence sequence{q.data(), out.data(), {&bytes, 1}, 0, 64 * sizeof(float), 1, 3};
        MfaWorkspace workspace;
        mfaAttention(kernelTable(isa), pool, workspace, {{&sequence, 1}, 1, dim, 4, KvFormat::kF32});
        CHECK(out == std::vector<float>(16, 2.0F));
    });
}

TEST_CASE("stored rows of K and V come back within their format's error") {
    onEveryIsa([&](Isa isa) {
        Rng rng(6);
        for (const KvFormat format : kAllKvFormats) {
            for (const std::int64_t dim : {2, 31, 32, 70, 256}) {
                CAPTURE(kvFormatName(format), dim);
                std::vector<float> x = randomFloats(rng, dim);
                x[0] = 30.0F;  // an outlier
                std::vector<std::byte> row(static_cast<std::size_t>(kvRowBytes(format, dim)));
                storeKvRow(kernelTable(isa), format, x.data(), dim, row.data());
                std::vector<float> y(x.size());
                loadKvRow(format, row.data(), dim, y.data());
                for (std::int64_t i = 0; i < dim; ++i) {
                    const auto at = static_cast<std::size_t>(i);
                    float largest = 0;  // of the group
                    const std::int64_t group = i / kKvGroup * kKvGroup;
                    for (std::int64_t j = group; j < std::min(group + kKvGroup, dim); ++j)
                        largest = std::max(largest, std::abs(x[static_cast<std::size_t>(j)]));
                    float bound = 0;
                    switch (format) {
                        case KvFormat::kF32: break;
                        case KvFormat::kBf16: bound = std::abs(x[at]) * 0x1p-8F; break;
                        case KvFormat::kFp8: bound = std::abs(x[at]) * 0x1p-4F + 30.0F / 448 * 0x1p-10F; break;
                        case KvFormat::kInt8: bound = largest / 127 * 0.51F + largest * 0x1p-8F; break;
                        case KvFormat::kInt4: bound = largest / 6; break;
                    }
                    CHECK(std::abs(y[at] - x[at]) <= bound);
                }
                std::vector<float> none(x.size());
                storeKvRow(kernelTable(isa), format, none.data(), dim, row.data());
                loadKvRow(format, row.data(), dim, y.data());
                CHECK(y == none);
            }
        }
    });
}
