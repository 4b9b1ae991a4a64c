// Drafted tokens: whatever is guessed, an answer is what it would be without.

#include <cmath>
#include <filesystem>
#include <random>

#include <catch2/catch.hpp>

#include "engine/json.h"
#include "engine/model/weights.h"
#include "engine/sampling/structured/constraint_compiler.h"
#include "engine/serving/scheduler.h"
#include "tests/serving/fakes.h"

using namespace step3;
using namespace step3::serving;
using namespace step3::serving::testing;

namespace {

// Vocabulary: 26 letters, then the tokens below.
constexpr std::int32_t kEos = 26, kOpenThink = 27, kPoison = 29, kVocab = 30;

std::shared_ptr<const FakeTokenizer> letters() {
    std::vector<std::string> tokens;
    for (char c = 'a'; c <= 'z'; ++c) tokens.emplace_back(1, c);
    tokens.insert(tokens.end(), {"<eos>", "<think>", "</think>", "<poison>"});
    return std::make_shared<const FakeTokenizer>(tokens, std::set<text::TokenId>{kEos, kPoison});
}

std::uint32_t mix(std::uint32_t a, std::uint32_t b) {
    std::uint32_t h = a * 2654435761U + b * 40503U + 12345U;
    h ^= h >> 15U;
    h *= 2246822519U;
    return h ^ (h >> 13U);
}

/// Logits between 0 and 4 that depend on the last two tokens; EOS is seldom likely.
void shapeOf(const FakePipeline::History& history, std::span<float> row) {
    const auto last = static_cast<std::uint32_t>(history.back());
    const auto before = static_cast<std::uint32_t>(history.size() > 1 ? history[history.size() - 2] : 0);
    for (std::uint32_t i = 0; i < row.size(); ++i) {
        row[i] = static_cast<float>(mix(mix(last, before), i) % 4000) / 1000.0F;
    }
    row[kEos] -= 1.5F;
    row[kOpenThink] = row[kPoison] = -5.0F;
}

std::int32_t likeliestAfter(const FakePipeline::History& history) {
    std::vector<float> row(kVocab);
    shapeOf(history, row);
    return static_cast<std::int32_t>(std::max_element(row.begin(), row.end()) - row.begin());
}

/// Guesses the likeliest tokens; of `in` guesses every one in so many is another token, chosen by chance.
class Guesser final : public Drafter {
public:
    explicit Guesser(std::uint32_t in) : in_(in) {}
    [[nodiscard]] std::string_view name() const override { return "guesser"; }
    [[nodiscard]] std::unique_ptr<DraftState> newState() override { return std::make_unique<DraftState>(); }
    void draft(std::span<DraftTask> tasks) override {
        for (DraftTask& task : tasks) {
            FakePipeline::History history(task.tokens.begin(), task.tokens.end());
            for (std::size_t i = 0; i < task.count; ++i) {
                std::int32_t next = likeliestAfter(history);
                if (random_() % in_ == 0) next = static_cast<std::int32_t>(random_() % kEos);
                history.push_back(next);
                task.draft.push_back(next);
            }
        }
    }

private:
    std::uint32_t in_;
    std::mt19937 random_{1};
};

struct Limits {
    std::int64_t maxPositions = 1000, kvTokens = 100'000, kvPageTokens = 1;
    std::int32_t maxRunning = 32, maxWaiting = 256, draftTokens = 4;
};

struct Machine {
    explicit Machine(std::unique_ptr<Drafter> drafter, Limits limits = {},
                     const std::function<void(FakePipeline&)>& setUp = {}) {
        auto pipeline = std::make_unique<FakePipeline>(kVocab, likeliestAfter, limits.kvTokens, limits.kvPageTokens);
        pipeline->shape = shapeOf;
        if (setUp) setUp(*pipeline);
        SchedulerModel model{std::move(pipeline), {}, letters(), {kEos}, 1, kVocab, std::move(drafter)};
        SchedulerLimits own;
        own.maxPositions = limits.maxPositions;
        own.maxRunning = limits.maxRunning;
        own.maxWaiting = limits.maxWaiting;
        own.draftTokens = limits.draftTokens;
        own.draftAlways = true;
        scheduler = std::make_unique<Scheduler>(std::move(model), own);
    }
    void submit(const std::string& prompt, const Request& request, bool reasoning = false) {
        Prompt built;
        built.tokens.ids = letters()->encode(prompt);
        built.startsInReasoning = reasoning;
        built.form = forms.compile({request.structured, nullptr, {}, reasoning});
        scheduler->submit(std::move(built), request, log.sink());
    }

