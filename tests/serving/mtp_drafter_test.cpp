// The prediction module of the model that ships: guesses made step by step are those of one pass over the whole text.

#include "engine/serving/mtp_drafter.h"

#include <algorithm>
#include <cmath>
#include <filesystem>

#include <catch2/catch.hpp>

#include "engine/afd/pipeline.h"
#include "engine/model/prediction_module.h"
#include "engine/model/weights.h"
#include "kernels/gemm/linear.h"
#include "kernels/norm/rms_norm.h"

using namespace step3;
using namespace step3::serving;

namespace {

const std::filesystem::path kModel = std::filesystem::path(STEP3_SOURCE_DIR) / "resources" / "models" / "step3-mini";

using Ids = std::vector<std::int32_t>;

/// The trunk over a text, and the module's guesses after each of its tokens.
struct Reference {
    explicit Reference(Ids text) : ids(std::move(text)) {
        const auto base = model::openWeights(kModel, {}, pool);
        module = model::openPredictionModule(base, {}, pool);
        REQUIRE(module != nullptr);
        hidden = static_cast<std::size_t>(base->config().text.hiddenSize);
        vocab = static_cast<std::size_t>(base->config().text.vocabSize);
        const auto model = afd::Pipeline::createCpu(base, pool);
        const auto sequence = model->newSequence({});
        const afd::StepEntry entry{sequence.get(), ids, {}, false};
        model->step({&entry, 1});
        trunk.assign(model->trunk().begin(), model->trunk().end());
        embeddings = model->embed(ids);
    }

    /// eh_proj of (enorm(embedding after), hnorm(trunk)), in plain loops.
    [[nodiscard]] std::vector<float> join(std::span<const float> rows, std::span<const float> after) const {
        const auto count = static_cast<std::int64_t>(rows.size() / hidden);
        const auto width = static_cast<std::int64_t>(hidden);
        const float eps = module->config().text.rmsNormEps;
        const std::vector<float> enorm = module->floats("enorm.weight");
        const std::vector<float> hnorm = module->floats("hnorm.weight");
        std::vector<float> left(rows.size());
        std::vector<float> right(rows.size());
        kernels::rmsNormReference({after.data(), enorm.data(), left.data(), count, width, eps});
        kernels::rmsNormReference({rows.data(), hnorm.data(), right.data(), count, width, eps});
        std::vector<float> both;
        for (std::size_t t = 0; t < rows.size(); t += hidden) {
            both.insert(both.end(), left.begin() + static_cast<std::ptrdiff_t>(t),
                        left.begin() + static_cast<std::ptrdiff_t>(t + hidden));
            both.insert(both.end(), right.begin() + static_cast<std::ptrdiff_t>(t),
                        right.begin() + static_cast<std::ptrdiff_t>(t + hidden));
        }
        std::vector<float> joined(rows.size());
        const std::vector<float> matrix = module->floats("eh_proj.weight");
        kernels::WeightView w;
        w.data = matrix.data();
        w.dtype = kernels::DType::kF32;
        w.n = width;
        w.k = 2 * width;
        kernels::linearReference(both.data(), count, w, nullptr, joined.data());
        return joined;
    }

    /// The `count` tokens guessed to follow the first `length` of the text; the module sees them from `first` on.
    [[nodiscard]] Ids guesses(std::size_t first, std::size_t length, std::size_t count) {
        const auto pipeline = afd::Pipeline::createCpu(module, pool);
        const auto sequence = pipeline->newSequence({});
        std::vector<float> rows(trunk.begin() + static_cast<std::ptrdiff_t>(first * hidden),
                                trunk.begin() + static_cast<std::ptrdiff_t>((length - 1) * hidden));
        std::vector<float> after(embeddings.begin() + static_cast<std::ptrdiff_t>((first + 1) * hidden),
                                 embeddings.begin() + static_cast<std::ptrdiff_t>(length * hidden));
        Ids guessed;
        while (guessed.size() < count) {
            const std::vector<float> joined = join(rows, after);
            const Ids any(rows.size() / hidden, 0);
            const afd::StepEntry entry{sequence.get(), any, joined, false};
            const std::vector<float> logits = pipeline->step({&entry, 1});
            guessed.push_back(
                static_cast<std::int32_t>(std::max_element(logits.begin(), logits.end()) - logits.begin()));
            const auto last = pipeline->trunk().last(hidden);
            rows.assign(last.begin(), last.end());
            after = pipeline->embed(std::span(guessed).last(1));
        }
        return guessed;
    }

