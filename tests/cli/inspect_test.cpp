// `step3 inspect`: figures against what the golden checkpoints hold, counted from their headers by another program.

#include <filesystem>

#include <catch2/catch.hpp>

#include "app/cli/inspection.h"
#include "app/cli/number_text.h"
#include "tests/cli/program.h"

using namespace step3;
using namespace step3::test;

namespace {

const std::string kGolden = STEP3_TEST_DATA "/golden";

std::string output(const std::vector<std::string>& arguments, const Environment& environment = {}) {
    const auto result = runProgram(arguments, {}, environment);
    INFO(result.errors);
    REQUIRE(result.status == 0);
    CHECK(result.errors.empty());
    return result.output;
}

Json inspected(const std::string& model) {
    return Json::parse(output({"inspect", "--json", "--model", model}));
}

/// Step3 as published, by rough figures, on a machine with `free` bytes.
cli::Inspection inspectionWith(std::uint64_t free) {
    cli::Inspection inspection;
    inspection.config.text.maxPositions = 1000;
    inspection.kvBytesPerToken = 2'000'000;
    inspection.config.text.isMoeLayer.assign(50, true);
    inspection.needs = {320'000'000'000, 40'000'000'000, 100'000'000, 2800, 3};
    inspection.memoryByFormat = {
        {"stored", 320'000'000'000}, {"fp8", 320'000'000'000}, {"int8", 340'000'000'000}, {"int4", 180'000'000'000}};
    inspection.machine.memoryFree = free;
    return inspection;
}

}  // namespace

TEST_CASE("inspect counts the golden checkpoints") {
    struct Expected {
        std::string model;
        std::uint64_t total, active, attention, ffn, vision, embeddings, kv;
        Json formats;
    };
    const Expected expected[] = {
        {"tiny-bf16", 2816672, 1791168, 1591680, 2801664, 650176, 589824, 6 * 2 * 64 * 2, {{"BF16", 5633344}}},
        {"tiny-fp8",
         5137088,
         3016064,
         838640,
         3835224,
         162432,
         786432,
         5 * 2 * 64 * 2,
         {{"BF16", 968064}, {"FP8", 4654664}}},
    };
    for (const Expected& item : expected) {
        const Json json = inspected(kGolden + "/" + item.model);
        INFO(json.dump(1));
        CHECK(json["model"]["name"] == item.model);
        CHECK(json["model"]["architecture"] == "Step3VLForConditionalGeneration");
        CHECK(json["parameters"]["total"] == item.total);
        CHECK(json["parameters"]["active"] == item.active);
        const Json& bytes = json["bytes"];
        CHECK(bytes["attention"] == item.attention);
        CHECK(bytes["ffn"] == item.ffn);
        CHECK(bytes["vision"] == item.vision);
        CHECK(bytes["embeddings"] == item.embeddings);
        CHECK(bytes["total"] == item.attention + item.ffn + item.vision + item.embeddings);
        CHECK(json["weight_formats"] == item.formats);
        CHECK(json["kv_bytes_per_token"] == item.kv);
        CHECK(json["needs"]["kv_cache"] == item.kv * 4096);
        CHECK(json["needs"]["weights_in_memory"]["int4"] < json["needs"]["weights_in_memory"]["stored"]);
        CHECK(json["bytes_read_per_token"] < bytes["total"]);
        const Json& machine = json["machine"];
        CHECK(machine["cores"] >= 1);
        CHECK(machine["memory_free"] <= machine["memory_total"]);
        CHECK(json["verdict"]["fits"] == "yes");
    }
}

