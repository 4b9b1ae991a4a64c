// How much of a prompt a step reads, on made-up times: no clock is read here.

#include "engine/serving/reading_pace.h"

#include <algorithm>
#include <random>
#include <vector>

#include <catch2/catch.hpp>

using namespace step3::serving;

namespace {

constexpr std::size_t kChunk = 256;

/// A machine on which answers alone take `fixed` + `answer` each, and every token read adds `token`.
struct World {
    double fixed = 4e-4, answer = 5e-5, token = 1e-4;
    double noise = 0.1;

    [[nodiscard]] double alone(std::size_t answers) const { return fixed + answer * static_cast<double>(answers); }
};

struct Reading {
    std::vector<double> steps;  // seconds
    std::size_t withoutReading = 0;
    std::size_t smallest = kChunk;  // tokens of a step that read

    [[nodiscard]] double quantile(double q) const {
        std::vector<double> sorted = steps;
        std::sort(sorted.begin(), sorted.end());
        return sorted[static_cast<std::size_t>(q * static_cast<double>(sorted.size() - 1))];
    }
    [[nodiscard]] double seconds() const {
        double sum = 0;
        for (const double step : steps) sum += step;
        return sum;
    }
};

class Machine {
public:
    explicit Machine(World made) : world(made) {}

    void answer(std::size_t answers, int steps) {
        for (int i = 0; i < steps; ++i) pace.measured(answers, 0, world.alone(answers) * disturbance());
    }
    /// Reads a prompt of `tokens` beside `answers`, `readers` waiting.
    Reading read(std::size_t answers, std::size_t tokens, std::size_t readers = 1) {
        Reading reading;
        bool rested = false;
        while (tokens > 0) {
            const std::size_t count = std::min(tokens, pace.tokens(answers, readers));
            if (count == 0) {
                REQUIRE_FALSE(rested);
                ++reading.withoutReading;
            } else {
                reading.smallest = std::min(reading.smallest, std::min(count, kChunk));
            }
            rested = count == 0;
            const double seconds = (world.alone(answers) + world.token * static_cast<double>(count)) * disturbance();
            pace.measured(answers, count, seconds);
            reading.steps.push_back(seconds);
            tokens -= count;
        }
        return reading;
    }

    World world;
    ReadingPace pace{kChunk};

private:
    double disturbance() { return 1 + world.noise * static_cast<double>(random_()) / 4294967296.0; }

    std::mt19937 random_{3};
};

}  // namespace

TEST_CASE("with nobody answering a step reads a whole chunk") {
    const ReadingPace fresh(kChunk);
    CHECK(fresh.tokens(0, 1) == kChunk);
    Machine machine({});
    machine.answer(8, 20);
    machine.read(8, 2000);
    CHECK(machine.pace.tokens(0, 3) == kChunk);
}

TEST_CASE("beside answers a step that reads takes little longer than one that does not") {
    for (const std::size_t answers : {1, 8, 31}) {
        for (const double token : {2e-5, 5e-5, 1e-4}) {
            World world;
            world.token = token;
            if (world.alone(answers) / token < ReadingPace::kLeastTokens) continue;  // the least may take longer
            Machine machine(world);
            machine.answer(answers, 50);
            const Reading reading = machine.read(answers, 2000);
            CHECK(reading.quantile(0.99) < 2.5 * world.alone(answers));
            CHECK(reading.quantile(1) < 3 * world.alone(answers));
            // The share of the machine that reads is used.
            CHECK(reading.seconds() < 1.2 * 2000 * token * ReadingPace::kStretch / (ReadingPace::kStretch - 1));
        }
    }
}

TEST_CASE("where reading is dear the least that is read goes on reading") {
    World world;
    world.token = 1e-2;
    Machine machine(world);
    machine.answer(4, 10);
    const Reading reading = machine.read(4, 400);
    CHECK(reading.smallest == ReadingPace::kLeastTokens);
    CHECK(reading.steps.size() - reading.withoutReading == 400 / ReadingPace::kLeastTokens);
}

TEST_CASE("where reading is cheap a step reads a chunk, never more") {
    World world;
    world.token = 1e-9;
    Machine machine(world);
    machine.answer(4, 10);
    const Reading reading = machine.read(4, 100 * kChunk);
    CHECK(reading.steps.size() < 130);
    CHECK(machine.pace.tokens(4, 1) == kChunk);
}

TEST_CASE("a chunk smaller than the least is kept") {
    ReadingPace pace(3);
    CHECK(pace.tokens(0, 1) == 3);
    CHECK(pace.tokens(2, 1) == 3);
}

TEST_CASE("the more requests read for each that answers, the more is read") {
    World world;
    world.token = 2e-5;
    Machine machine(world);
    machine.answer(2, 50);
    machine.read(2, 200);
    const auto one = static_cast<double>(machine.pace.tokens(2, 1));
    CHECK(machine.pace.tokens(2, 2) == machine.pace.tokens(2, 1));
    CHECK(static_cast<double>(machine.pace.tokens(2, 8)) == Approx(4 * one).margin(4));
    CHECK(machine.pace.tokens(2, 1000) == kChunk);
}

TEST_CASE("another number of answers is timed anew, also if prompts never stop coming") {
    World world;
    world.fixed = 1e-3;
    world.answer = 1e-3;
    Machine machine(world);
    machine.answer(1, 20);
    machine.read(1, 500);
    const std::size_t beside1 = machine.pace.tokens(1, 1);
    for (std::size_t answers = 2; answers <= 32; ++answers) machine.read(answers, 300);
    const std::size_t beside32 = machine.pace.tokens(32, 1);
    CHECK(static_cast<double>(beside32) > 10.0 * static_cast<double>(beside1));
    machine.read(1, 500);
    CHECK(static_cast<double>(machine.pace.tokens(1, 1)) < 1.6 * static_cast<double>(beside1));
}

TEST_CASE("one step held up by others on the machine changes little") {
    Machine machine({});
    machine.answer(8, 50);
    machine.read(8, 500);
    const auto before = static_cast<double>(machine.pace.tokens(8, 1));
    machine.pace.measured(8, 0, 1.0);
    CHECK(static_cast<double>(machine.pace.tokens(8, 1)) < 1.3 * before);
    machine.pace.measured(8, 8, 1.0);
    CHECK(static_cast<double>(machine.pace.tokens(8, 1)) > 0.5 * before);
}
