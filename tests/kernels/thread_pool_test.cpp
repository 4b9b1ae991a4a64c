#include "kernels/cpu/thread_pool.h"

#include <atomic>
#include <chrono>
#include <cstdint>
#include <thread>
#include <vector>

#include <catch2/catch.hpp>
#include <sched.h>

#include "kernels/cpu/cpu_turns.h"
#include "kernels/cpu/work_split.h"

using namespace step3::kernels;

TEST_CASE("a parallel loop visits every index once, in pieces of at most the grain") {
    for (const int threads : {1, 2, 3, 7}) {
        ThreadPool pool(threads);
        CHECK(pool.threads() == threads);
        for (const std::int64_t count : {0, 1, 2, 63, 1000}) {
            for (const std::int64_t grain : {1, 3, 64, 5000}) {
                CAPTURE(threads, count, grain);
                std::vector<std::atomic<int>> visits(static_cast<std::size_t>(count));
                std::atomic<bool> tooLong{false};
                pool.parallelFor(count, grain, [&](std::int64_t begin, std::int64_t end) {
                    if (end - begin > grain || begin >= end) tooLong = true;
                    for (std::int64_t i = begin; i < end; ++i) ++visits[static_cast<std::size_t>(i)];
                });
                CHECK(!tooLong);
                CHECK(std::all_of(visits.begin(), visits.end(), [](const auto& v) { return v == 1; }));
            }
        }
    }
}

TEST_CASE("a grain of 0 or less counts as 1, a negative count as nothing") {
    ThreadPool pool(2);
    std::atomic<int> calls{0};
    pool.parallelFor(5, 0, [&](std::int64_t, std::int64_t) { ++calls; });
    CHECK(calls == 5);
    pool.parallelFor(-3, 1, [&](std::int64_t, std::int64_t) { ++calls; });
    CHECK(calls == 5);
}

TEST_CASE("counts beyond 32 bits are covered") {
    ThreadPool pool(2);
    constexpr std::int64_t kCount = (std::int64_t{1} << 42) + 17;
    std::atomic<std::int64_t> sum{0};
    pool.parallelFor(kCount, std::int64_t{1} << 36, [&](std::int64_t begin, std::int64_t end) { sum += end - begin; });
    CHECK(sum == kCount);
}

TEST_CASE("many short loops in a row all finish") {
    ThreadPool pool(4);
    std::atomic<std::int64_t> sum{0};
    for (int i = 0; i < 3000; ++i)
        pool.parallelFor(9, 2, [&](std::int64_t begin, std::int64_t end) { sum += end - begin; });
    CHECK(sum == 27000);
}

TEST_CASE("several threads may use one pool") {
    ThreadPool pool(3);
    std::vector<std::int64_t> sums(4);
    std::vector<std::thread> callers;
    for (std::size_t c = 0; c < sums.size(); ++c) {
        callers.emplace_back([&pool, &sum = sums[c]] {
            for (int i = 0; i < 200; ++i) {
                std::atomic<std::int64_t> part{0};
                pool.parallelFor(50, 7, [&](std::int64_t begin, std::int64_t end) {
                    for (std::int64_t k = begin; k < end; ++k) part += k;
                });
                sum += part;
            }
        });
    }
    for (auto& caller : callers) caller.join();
    CHECK(sums == std::vector<std::int64_t>(4, 200 * 49 * 50 / 2));
}

TEST_CASE("what the loop wrote is visible when it returns") {
    ThreadPool pool(3);
    std::vector<std::int64_t> values(1000);
    for (std::int64_t round = 1; round < 50; ++round) {
        pool.parallelFor(1000, 10, [&](std::int64_t begin, std::int64_t end) {
            for (std::int64_t i = begin; i < end; ++i) values[static_cast<std::size_t>(i)] += i;
        });
    }
    std::int64_t wrong = 0;
    for (std::int64_t i = 0; i < 1000; ++i) wrong += values[static_cast<std::size_t>(i)] != 49 * i;
    CHECK(wrong == 0);
}

TEST_CASE("the number of usable CPUs follows the affinity mask of the thread") {
    CHECK(usableCpus() >= 1);
    int allowed = 0;
    int inPool = 0;
    std::thread([&] {  // a thread of its own: the mask stays with it
        cpu_set_t mask;
        CPU_ZERO(&mask);
        CPU_SET(static_cast<std::size_t>(sched_getcpu()), &mask);
        if (sched_setaffinity(0, sizeof mask, &mask) != 0) return;
        allowed = usableCpus();
        inPool = ThreadPool().threads();
    })
        .join();
    CHECK(allowed == 1);
    CHECK(inPool == 1);
}

TEST_CASE("small loops stay in one piece, large ones are cut for the threads") {
    CHECK(pieceUnits(100, 10, 8) == 100);
    CHECK(pieceUnits(1 << 20, 1 << 10, 1) == 1 << 20);
    const std::int64_t piece = pieceUnits(1 << 20, 1 << 10, 4);
    CHECK(piece >= 1);
    CHECK(piece * 4 <= 1 << 20);
    CHECK(pieceUnits(10, std::int64_t{1} << 40, 4) == 1);
    CHECK(pieceUnits(1'000'000, 0, 4) == 1'000'000);
}

TEST_CASE("the products of a small step are for one thread, those of a large one for all") {
    const ThreadPool four(4);
    CHECK(four.runsInline(ThreadPool::kInlineProduct));
    CHECK(productPieceUnits(four, 32, ThreadPool::kInlineProduct) == 32);
    CHECK(!four.runsInline(ThreadPool::kInlineProduct + 1));
    CHECK(productPieceUnits(four, 32, 2 * ThreadPool::kInlineProduct) == 1);
    CHECK(ThreadPool(1).runsInline(std::int64_t{1} << 40));
    CHECK(!ThreadPool(2, 1000).runsInline(1001));
}

TEST_CASE("a worker whose CPU a neighbour wants takes turns with it, for a while") {
    using std::chrono::microseconds;
    using std::chrono::milliseconds;
    CpuTurns turns;
    turns.begin(milliseconds(50), milliseconds(20));
    CHECK(!turns.isOver(microseconds(50'999)));
    CHECK(turns.isOver(milliseconds(51)));
    CHECK(turns.end(milliseconds(51), milliseconds(21)).count() == 0);  // the CPU was the worker's all the time
    turns.begin(milliseconds(51), milliseconds(21));
    CHECK(turns.end(microseconds(52'500), milliseconds(22)).count() == 0);  // an interruption too short to matter
    turns.begin(milliseconds(53), milliseconds(22));
    CHECK(turns.end(milliseconds(58), milliseconds(24)) == CpuTurns::kTurn);  // 3 of 5 ms went to somebody else
    turns.begin(milliseconds(59), milliseconds(24));
    CHECK(turns.end(milliseconds(60), milliseconds(25)) == CpuTurns::kTurn);  // undisturbed, thanks to the rest
    turns.begin(milliseconds(258), milliseconds(220));
    CHECK(turns.end(milliseconds(259), milliseconds(221)).count() == 0);  // tries whether the neighbour is gone
}
