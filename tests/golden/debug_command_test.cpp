// `step3 debug` as a process, compared with the golden data (tolerances: tests/golden/README.md).

#include <algorithm>
#include <cmath>
#include <set>

#include <catch2/catch.hpp>

#include "tests/cli/program.h"
#include "tests/image/safetensors_file.h"

using namespace step3;
using namespace step3::test;

namespace {

const std::vector<std::string> kModels{"tiny-bf16", "tiny-fp8"};

/// Runs `step3 debug` with these arguments.
ProgramResult runDebug(std::vector<std::string> arguments, const std::string& input) {
    arguments.insert(arguments.begin(), "debug");
    return runProgram(arguments, input);
}

std::string model(const std::string& name) {
    return (golden() / name).string();
}

/// Runs a stage from standard input to standard output.
Json runJson(const std::string& stage, const std::string& modelFolder, const Json& input) {
    const auto result = runDebug({stage, "--model", modelFolder}, input.dump());
    INFO(result.errors);
    REQUIRE(result.status == 0);
    CHECK(result.errors.empty());
    return Json::parse(result.output);
}

/// Runs a stage from file to file.
std::map<std::string, GoldenTensor> runTensors(const std::string& stage, const std::string& modelFolder,
                                               const Json& input, const std::vector<std::string>& more = {}) {
    const TemporaryFolder folder;
    const auto in = folder.path() / "in.json";
    const auto out = folder.path() / "out.safetensors";
    writeFile(in, input.dump());
    std::vector<std::string> arguments{stage, "--model", modelFolder, "--in", in.string(), "--out", out.string()};
    arguments.insert(arguments.end(), more.begin(), more.end());
    const auto result = runDebug(arguments, "");
    INFO(result.errors);
    REQUIRE(result.status == 0);
    CHECK(result.output.empty());
    return readSafetensors(out);
}

void checkClose(const std::string& name, const GoldenTensor& found, const GoldenTensor& expected, double tolerance) {
    INFO(name);
    REQUIRE(found.shape == expected.shape);
    double largest = 0;
    for (std::size_t i = 0; i < expected.values.size(); ++i) {
        largest = std::max(largest, std::abs(found.values[i] - expected.values[i]));
    }
    CHECK(largest <= tolerance);
}

/// Rows of `tensor` at the kept positions.
GoldenTensor rowsAt(const GoldenTensor& tensor, const std::vector<double>& positions) {
    GoldenTensor kept{tensor.shape, {}};
    kept.shape[0] = static_cast<std::int64_t>(positions.size());
    const std::size_t width = tensor.values.size() / static_cast<std::size_t>(tensor.shape[0]);
    for (const double position : positions) {
        const auto row =
            tensor.values.begin() + static_cast<std::ptrdiff_t>(static_cast<std::size_t>(position) * width);
        kept.values.insert(kept.values.end(), row, row + static_cast<std::ptrdiff_t>(width));
    }
    return kept;
}

Json imagePrompt(const std::vector<std::string>& files) {
    Json content = Json::array();
    Json images = Json::array();
    for (const std::string& file : files) {
        content.push_back({{"type", "image"}});
        images.push_back(goldenPicture(file).string());
    }
    content.push_back({{"type", "text"}, {"text", "Please describe."}});
    return {{"messages", Json::array({{{"role", "system"}, {"content", "You are a helpful assistant."}},
                                      {{"role", "user"}, {"content", content}}})},
            {"images", images}};
}

/// The request whose result is the golden file `stem`.
Json requestFor(const std::string& modelName, const std::string& stem) {
    if (stem.starts_with("image_")) return imagePrompt({stem.substr(6)});
    const auto tensors = readSafetensors(golden() / "model" / modelName / (stem + ".safetensors"));
    Json ids = Json::array();
    for (const double id : tensors.at("input_ids").values) ids.push_back(static_cast<std::int64_t>(id));
    return {{"input_ids", ids}};
}

std::vector<std::string> stems(const std::string& modelName, const std::string& prefix) {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(golden() / "model" / modelName)) {
        const std::string stem = entry.path().stem().string();
        if (entry.path().extension() == ".safetensors" && stem.starts_with(prefix)) names.push_back(stem);
    }
    return names;
}

}  // namespace

