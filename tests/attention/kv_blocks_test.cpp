#include <catch2/catch.hpp>

#include "engine/attention/block_table.h"
#include "engine/attention/kv_cache.h"
#include "engine/error.h"
#include "kernels/cpu/kernel_table.h"

using namespace step3;
using namespace step3::attention;

namespace {

constexpr std::int64_t kTokens = 4;

std::shared_ptr<KvBlocks> poolOf(std::int64_t blocks) {
    return std::make_shared<KvBlocks>(blocks, kTokens);
}

afd::BlockName name(std::uint64_t number) {
    return {number, ~number};
}

std::vector<afd::BlockName> names(std::initializer_list<std::uint64_t> numbers) {
    std::vector<afd::BlockName> result;
    for (const std::uint64_t number : numbers) result.push_back(name(number));
    return result;
}

void append(BlockTable& table, std::int64_t tokens) {
    table.reserve(tokens);
    table.commit(tokens);
}

}  // namespace

TEST_CASE("a pool gives each block once and has it back at a sequence's end") {
    const auto pool = poolOf(5);
    {
        BlockTable a(pool), b(pool);
        append(a, 9);
        append(b, 8);
        CHECK(pool->usage().used == 5);
        CHECK(pool->usage().available() == 0);
        std::vector<KvBlocks::Block> all(a.blocks().begin(), a.blocks().end());
        all.insert(all.end(), b.blocks().begin(), b.blocks().end());
        std::sort(all.begin(), all.end());
        CHECK(all == std::vector<KvBlocks::Block>{0, 1, 2, 3, 4});
    }
    CHECK(pool->usage().used == 0);
    CHECK(pool->usage().cached == 0);
    CHECK(pool->usage().available() == 5);
}

TEST_CASE("what does not fit into a pool changes nothing") {
    const auto pool = poolOf(3);
    BlockTable a(pool), b(pool);
    append(a, 5);
    append(b, 3);
    CHECK_THROWS_WITH(b.reserve(2), "KV cache: all 3 blocks of 4 tokens are in use");
    CHECK(b.blocks().size() == 1);
    CHECK(b.length() == 3);
    b.reserve(1);  // the rest of its block
    a.truncate(4);
    b.reserve(2);
    CHECK(pool->usage().used == 3);
}

TEST_CASE("named blocks are found again, shared, and counted once") {
    const auto pool = poolOf(10);
    auto a = std::make_unique<BlockTable>(pool);
    append(*a, 11);
    a->setNames(names({1, 2, 3}));  // the third is not full
    BlockTable b(pool);
    b.adopt(names({1, 2, 3}));
    CHECK(b.length() == 8);
    CHECK(b.blocks()[0] == a->blocks()[0]);
    CHECK(pool->usage().used == 3);
    a.reset();
    CHECK(pool->usage().used == 2);
    CHECK(pool->usage().cached == 0);
    append(b, 4);
    b.setNames(names({1, 2, 4}));
    BlockTable c(pool), other(pool);
    c.adopt(names({1, 2, 3}));
    CHECK(c.length() == 8);
    other.adopt(names({5, 2}));  // a chain is found from its beginning
    CHECK(other.length() == 0);
}

TEST_CASE("named blocks nobody uses are kept until room is needed, the oldest and the ends first") {
    const auto pool = poolOf(4);
    const auto keep = [&](std::initializer_list<std::uint64_t> chain) {
        BlockTable table(pool);
        append(table, static_cast<std::int64_t>(chain.size()) * kTokens);
        table.setNames(names(chain));
    };
    const auto found = [&](std::initializer_list<std::uint64_t> chain) {
        BlockTable table(pool);
        table.adopt(names(chain));
        return table.length() / kTokens;
    };
    keep({1, 2});
    keep({3, 4});
    CHECK(pool->usage().cached == 4);
    CHECK(pool->usage().available() == 4);
    CHECK(found({1, 2}) == 2);  // used last: 3, 4 are the oldest now
    {
        BlockTable table(pool);
        append(table, 1);  // takes the end of the oldest chain
        CHECK(pool->usage().cached == 3);
        CHECK(pool->usage().used == 1);
    }
    CHECK(found({3, 4}) == 1);
    CHECK(found({1, 2}) == 2);
    keep({5, 6, 7});
    CHECK(found({5, 6, 7}) == 3);
    CHECK(found({3}) == 0);
    CHECK(found({1, 2}) == 1);
}

TEST_CASE("two sequences that fill the same block give its name once") {
    const auto pool = poolOf(4);
    {
        BlockTable a(pool), b(pool);
        append(a, 4);
        append(b, 4);
        a.setNames(names({1}));
        b.setNames(names({1}));
        BlockTable c(pool);
        c.adopt(names({1}));
        CHECK(c.blocks()[0] == a.blocks()[0]);
    }
    CHECK(pool->usage().cached == 1);
    CHECK(pool->usage().used == 0);
}

TEST_CASE("a truncated sequence does not write into what others share or expect") {
    const auto pool = poolOf(6);
    BlockTable a(pool);
    append(a, 8);
    a.setNames(names({1, 2}));
    CHECK(a.truncate(6).from == -1);  // nobody else: the block only loses its name
    BlockTable b(pool);
    b.adopt(names({1, 2}));
    CHECK(b.length() == 4);
    append(a, 2);
    a.setNames(names({1, 3}));
    BlockTable c(pool);
    c.adopt(names({1, 3}));
    const auto copy = a.truncate(5);
    CHECK(copy.from == c.blocks()[1]);
    CHECK(copy.to == a.blocks()[1]);
    pool->release(copy.from);
    CHECK(a.truncate(4).from == -1);  // the shared block is full and stays as it is
    BlockTable d(pool);
    d.adopt(names({1, 3}));
    CHECK(d.length() == 8);
}

TEST_CASE("a cache keeps what others share when it is truncated") {
    const auto pool = std::make_shared<KvPool>(2, 4, KvOptions{KvFormat::kF32});
    const std::vector<float> one(4, 1.0F), two(4, 2.0F);
    const auto key = [&](const KvCache& cache, std::int64_t position) {
        return reinterpret_cast<const float*>(
            cache.pages()[static_cast<std::size_t>(position / kKvPageTokens)])[position % kKvPageTokens * 4];
    };
    KvCache a(pool, {});
    a.reserve(kKvPageTokens);
    for (std::int64_t t = 0; t < kKvPageTokens; ++t) a.write(kernels::activeKernels(), 0, t, one.data(), one.data());
    a.commit(kKvPageTokens);
    a.setNames(names({1}));
    KvCache b(pool, names({1}));
    REQUIRE(b.length() == kKvPageTokens);
    CHECK(a.pages()[0] == b.pages()[0]);
    b.truncate(10);
    b.reserve(1);
    b.write(kernels::activeKernels(), 0, 10, two.data(), two.data());
    CHECK(key(a, 10) == 1.0F);
    CHECK(key(b, 10) == 2.0F);
    CHECK(key(b, 9) == 1.0F);
    CHECK(a.bytes() == static_cast<std::uint64_t>(pool->pageBytes()));
}