    sampling::structured::ConstraintCompiler forms{letters(), {kEos}, kVocab};
    EventLog log;
    std::unique_ptr<Scheduler> scheduler;  // ends before the log does
};

void addLogprobs(Json& all, const std::vector<TokenLogprob>& logprobs) {
    for (const TokenLogprob& one : logprobs) {
        all.push_back({one.id, one.logprob, one.rank});
        for (const TokenLogprob& other : one.top) all.push_back({other.id, other.logprob, other.rank});
    }
}

/// All of an answer that does not depend on time.
std::string outcome(const std::vector<Event>& events) {
    Json json;
    json["logprobs"] = Json::array();
    json["ids"] = Json::array();
    const auto detail = [&](const auto& delta) {
        addLogprobs(json["logprobs"], delta.logprobs);
        for (const std::int32_t id : delta.tokenIds) json["ids"].push_back(id);
    };
    for (const Event& event : events) {
        if (const auto* text = std::get_if<TextDelta>(&event)) detail(*text);
        if (const auto* reasoning = std::get_if<ReasoningDelta>(&event)) detail(*reasoning);
    }
    const Finished finished = finishedOf(events);
    json["text"] = textOf(events);
    json["reasoning"] = reasoningOf(events);
    json["reason"] = static_cast<int>(finished.reason);
    json["stop"] = finished.stopString;
    json["stop_token"] = finished.stopTokenId;
    json["tokens"] = finished.usage.completionTokens;
    json["reasoning_tokens"] = finished.usage.reasoningTokens;
    return json.dump();
}

struct Asked {
    const char* name;
    Request request;
    bool reasoning = false;
};

/// One request for everything that can end, forbid or report tokens.
std::vector<Asked> everything() {
    Request plain;
    plain.sampling.maxTokens = 60;
    plain.tokenIds = true;
    std::vector<Asked> all{{"greedy", plain}};
    const auto add = [&](const char* name, const std::function<void(Request&)>& change, bool reasoning = false) {
        all.push_back({name, plain, reasoning});
        change(all.back().request);
    };
    add("logprobs", [](Request& r) { r.topLogprobs = 3; });
    add("ignored EOS", [](Request& r) { r.sampling.ignoreEos = true; });
    add("at least 40 tokens", [](Request& r) { r.sampling.minTokens = 40; });
    for (const std::int32_t most : {1, 2, 3, 4, 5, 6, 7}) {
        add("few tokens", [&](Request& r) { r.sampling.maxTokens = most; });
    }
    add("stop strings", [](Request& r) { r.sampling.stop = {"ab", "e", "xyz", "k"}; });
    add("stop string that stays", [](Request& r) {
        r.sampling.stop = {"a", "m", "t", "o"};
        r.sampling.includeStopString = true;
    });
    add("stop tokens", [](Request& r) { r.sampling.stopTokenIds = {1, 5, 9, 13}; });
    add("biased", [](Request& r) { r.sampling.logitBias = {{3, 2.0F}, {7, -100.0F}, {kEos, -100.0F}}; });
    add("penalties", [](Request& r) {
        r.sampling.repetitionPenalty = 1.3F;
        r.sampling.presencePenalty = 0.5F;
        r.sampling.frequencyPenalty = 0.3F;
        r.sampling.ignoreEos = true;
    });
    for (const std::int32_t budget : {0, 1, 2, 5, 9}) {
        add(
            "thinking", [&](Request& r) { r.thinkingBudget = budget; }, true);
    }
    add("regular expression", [](Request& r) {
        r.structured = {sampling::structured::StructuredOutput::Kind::kRegex, "([aeiou][b-df-h]{1,3}){4,9}z", {}};
    });
    add("choice", [](Request& r) {
        r.structured = {
            sampling::structured::StructuredOutput::Kind::kChoice, "", {"abracadabra", "abrasive", "zebra"}};
    });
    for (const std::uint64_t seed : {1U, 2U, 3U, 4U, 5U, 6U}) {
        add("sampled", [&](Request& r) {
            r.sampling.temperature = 0.9F;
            r.sampling.seed = seed;
            if (seed > 1) r.sampling.topK = 8;
            if (seed > 2) r.sampling.topP = 0.9F;
            if (seed > 3) r.sampling.minP = 0.05F;
            if (seed > 4) r.sampling.repetitionPenalty = 1.1F;
            if (seed > 5) r.structured = {sampling::structured::StructuredOutput::Kind::kRegex, "[a-m]{5,30}z", {}};
            r.topLogprobs = 1;
        });
    }
    return all;
}

std::vector<std::string> outcomes(Machine& machine, const std::vector<Asked>& asked) {
    for (const Asked& one : asked) machine.submit("abcab", one.request, one.reasoning);
    std::vector<std::string> all;
    for (std::size_t i = 0; i < asked.size(); ++i) all.push_back(outcome(machine.log.wait(i)));
    return all;
}

}  // namespace