    [[nodiscard]] ReadRows rows(std::size_t begin, std::size_t end) const {
        return {std::span(ids).subspan(begin, end - begin),
                std::span(trunk).subspan(begin * hidden, (end - begin) * hidden),
                {}};
    }

    kernels::ThreadPool pool{2};
    Ids ids;
    std::shared_ptr<const model::Checkpoint> module;
    std::size_t hidden = 0, vocab = 0;
    std::vector<float> trunk;       // [T, H]
    std::vector<float> embeddings;  // [T, H]
};

Ids someText() {
    Ids ids;
    for (std::int32_t i = 0; i < 150; ++i) ids.push_back((i * 37 + i * i * 11) % 2000 + 20);
    return ids;
}

bool isThere() {
    if (std::filesystem::exists(kModel / model::kPredictionFile)) return true;
    WARN("resources/models/step3-mini has no prediction module; nothing checked");
    return false;
}

Ids draftOf(Drafter& drafter, DraftState& state, std::span<const std::int32_t> tokens, std::size_t count) {
    DraftTask task{&state, tokens, count};
    drafter.draft({&task, 1});
    return task.draft;
}

}  // namespace

TEST_CASE("the prediction module guesses the same however its text came, and whatever was guessed wrong before") {
    if (!isThere()) return;
    Reference reference(someText());
    const auto drafter = makeMtpDrafter(reference.module, reference.pool, {});
    CHECK(drafter->wantsTrunk());
    const std::span<const std::int32_t> ids = reference.ids;
    struct Step {
        std::size_t read;    // tokens
        std::size_t drafts;  // tokens guessed then; 0: none
    };
    const std::vector<std::vector<Step>> ways{
        {{20, 1}, {1, 1}, {1, 3}, {1, 2}, {3, 4}, {1, 0}, {2, 0}, {1, 2}},  // a prompt, then steps of an answer
        {{7, 0}, {7, 0}, {6, 2}, {1, 0}, {5, 1}},                           // in chunks
        {{100, 2}, {1, 1}, {40, 3}},                                        // more than waits for a draft
        {{1, 1}, {1, 1}},
    };
    for (const std::vector<Step>& way : ways) {
        const auto state = drafter->newState();
        std::size_t length = 0;
        for (const Step& step : way) {
            drafter->read(*state, reference.rows(length, length + step.read));
            length += step.read;
            CAPTURE(length, step.drafts);
            if (step.drafts == 0) continue;
            // The token after those read has been taken and not yet been read.
            CHECK(draftOf(*drafter, *state, ids.first(length + 1), step.drafts) ==
                  reference.guesses(0, length + 1, step.drafts));
        }
    }
}

TEST_CASE("the prediction module begins again after what it skipped, and guesses for several requests at once") {
    if (!isThere()) return;
    Reference reference(someText());
    const auto drafter = makeMtpDrafter(reference.module, reference.pool, {});
    const std::span<const std::int32_t> ids = reference.ids;
    const auto one = drafter->newState();
    const auto two = drafter->newState();
    const auto none = drafter->newState();
    drafter->skip(*one, reference.rows(0, 30));
    drafter->read(*two, reference.rows(0, 12));
    drafter->read(*one, reference.rows(30, 33));
    std::vector<DraftTask> tasks{
        {one.get(), ids.first(34), 3}, {none.get(), ids.first(5), 3}, {two.get(), ids.first(13), 2}};
    drafter->draft(tasks);
    CHECK(tasks[0].draft == reference.guesses(29, 34, 3));
    CHECK(tasks[1].draft.empty());  // it has not read anything
    CHECK(tasks[2].draft == reference.guesses(0, 13, 2));
}