TEST_CASE("tokenize: ids and text of every golden case") {
    const Json golden = readJson(test::golden() / "tokenizer" / "tiny.json");
    Json texts = Json::array();
    for (const Json& item : golden["cases"]) texts.push_back(item["text"]);
    const Json found = runJson("tokenize", model("tiny-bf16"), {{"texts", texts}});
    REQUIRE(found["cases"].size() == golden["cases"].size());
    for (std::size_t i = 0; i < texts.size(); ++i) {
        for (const char* key : {"ids", "decoded", "decoded_skip_special"}) {
            CHECK(found["cases"][i][key] == golden["cases"][i][key]);
        }
    }
    CHECK(runJson("tokenize", model("tiny-bf16"), {{"texts", Json::array()}})["cases"].empty());
}

TEST_CASE("tokenize takes a tokenizer file instead of a model") {
    const auto result =
        runDebug({"tokenize", "--tokenizer", model("tiny-bf16") + "/tokenizer.json"}, R"({"texts":["<|EOT|>"]})");
    REQUIRE(result.status == 0);
    CHECK(Json::parse(result.output)["cases"][0]["decoded_skip_special"] == "");
}

TEST_CASE("render: text and ids of every golden prompt") {
    const Json golden = readJson(test::golden() / "chat" / "prompts.json");
    const Json found = runJson("render", model("tiny-bf16"), {{"cases", golden["cases"]}});
    REQUIRE(found["cases"].size() == golden["cases"].size());
    for (std::size_t i = 0; i < found["cases"].size(); ++i) {
        CHECK(found["cases"][i]["rendered"] == golden["cases"][i]["rendered"]);
        CHECK(found["cases"][i]["ids"] == golden["cases"][i]["tiny_ids"]);
    }
}

TEST_CASE("parse: reasoning and tool calls of every golden text") {
    const Json golden = readJson(test::golden() / "chat" / "parsers.json");
    Json texts = Json::array();
    for (const Json& item : golden["cases"]) texts.push_back(item["text"]);
    const Json found = runJson("parse", model("tiny-bf16"), {{"tools", golden["tools"]}, {"texts", texts}});
    REQUIRE(found["cases"].size() == golden["cases"].size());
    for (std::size_t i = 0; i < texts.size(); ++i) {
        for (const char* key :
             {"reasoning", "content_after_reasoning", "tool_parse_of_content", "tool_parse_of_whole_text"}) {
            INFO(golden["cases"][i]["text"]);
            CHECK(found["cases"][i].at(key) == golden["cases"][i][key]);
        }
    }
}

TEST_CASE("image-plan: the table of sizes, token counts from the model") {
    const Json table = readJson(golden() / "images" / "plan_table.json")["rows"];
    Json sizes = Json::array();
    for (const Json& row : table) sizes.push_back({row[0], row[1]});
    for (const std::string& name : kModels) {
        const Json config = readJson(golden() / name / "preprocessor_config.json");
        const Json found = runJson("image-plan", model(name), {{"sizes", sizes}})["rows"];
        REQUIRE(found.size() == table.size());
        std::size_t wrong = 0;
        for (std::size_t i = 0; i < table.size(); ++i) {
            Json expected = table[i];
            expected[10] = expected[8].get<int>() * (config["num_patch_feature_size"].get<int>() + 2) +
                           expected[9].get<int>() + config["num_image_feature_size"].get<int>() + 2;
            if (found[i] != expected) ++wrong;
        }
        CHECK(wrong == 0);
    }
}