TEST_CASE("every kind of answer is the same with drafts that are right, wrong or half right, alone and together") {
    const std::vector<Asked> asked = everything();
    Machine plain(nullptr);
    const std::vector<std::string> expected = outcomes(plain, asked);
    CHECK(plain.scheduler->metrics().drafts == 0);
    for (const std::uint32_t in : {1U, 2U, 5U, 1'000'000U}) {
        for (const std::int32_t tokens : {1, 4, 16}) {
            for (const std::int32_t together : {1, 6, 64}) {
                CAPTURE(in, tokens, together);
                Machine machine(std::make_unique<Guesser>(in), {.maxRunning = together, .draftTokens = tokens});
                const std::vector<std::string> found = outcomes(machine, asked);
                for (std::size_t i = 0; i < asked.size(); ++i) {
                    INFO(asked[i].name);
                    CHECK(found[i] == expected[i]);
                }
                const Metrics metrics = machine.scheduler->metrics();
                CHECK(metrics.drafts > 0);
                CHECK(metrics.generationTokens == plain.scheduler->metrics().generationTokens);
                if (in > 1) CHECK(metrics.draftTokensAccepted > 0);
            }
        }
    }
}

TEST_CASE("prompt lookup on a repetitive text saves steps and changes nothing") {
    const auto again = [](const FakePipeline::History& history) {  // abcdefgabcdefg...
        return (history.back() + 1) % 7;
    };
    std::vector<std::uint64_t> steps;
    for (const bool drafting : {false, true}) {
        Machine machine(drafting ? makePromptLookupDrafter() : nullptr, {}, [&](FakePipeline& pipeline) {
            pipeline.shape = [&](const FakePipeline::History& history, std::span<float> row) {
                row[static_cast<std::size_t>(again(history))] = 10;
            };
        });
        Request request;
        request.sampling.maxTokens = 100;
        machine.submit("a", request);
        std::string expected;
        for (std::size_t i = 0; i < 100; ++i) expected += static_cast<char>('a' + (i + 1) % 7);
        CHECK(textOf(machine.log.wait()) == expected);
        const Metrics metrics = machine.scheduler->metrics();
        steps.push_back(metrics.steps);
        CHECK(metrics.draftMethod == (drafting ? "prompt-lookup" : ""));
        if (!drafting) continue;
        CHECK(metrics.draftTokensAccepted == metrics.draftTokens);
        REQUIRE(metrics.draftAcceptedAt.size() == 4);
        CHECK(metrics.draftAcceptedAt[0] == metrics.drafts);
    }
    CHECK(steps[0] == 100);
    CHECK(steps[1] < 35);
}

TEST_CASE("a drafted token that ends the answer counts as accepted") {
    Machine machine(makePromptLookupDrafter(), {}, [](FakePipeline& pipeline) {
        pipeline.shape = [](const FakePipeline::History& history, std::span<float> row) {
            row[static_cast<std::size_t>((history.back() + 1) % 7)] = 10;
        };
    });
    Request request;
    request.sampling.stop = {"g"};
    machine.submit("abcdefgabcdefgabc", request);
    CHECK(textOf(machine.log.wait()) == "def");
    const Metrics metrics = machine.scheduler->metrics();
    CHECK(metrics.generationTokens == 4);
    CHECK(metrics.draftTokensAccepted == 3);  // e, f, g after d
}

TEST_CASE("drafts take no memory from others") {
    for (const std::int64_t memory : {60, 64, 68, 80}) {
        CAPTURE(memory);
        std::vector<std::string> found;
        std::vector<std::uint64_t> preemptions;
        for (const bool drafting : {false, true}) {
            std::size_t most = 0;  // tokens fed at once
            Machine machine(
                drafting ? std::make_unique<Guesser>(1'000'000) : nullptr,
                {.maxPositions = 40, .kvTokens = memory, .kvPageTokens = 4, .maxRunning = 3, .draftTokens = 8},
                [&](FakePipeline& pipeline) {
                    pipeline.beforeStep = [&](const std::vector<std::size_t>& counts) {
                        for (const std::size_t count : counts) most = std::max(most, count);
                    };
                });
            Request request;
            request.sampling.ignoreEos = true;
            request.sampling.maxTokens = 15;
            for (int i = 0; i < 3; ++i) machine.submit("abcab", request);
            for (std::size_t i = 0; i < 3; ++i) found.push_back(outcome(machine.log.wait(i)));
            preemptions.push_back(machine.scheduler->metrics().preemptions);
            machine.scheduler.reset();
            if (drafting) CHECK(most > 1);
        }
        for (std::size_t i = 0; i < 3; ++i) CHECK(found[i] == found[i + 3]);
        CHECK(preemptions[1] <= preemptions[0]);
    }
}

