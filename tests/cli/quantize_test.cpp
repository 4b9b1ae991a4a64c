// `step3 quantize` as a program: what it writes opens, goes on after an interruption, and what it refuses.

#include <filesystem>

#include <catch2/catch.hpp>

#include "engine/json.h"
#include "tests/cli/program.h"

using namespace step3;
using namespace step3::test;

namespace {

namespace fs = std::filesystem;

const std::string kTiny = STEP3_TEST_DATA "/golden/tiny-bf16";

ProgramResult quantize(const fs::path& out, std::vector<std::string> more) {
    std::vector<std::string> arguments{"quantize", "--out", out.string()};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return runProgram(arguments);
}

}  // namespace

TEST_CASE("quantize writes a model that answers") {
    const TemporaryFolder folder;
    const fs::path out = folder.path() / "mini-mixed";
    const auto result = quantize(out, {"--format", "mixed"});
    INFO(result.errors);
    REQUIRE(result.status == 0);
    CHECK(result.errors.empty());
    CHECK_THAT(result.output, Catch::StartsWith("mini-mixed: ") && Catch::Contains(" of weights (step3-mini has ") &&
                                  Catch::EndsWith(" in 1 file\n"));
    for (const char* name : {"tokenizer.model", "tokenizer_config.json", "preprocessor_config.json", "mtp.safetensors"})
        CHECK(readFile(out / name) == readFile(shippedModel() / name));
    const Json inspected = Json::parse(runProgram({"inspect", "--json", "--model", out.string()}).output);
    const Json& formats = inspected["weight_formats"];
    CHECK(formats.size() == 3);
    CHECK(formats.contains("BF16"));
    CHECK(formats.contains("int8"));
    CHECK(formats.contains("int4"));
    std::uint64_t total = 0;
    for (const auto& [name, bytes] : formats.items()) total += bytes.get<std::uint64_t>();
    CHECK(inspected["bytes"]["total"] == total);
    const std::uint64_t file = fs::file_size(out / "model-00001-of-00001.safetensors");
    CHECK(total < file);
    CHECK(total + 50'000 > file);  // the rest is the header
    const std::vector<std::string> question{"chat", "--json", "--temperature", "0", "--prompt", "Hello!", "--model"};
    auto direct = question;
    direct.push_back(out.string());
    auto loading = question;
    loading.insert(loading.end(), {shippedModel().string(), "--quant", "mixed"});
    const Json answer = Json::parse(runProgram(direct).output);
    CHECK(answer["text"] == Json::parse(runProgram(loading).output)["text"]);
    CHECK_FALSE(answer["text"].get<std::string>().empty());
}

TEST_CASE("quantize goes on where it was interrupted") {
    const TemporaryFolder folder;
    const fs::path out = folder.path() / "out";
    const std::vector<std::string> call{"--model", kTiny, "--format", "int8", "--shard", "1", "--jobs", "1"};
    REQUIRE(quantize(out, call).status == 0);
    const std::string first = "model-00001-of-00004.safetensors";
    const std::string last = "model-00004-of-00004.safetensors";
    REQUIRE(fs::exists(out / last));
    const std::string whole = readFile(out / first);
    const std::string end = readFile(out / last);
    fs::remove(out / "model.safetensors.index.json");
    fs::remove(out / last);
    fs::resize_file(out / first, 1000);
    writeFile(out / (last + ".unfinished"), "half of it");
    const auto again = quantize(out, call);
    INFO(again.errors);
    CHECK(again.status == 0);
    CHECK_THAT(again.output, Catch::EndsWith(" in 4 files, 2 of them kept from an earlier run\n"));
    CHECK(readFile(out / first) == whole);
    CHECK(readFile(out / last) == end);
    CHECK_FALSE(fs::exists(out / (last + ".unfinished")));
    CHECK(runProgram({"inspect", "--model", out.string()}).status == 0);
    const auto other = quantize(out, {"--model", kTiny, "--format", "int4"});
    CHECK(other.status == 1);
    CHECK(other.errors == "step3 quantize: " + out.string() +
                              ": expected what the same command left, found a quantisation of another source or with "
                              "other options; choose another folder or remove this one\n");
}

TEST_CASE("quantize refuses what would destroy something") {
    const TemporaryFolder folder;
    const std::string here = folder.path().string();
    writeFile(folder.path() / "letter.txt", "dear");
    const auto full = quantize(folder.path(), {"--model", kTiny, "--format", "int8"});
    CHECK(full.status == 1);
    CHECK(full.errors == "step3 quantize: " + here + ": expected an empty folder, found 1 file, letter.txt for one\n");
    const auto own = quantize(kTiny, {"--model", kTiny, "--format", "int8"});
    CHECK(own.status == 1);
    CHECK(own.errors == "step3 quantize: " + kTiny + ": expected a folder outside the source " + kTiny + "\n");
    const std::string see = " (see 'step3 quantize --help')\n";
    CHECK(quantize(folder.path() / "a", {"--format", "int2"}).errors ==
          "step3 quantize: --format: expected one of int8, int4, mixed, found \"int2\"" + see);
    CHECK(quantize(folder.path() / "a", {"--format", "int8", "--group", "48"}).errors ==
          "step3 quantize: --group: expected one of 32, 64, 128, found \"48\"" + see);
    CHECK(quantize(folder.path() / "a", {}).errors == "step3 quantize: --format is required" + see);
    CHECK_FALSE(fs::exists(folder.path() / "a"));
}

TEST_CASE("eval measures how far a model is from its reference") {
    const TemporaryFolder folder;
    const std::string text = (folder.path() / "text.txt").string();
    writeFile(text, "One two three four five six seven eight nine ten, and so on until nobody counts any more.");
    const std::string picture = STEP3_TEST_DATA "/golden/images/a_64x48.png";
    const auto sets = [&](std::vector<std::string> more) {
        std::vector<std::string> arguments{"eval", "--json"};
        arguments.insert(arguments.end(), more.begin(), more.end());
        const auto result = runProgram(arguments);
        INFO(result.errors);
        REQUIRE(result.status == 0);
        return Json::parse(result.output)["sets"];
    };
    const Json same = sets({"--text", text, "--image", picture});
    REQUIRE(same.size() == 3);
    CHECK(same[0]["name"] == "text.txt");
    CHECK(same[1]["name"] == "pictures");
    CHECK(same[2]["name"] == "total");
    CHECK(same[2]["tokens"] == same[0]["tokens"].get<int>() + same[1]["tokens"].get<int>());
    for (const Json& set : same) {
        CHECK(set["tokens"] > 4);
        CHECK(set["kl_mean"] < 1e-9);
        CHECK(set["kl_p99"] < 1e-9);
        CHECK(set["top1_agreement"] == 1.0);
        CHECK(set["perplexity"] == set["perplexity_reference"]);
        CHECK(set["perplexity"] > 1);
    }
    // Quantised on loading: further away with fewer bits.
    double before = 1e-6;
    for (const auto& [format, most] : {std::pair{"int8", 0.02}, {"mixed", 0.08}, {"int4", 0.6}}) {
        INFO(format);
        const Json total = sets({"--quant", format}).back();
        CHECK(total["tokens"] > 1000);
        CHECK(total["kl_mean"] > before);
        CHECK(total["kl_mean"] < most);
        CHECK(total["kl_p99"] > total["kl_mean"]);
        CHECK(total["top1_agreement"] < 1.0);
        CHECK(total["top1_agreement"] > 0.6);
        before = total["kl_mean"];
    }
    const auto other = runProgram({"eval", "--model", kTiny});
    CHECK(other.status == 1);
    CHECK_THAT(other.errors, Catch::StartsWith("step3 eval: " + kTiny +
                                               ": expected the reference's vocabulary of 2560 tokens, found "));
    const auto empty = runProgram({"eval", "--text", "/dev/null"});
    CHECK(empty.status == 1);
    CHECK_THAT(empty.errors, Catch::StartsWith("step3 eval: /dev/null: expected a"));
}