TEST_CASE("pixels: complete tensors of the small geometry, no other names") {
    const auto found =
        runTensors("pixels", model("tiny-fp8"),
                   {{"images", {goldenPicture("a_64x48.png").string(), goldenPicture("c_300x120.png").string()}}});
    std::set<std::string> names;
    for (const std::string file : {"a_64x48.png", "c_300x120.png"}) {
        const std::string index = file[0] == 'a' ? "0." : "1.";
        const auto expected = readSafetensors(golden() / "pixels" / "tiny-fp8" / (file + ".safetensors"));
        for (const auto& [name, tensor] : expected) {
            if (name.ends_with(".mean_std")) continue;
            names.insert(index + name);
            REQUIRE(found.count(index + name) == 1);
            checkClose(index + name, found.at(index + name), tensor, 5e-6);
        }
    }
    CHECK(found.size() == names.size());
}

TEST_CASE("vision: embeddings of the golden pictures") {
    for (const std::string& name : kModels) {
        const auto files = stems(name, "vision_");
        REQUIRE_FALSE(files.empty());
        Json images = Json::array();
        for (const std::string& stem : files) images.push_back(goldenPicture(stem.substr(7)).string());
        const auto found = runTensors("vision", model(name), {{"images", images}});
        CHECK(found.size() == files.size());
        for (std::size_t i = 0; i < files.size(); ++i) {
            const auto expected = readSafetensors(golden() / "model" / name / (files[i] + ".safetensors"));
            checkClose(files[i], found.at(std::to_string(i) + ".image_embeds"), expected.at("image_embeds"), 1e-3);
        }
    }
}

TEST_CASE("forward: hidden states, experts and logits of text and picture prompts") {
    for (const std::string& name : kModels) {
        auto files = stems(name, "text_");
        const auto pictures = stems(name, "image_");
        files.insert(files.end(), pictures.begin(), pictures.end());
        for (const std::string& stem : files) {
            const auto expected = readSafetensors(golden() / "model" / name / (stem + ".safetensors"));
            const auto found = runTensors("forward", model(name), requestFor(name, stem));
            const auto& positions = expected.at("positions").values;
            CHECK(found.at("input_ids").values == expected.at("input_ids").values);
            std::size_t compared = 0;
            for (const auto& [key, tensor] : expected) {
                const bool flipped = key.ends_with("expert_ids");  // exact where the gap to the next expert is not tiny
                if (flipped) {
                    const auto& gaps = expected.at(key.substr(0, key.find('.')) + ".topk_gap").values;
                    const auto width = static_cast<std::size_t>(tensor.shape[1]);
                    REQUIRE(found.at(key).shape == tensor.shape);
                    for (std::size_t row = 0; row < gaps.size(); ++row) {
                        if (gaps[row] <= 1e-5) continue;
                        const auto set = [&](const GoldenTensor& t) {
                            const auto at = t.values.begin() + static_cast<std::ptrdiff_t>(row * width);
                            return std::set<double>(at, at + static_cast<std::ptrdiff_t>(width));
                        };
                        CHECK(set(found.at(key)) == set(tensor));
                    }
                    continue;
                }
                const bool states = key == "embeds" || key == "final_norm" || key.ends_with(".out") ||
                                    key.ends_with(".after_attn") || key.ends_with(".router_logits");
                if (!states && key != "logits") continue;
                INFO(name << " " << stem);
                REQUIRE(found.count(key) == 1);
                checkClose(key, rowsAt(found.at(key), positions), tensor, key == "logits" ? 2e-3 : 1e-3);
                ++compared;
            }
            CHECK(compared > 5);
            for (const char* absent : {"positions", "argmax_all", "layer1.topk_gap"}) CHECK(found.count(absent) == 0);
        }
    }
}

TEST_CASE("forward: every kernel set gives the golden logits with mapped and with repacked weights") {
    const auto expected = readSafetensors(golden() / "model" / "tiny-fp8" / "text_english.safetensors");
    for (const char* load : {"read", "offload", "mmap"}) {
        ::setenv("STEP3_LOAD", load, 1);
        for (const char* kernels : {"scalar", "auto"}) {
            INFO(load << " " << kernels);
            const std::vector<std::string> options = std::string(kernels) == "auto"
                                                         ? std::vector<std::string>{}
                                                         : std::vector<std::string>{"--kernels", kernels};
            const auto found =
                runTensors("forward", model("tiny-fp8"), requestFor("tiny-fp8", "text_english"), options);
            checkClose("logits", rowsAt(found.at("logits"), expected.at("positions").values), expected.at("logits"),
                       2e-3);
        }
    }
    ::unsetenv("STEP3_LOAD");
}