TEST_CASE("inspect looks at the shipped model if none is named") {
    const Json json = Json::parse(output({"inspect", "--json"}));
    CHECK(json["model"]["name"] == "step3-mini");
    CHECK(json["model"]["vision"] == true);
    const std::uint64_t file = std::filesystem::file_size(shippedModel() / "model.safetensors");
    const std::uint64_t total = json["bytes"]["total"];
    CHECK(total < file);
    CHECK(total + 200'000 > file);  // the rest is the header
    CHECK(json["parameters"]["active"] < json["parameters"]["total"]);
}

TEST_CASE("inspect speaks to people") {
    const std::string text = output({"inspect", "--model", kGolden + "/tiny-fp8"});
    for (const char* line : {
             "tiny-fp8\n  architecture   Step3VLForConditionalGeneration, reads pictures and text\n",
             "\n  layers         5, 3 of them with 8 experts, 3 a token; hidden size 256\n",
             "\n  parameters     5.14 M, of which 3.02 M work on each token\n",
             "\n  weights        5.62 MB (BF16 968 kB, FP8 4.65 MB), of which 3.22 MB are read for each token\n"
             "    attention    839 kB\n    FFN          3.84 MB\n    vision       162 kB\n    embeddings   786 kB\n",
             "\n  KV cache       1.28 kB a token, 5.24 MB for a full context\n",
             "\nThis machine\n  processor      ",
             "\nIt fits: ",
         }) {
        CHECK_THAT(text, Catch::Contains(line));
    }
}

TEST_CASE("inspect judges with figures") {
    const auto roomy = cli::judge(inspectionWith(500'000'000'000));
    CHECK(roomy.fit == cli::Fit::kYes);
    CHECK(roomy.sentence ==
          "It fits: 320 GB of weights and 2.00 GB of KV cache for one full context against 500 GB of free memory.");
    const auto disk = cli::judge(inspectionWith(250'000'000'000));
    CHECK(disk.fit == cli::Fit::kFromDisk);
    CHECK(
        disk.sentence ==
        "It runs slowly, its experts read from disk as tokens need them: 320 GB of weights and 2.00 GB of KV cache "
        "for one full context against 250 GB of free memory. In memory are 40.0 GB that every token reads and 1191 of "
        "2800 experts of 100 MB; a token picks 150. With --quant int4 it would fit: 180 GB of weights.");
    const auto none = cli::judge(inspectionWith(24'000'000'000));
    CHECK(none.fit == cli::Fit::kNo);
    CHECK(none.sentence ==
          "It does not fit: 320 GB of weights and 2.00 GB of KV cache for one full context against 24.0 GB of free "
          "memory, and every token reads 40.0 GB besides its experts.");
}

TEST_CASE("inspect lists the kernels") {
    const Json json = Json::parse(output({"inspect", "--kernels", "--json"}, {{"STEP3_ISA", "scalar"}}))["kernels"];
    CHECK(json["active"] == "scalar");
    CHECK(json["compiled"][0] == "scalar");
    CHECK(json["available"].size() <= json["compiled"].size());
    REQUIRE(json["kernels"].size() > 10);
    for (const Json& kernel : json["kernels"]) {
        INFO(kernel.dump());
        CHECK(kernel["versions"][0] == "scalar");
        CHECK(kernel["active"] == "scalar");
        CHECK(kernel["versions"].size() <= json["compiled"].size());
    }
    const std::string text = output({"inspect", "--kernels"}, {{"STEP3_ISA", "scalar"}});
    CHECK_THAT(text, Catch::StartsWith("Instruction sets\n  compiled in  scalar"));
    CHECK_THAT(text, Catch::Contains("\n  active       scalar (STEP3_ISA chooses another)\n"));
    CHECK_THAT(text, Catch::Contains("\n  attention/attend_range"));
}

TEST_CASE("figures as people read them") {
    CHECK(cli::bytesText(0) == "0 bytes");
    CHECK(cli::bytesText(999) == "999 bytes");
    CHECK(cli::bytesText(1000) == "1.00 kB");
    CHECK(cli::bytesText(999'499) == "999 kB");
    CHECK(cli::bytesText(999'500) == "1.00 MB");
    CHECK(cli::bytesText(642'000'000'000) == "642 GB");
    CHECK(cli::bytesText(1'234'000'000'000'000) == "1234 TB");
    CHECK(cli::countText(321'000'000'000) == "321 B");
    CHECK(cli::countText(4'130'240) == "4.13 M");
}
