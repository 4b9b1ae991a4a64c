#include <catch2/catch.hpp>

#include "app/cli/draft_bench.h"
#include "app/cli/model_bench.h"
#include "app/cli/synthetic_checkpoint.h"
#include "engine/error.h"
#include "engine/model/load_plan.h"
#include "engine/model/weights.h"
#include "kernels/gemm/panels.h"

using namespace step3;

TEST_CASE("a benchmark reports every figure of its contract") {
    cli::ModelBenchOptions options;
    options.model = STEP3_TEST_DATA "/golden/tiny-bf16";
    options.threads = 1;
    options.prompt = 20;
    options.decode = 3;
    options.batch = 2;
    options.depth = 5;
    for (const auto format : {model::WeightFormat::kStored, model::WeightFormat::kInt4}) {
        options.weights.formats = model::WeightFormats::all(format);
        const Json report = cli::benchModel(options);
        CHECK(report["threads"] == 1);
        CHECK(report["isa"].is_string());
        for (const char* field : {"tokens_per_s", "tokens_per_s_cpu", "wall_s", "cpu_s", "load_s", "first_token_s",
                                  "rss_mib", "roofline_fraction", "prompt_tokens_per_s"}) {
            CAPTURE(field);
            REQUIRE(report.contains(field));
            CHECK(report[field].get<double>() > 0);
        }
        // 3 steps of 2 sequences.
        CHECK(report["tokens_per_s"].get<double>() * report["wall_s"].get<double>() == Approx(6));
        CHECK_THAT(cli::modelBenchText(report), Catch::Contains("decode") && Catch::Contains("prompt"));
    }
}

TEST_CASE("a benchmark of drafts reports both speeds and how many guesses were right") {
    cli::ModelBenchOptions options;
    options.model = STEP3_TEST_DATA "/golden/tiny-bf16";
    options.threads = 1;
    options.decode = 20;
    options.kvFormat = kernels::KvFormat::kF32;  // with these the answers repeat something to guess from
    Json report = cli::benchDrafts(options, {.mode = DraftMode::kPromptLookup, .tokens = 2, .always = true});
    CHECK(report["draft_method"] == "prompt-lookup");
    CHECK(report["draft_acceptance"].get<double>() >= 0);
    CHECK(report.contains("repeat_draft_acceptance"));  // null where nothing was guessed
    for (const std::string prefix : {"", "repeat_"}) {
        for (const char* field :
             {"plain_tokens_per_s", "plain_tokens_per_s_cpu", "draft_tokens_per_s", "draft_tokens_per_s_cpu"}) {
            CAPTURE(prefix, field);
            REQUIRE(report.contains(prefix + field));
            CHECK(report[prefix + field].get<double>() > 0);
        }
        CHECK(report[prefix + "draft_tokens_per_step"].get<double>() >= 1);
        CHECK(report[prefix + "draft_tokens_per_step"].get<double>() <= 3);
    }
    options.decode = 0;
    report.update(cli::benchModel(options));
    CHECK_THAT(cli::modelBenchText(report), Catch::Contains("drafts") && Catch::Contains("repetitive text"));
    CHECK_THROWS_WITH(
        cli::benchDrafts(options, {.mode = DraftMode::kMtp}),
        Catch::Contains("mtp.safetensors: expected a prediction module to draft with, found no such file"));
}

TEST_CASE("without tokens a benchmark only loads") {
    cli::ModelBenchOptions options;
    options.model = STEP3_TEST_DATA "/golden/tiny-bf16";
    const Json report = cli::benchModel(options);
    CHECK(report["load_s"].get<double>() > 0);
    CHECK_FALSE(report.contains("tokens_per_s"));
}

TEST_CASE("a benchmark of a folder without a model fails") {
    cli::ModelBenchOptions options;
    options.model = STEP3_TEST_DATA "/golden/images";
    CHECK_THROWS_AS(cli::benchModel(options), Error);
}

TEST_CASE("a synthetic checkpoint has every tensor of the architecture and takes the memory of the real one") {
    model::TextConfig text = cli::step3TextConfig(2, 1, 8);
    text.hiddenSize = 256;
    text.shareQDim = 128;
    text.intermediateSize = 384;
    text.moeIntermediateSize = text.shareExpertDim = 128;
    text.numHeads = 2;
    text.vocabSize = 512;
    for (const bool fp8 : {false, true}) {
        const auto checkpoint = cli::syntheticCheckpoint(text, fp8);
        for (const model::TensorSpec& spec : checkpoint->registry()) {
            CAPTURE(spec.name);
            REQUIRE(checkpoint->find(spec.name) != nullptr);
            CHECK(checkpoint->find(spec.name)->shape == spec.shape);
        }
        const kernels::WeightView last = checkpoint->matrix("model.layers.1.moe.up_proj.weight", 47);
        CHECK(last.dtype == (fp8 ? kernels::DType::kE4M3 : kernels::DType::kBF16));
        const std::int64_t experts = 48 * 3 * kernels::panelMatrixBytes(last.dtype, 128, 256);
        CHECK(model::packedBytes(*checkpoint, {}) > static_cast<std::uint64_t>(experts));
    }
    CHECK(cli::step3TextConfig(61, 5, 1).vocabSize == 128815);
}