TEST_CASE("generate: greedy tokens and margins") {
    const Json golden = readJson(test::golden() / "model" / "generation.json");
    for (const std::string& name : kModels) {
        std::vector<std::string> names;
        for (const auto& [key, value] : golden[name].items()) {
            const bool text = !key.starts_with("image_");
            const auto file = test::golden() / "model" / name / ((text ? "text_" : "") + key + ".safetensors");
            if (std::filesystem::exists(file) && key.find('+') == std::string::npos) names.push_back(key);
        }
        REQUIRE_FALSE(names.empty());
        Json requests = Json::array();
        for (const std::string& key : names) {
            requests.push_back(requestFor(name, key.starts_with("image_") ? key : "text_" + key));
        }
        const auto steps = golden[name][names[0]]["tokens"].size();
        const Json results =
            runJson("generate", model(name), {{"requests", requests}, {"max_tokens", steps}})["results"];
        REQUIRE(results.size() == names.size());
        for (std::size_t i = 0; i < names.size(); ++i) {
            const Json& expected = golden[name][names[i]];
            INFO(name << " " << names[i]);
            CHECK(results[i]["prompt_tokens"] == expected["prompt_tokens"]);
            REQUIRE(results[i]["tokens"].size() == steps);
            REQUIRE(results[i]["margins"].size() == steps);
            for (std::size_t step = 0; step < steps && expected["margins"][step] >= 1e-3; ++step) {
                CHECK(results[i]["tokens"][step] == expected["tokens"][step]);
                CHECK(results[i]["margins"][step].get<double>() ==
                      Approx(expected["margins"][step].get<double>()).margin(4e-3));
            }
        }
    }
}