TEST_CASE("a step that fails because of a draft is repeated without it") {
    class Poisoner final : public Drafter {
    public:
        [[nodiscard]] std::string_view name() const override { return "poisoner"; }
        [[nodiscard]] std::unique_ptr<DraftState> newState() override { return std::make_unique<DraftState>(); }
        void draft(std::span<DraftTask> tasks) override {
            for (DraftTask& task : tasks) {
                if (task.count > 0) task.draft = {kPoison};
            }
        }
    };
    Request request;
    request.sampling.maxTokens = 20;
    Machine plain(nullptr);
    plain.submit("abcab", request);
    const std::string expected = outcome(plain.log.wait());
    Machine machine(std::make_unique<Poisoner>(), {}, [](FakePipeline& pipeline) { pipeline.poison = kPoison; });
    machine.submit("abcab", request);
    machine.submit("abcab", request);
    CHECK(outcome(machine.log.wait(0)) == expected);
    CHECK(outcome(machine.log.wait(1)) == expected);
}

TEST_CASE("with drafts, tokens have the probabilities that sampling gives them") {
    // Two tokens after "ab", drawn 20000 times with other seeds; what they should be like is computed here.
    constexpr int kDraws = 20000;
    constexpr int kKept = 4;
    const auto probabilities = [](const FakePipeline::History& history) {
        std::vector<float> row(kVocab);
        shapeOf(history, row);
        std::vector<std::size_t> order(kVocab);
        for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
        std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return row[a] > row[b]; });
        std::map<std::int32_t, double> kept;
        double sum = 0;
        for (std::size_t i = 0; i < kKept; ++i) sum += std::exp(static_cast<double>(row[order[i]]) / 0.7);
        for (std::size_t i = 0; i < kKept; ++i) {
            kept[static_cast<std::int32_t>(order[i])] = std::exp(static_cast<double>(row[order[i]]) / 0.7) / sum;
        }
        return kept;
    };
    Machine machine(std::make_unique<Guesser>(2), {.maxWaiting = 2 * kDraws, .draftTokens = 2});
    Request request;
    request.sampling.temperature = 0.7F;
    request.sampling.topK = kKept;
    request.sampling.maxTokens = 3;
    request.sampling.ignoreEos = true;
    request.tokenIds = true;
    for (int i = 0; i < kDraws; ++i) {
        request.sampling.seed = static_cast<std::uint64_t>(i) * 7919 + 3;
        machine.submit("ab", request);
    }
    std::map<std::vector<std::int32_t>, int> counts;
    for (std::size_t i = 0; i < kDraws; ++i) {
        std::vector<std::int32_t> ids;
        for (const Event& event : machine.log.wait(i)) {
            if (const auto* delta = std::get_if<TextDelta>(&event)) {
                ids.insert(ids.end(), delta->tokenIds.begin(), delta->tokenIds.end());
            }
        }
        REQUIRE(ids.size() == 3);
        ++counts[ids];
    }
    double chiSquare = 0;
    int cells = 0;
    double rare = kDraws;  // expected and found in cells too small for the test
    int rareFound = kDraws;
    for (const auto& [first, p1] : probabilities({0, 1})) {
        for (const auto& [second, p2] : probabilities({0, 1, first})) {
            for (const auto& [third, p3] : probabilities({0, 1, first, second})) {
                const double expected = p1 * p2 * p3 * kDraws;
                if (expected < 5) continue;
                const int found = counts[{first, second, third}];
                chiSquare += (found - expected) * (found - expected) / expected;
                rare -= expected;
                rareFound -= found;
                ++cells;
            }
        }
    }
    REQUIRE(cells > 40);
    if (rare >= 5) {
        chiSquare += (rareFound - rare) * (rareFound - rare) / rare;
        ++cells;
    } else {
        CHECK(rareFound < 30);
    }
    // Wilson and Hilferty: the 99.9 % point of chi-square with n degrees of freedom. The seeds are fixed.
    const double n = cells - 1;
    const double limit = n * std::pow(1 - 2 / (9 * n) + 3.0902 * std::sqrt(2 / (9 * n)), 3);
    CAPTURE(cells, limit);
    CHECK(chiSquare < limit);
    CHECK(machine.scheduler->metrics().draftTokensAccepted > kDraws / 10);
}