TEST_CASE("errors: status 1, one line, nothing on standard output, no file") {
    const std::string fp8 = model("tiny-fp8");
    const std::string picture = (golden() / "images" / "a_64x48.png").string();
    Json noImage = imagePrompt({"a_64x48.png"});
    noImage["images"] = Json::array();
    Json twoImages = imagePrompt({"a_64x48.png"});
    twoImages["images"].push_back(picture);
    struct Case {
        std::string name;
        std::vector<std::string> arguments;
        std::string input;
        std::string message;  // part of it
        bool out = false;     // with --out
    };
    const std::vector<Case> cases{
        {"no stage", {}, "{}", "stage"},
        {"unknown stage", {"no-such-stage", "--model", fp8}, "{}", "no-such-stage"},
        {"unknown option", {"render", "--model", fp8, "--colour"}, "{}", "--colour"},
        {"no model", {"render"}, R"({"cases":[]})", "--model"},
        {"model folder missing", {"render", "--model", "/no/such/folder"}, R"({"cases":[]})", "/no/such/folder"},
        {"model without config",
         {"parse", "--model", (golden() / "images").string()},
         R"({"texts":[]})",
         "config.json"},
        {"input not JSON", {"tokenize", "--model", fp8}, R"({"texts": [)", "JSON"},
        {"input of wrong type", {"tokenize", "--model", fp8}, "[]", "object"},
        {"too deep", {"tokenize", "--model", fp8}, std::string(100000, '['), "deep"},
        {"field missing", {"tokenize", "--model", fp8}, "{}", "texts"},
        {"field of wrong type", {"tokenize", "--model", fp8}, R"({"texts":[1]})", "texts[0]"},
        {"messages missing", {"render", "--model", fp8}, R"({"cases":[{}]})", "cases[0].messages"},
        {"role missing", {"render", "--model", fp8}, R"({"cases":[{"messages":[{}]}]})", "messages[0].role"},
        {"input file missing", {"tokenize", "--model", fp8, "--in", "/no/such/file.json"}, "", "/no/such/file.json"},
        {"input is a folder", {"tokenize", "--model", fp8, "--in", fp8}, "", "folder"},
        {"size of wrong form", {"image-plan", "--model", fp8}, R"({"sizes":[[1]]})", "sizes[0]"},
        {"size zero", {"image-plan", "--model", fp8}, R"({"sizes":[[0,5]]})", "sizes[0][0]"},
        {"tensors without --out", {"forward", "--model", fp8}, R"({"input_ids":[1]})", "--out"},
        {"image missing", {"pixels", "--model", fp8}, R"({"images":["no-such-image.png"]})", "no-such-image.png", true},
        {"image not decodable",
         {"pixels", "--model", fp8},
         Json{{"images", {(golden() / "images" / "plans.json").string()}}}.dump(),
         "plans.json",
         true},
        {"fewer images", {"forward", "--model", fp8}, noImage.dump(), "1 image placeholders, but 0 images", true},
        {"more images", {"forward", "--model", fp8}, twoImages.dump(), "1 image placeholders, but 2 images", true},
        {"id out of range", {"forward", "--model", fp8}, R"({"input_ids":[1000000]})", "input_ids[0]", true},
        {"id negative", {"forward", "--model", fp8}, R"({"input_ids":[-1]})", "input_ids[0]", true},
        {"id huge", {"forward", "--model", fp8}, R"({"input_ids":[18446744073709551615]})", "input_ids[0]", true},
        {"id no integer", {"forward", "--model", fp8}, R"({"input_ids":[1.5]})", "input_ids[0]", true},
        {"no tokens", {"forward", "--model", fp8}, R"({"input_ids":[]})", "at least one token", true},
        {"max_tokens missing", {"generate", "--model", fp8}, R"({"requests":[]})", "max_tokens"},
        {"max_tokens zero", {"generate", "--model", fp8}, R"({"requests":[],"max_tokens":0})", "max_tokens"},
        {"beyond the context",
         {"generate", "--model", fp8},
         R"({"requests":[{"input_ids":[1]}],"max_tokens":100000})",
         "context"},
        {"unknown numerics", {"parse", "--model", fp8, "--numerics", "int4"}, R"({"texts":[]})", "int4"},
        {"unknown backend", {"parse", "--model", fp8, "--backend", "abacus"}, R"({"texts":[]})", "abacus"},
        {"unknown kernels", {"parse", "--model", fp8, "--kernels", "mmx"}, R"({"texts":[]})", "mmx"},
        {"output in no folder",
         {"parse", "--model", fp8, "--out", "/no/such/folder/x.json"},
         R"({"texts":[]})",
         "/no/such"},
    };
    for (const Case& item : cases) {
        const TemporaryFolder folder;
        const auto out = folder.path() / "out" / "file";
        std::filesystem::create_directory(out.parent_path());
        auto arguments = item.arguments;
        if (item.out) arguments.insert(arguments.end(), {"--out", out.string()});
        const auto result = runDebug(arguments, item.input);
        INFO(item.name << ": " << result.errors);
        CHECK(result.status == 1);
        CHECK(result.output.empty());
        CHECK(std::count(result.errors.begin(), result.errors.end(), '\n') == 1);
        CHECK(result.errors.ends_with('\n'));
        CHECK_THAT(result.errors, Catch::Contains(item.message));
        CHECK(std::filesystem::is_empty(out.parent_path()));
    }
}

TEST_CASE("pictures are found relative to the input file") {
    const TemporaryFolder folder;
    std::filesystem::create_directory(folder.path() / "sub");
    std::filesystem::copy_file(golden() / "images" / "a_64x48.png", folder.path() / "sub" / "p.png");
    writeFile(folder.path() / "in.json", R"({"images":["sub/p.png"]})");
    const auto out = (folder.path() / "out").string();
    const auto result = runDebug(
        {"pixels", "--model", model("tiny-fp8"), "--in", (folder.path() / "in.json").string(), "--out", out}, "");
    INFO(result.errors);
    CHECK(result.status == 0);
    CHECK(readSafetensors(out).count("0.global") == 1);
}
