#include <functional>

#include <catch2/catch.hpp>

#include "engine/error.h"
#include "engine/model/checkpoint.h"
#include "engine/text/chat_template.h"
#include "engine/text/tokenizer.h"
#include "tests/model/tiny_checkpoint.h"

using namespace step3;
using test::Folder;
using test::safetensorsBytes;
using test::TinyCheckpoint;

namespace {

constexpr auto kBad = ErrorCode::kInvalidData;
constexpr auto kMissing = ErrorCode::kNotFound;
constexpr auto kUnsupported = ErrorCode::kUnsupported;

struct Outcome {
    ErrorCode code = ErrorCode::kInternal;
    std::string message = "no error";
};

template <typename Action>
Outcome failureOf(const Folder& folder, Action action) {
    try {
        action();
    } catch (const Error& error) {
        return {error.code(), folder.without(error.what())};
    }
    return {};
}

struct Case {
    std::string what;
    std::function<void(const Folder&)> make;
    ErrorCode code;
    std::string message;  // the folder is called DIR
};

/// A checkpoint changed by `change` and written in one file.
std::function<void(const Folder&)> changed(const std::function<void(TinyCheckpoint&)>& change, bool fp8 = false) {
    return [=](const Folder& folder) {
        TinyCheckpoint tiny(fp8);
        change(tiny);
        tiny.write(folder);
    };
}

/// The same of a checkpoint in groups.
std::function<void(const Folder&)> groups(const std::function<void(TinyCheckpoint&)>& change) {
    return [=](const Folder& folder) {
        TinyCheckpoint tiny = TinyCheckpoint::inGroups();
        change(tiny);
        tiny.write(folder);
    };
}

/// The same with the field of its configuration set to JSON.
std::function<void(const Folder&)> field(const std::string& name, const char* json) {
    return changed([=](TinyCheckpoint& tiny) { tiny.config[name] = Json::parse(json); });
}

/// A good configuration beside weights of these bytes.
std::function<void(const Folder&)> weights(const std::string& bytes) {
    return [=](const Folder& folder) {
        TinyCheckpoint().write(folder);
        folder.write("model.safetensors", bytes);
    };
}

std::function<void(const Folder&)> header(const std::string& text, std::size_t dataBytes = 16) {
    return weights(safetensorsBytes(text, dataBytes));
}

std::function<void(const Folder&)> index(const std::function<void(Json&)>& change) {
    return [=](const Folder& folder) { TinyCheckpoint().writeShards(folder, change); };
}

void check(const std::vector<Case>& cases, const std::function<void(const Folder&)>& open) {
    for (const Case& c : cases) {
        INFO(c.what);
        const Folder folder;
        c.make(folder);
        const Outcome outcome = failureOf(folder, [&] { open(folder); });
        CHECK(outcome.message == c.message);
        CHECK(outcome.code == c.code);
    }
}

const std::string kNorm = "model.norm.weight";
const std::string kGate = "model.layers.1.moe.gate_proj.weight";

}  // namespace

TEST_CASE("defects of a checkpoint's weights are named with file, tensor, expected and found") {
    const std::string whole = safetensorsBytes(TinyCheckpoint().tensors);
    const std::string st = "DIR/model.safetensors: ";
    const std::vector<Case> cases{
        {"empty file", weights(""), kBad, st + "expected at least 8 bytes of safetensors header, found 0"},
        {"less than a length", weights("1234567"), kBad,
         st + "expected at least 8 bytes of safetensors header, found 7"},
        {"header beyond the file", weights(std::string("\x40\0\0\0\0\0\0\0{}", 10)), kBad,
         st + "expected a header of 64 bytes, found only 2 bytes in the file"},
        {"absurd header length", weights(std::string(8, '\xFF') + "{}"), kBad,
         st + "expected a header of at most 104857600 bytes, found a length of 18446744073709551615"},
        {"a picture instead of weights", weights("\x89PNG\r\n\x1A\n 1234"), kBad,
         st + "expected a header of at most 104857600 bytes, found a length of 727905341920923785"},
        {"header is no JSON", header("{\"a\": "), kBad, st + "header: expected JSON, found a syntax error at byte 7"},
        {"header is a list", header("[]"), kBad, st + "expected a JSON object as safetensors header, found array"},
        {"header nested without end", header(std::string(2000, '[')), kBad,
         st + "header: expected JSON, found more than 64 levels of nesting"},
        {"one tensor twice in a file",
         header(
             R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"a":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}})"),
         kBad, st + "header: expected JSON, found \"a\" twice in one object"},
        {"entry without offsets", header(R"({"a":{"dtype":"U8","shape":[1]}})"), kBad,
         st + "tensor a: expected dtype, shape and data_offsets, found {\"dtype\":\"U8\",\"shape\":[1]}"},
        {"entry is a number", header(R"({"a":7})"), kBad,
         st + "tensor a: expected dtype, shape and data_offsets, found 7"},
        {"dtype is a number", header(R"({"a":{"dtype":3,"shape":[1],"data_offsets":[0,1]}})"), kBad,
         st + "tensor a: expected a dtype name, found 3"},
        {"shape is a text", header(R"({"a":{"dtype":"U8","shape":"1","data_offsets":[0,1]}})"), kBad,
         st + "tensor a: expected a shape of at most 8 numbers, found \"1\""},
        {"nine axes", header(R"({"a":{"dtype":"U8","shape":[1,1,1,1,1,1,1,1,1],"data_offsets":[0,1]}})"), kBad,
         st + "tensor a: expected a shape of at most 8 numbers, found [1,1,1,1,1,1,1,1,1]"},
        {"negative extent", header(R"({"a":{"dtype":"U8","shape":[-1],"data_offsets":[0,1]}})"), kBad,
         st + "tensor a: expected an unsigned extent, found -1"},
        {"extents that overflow",
         header(R"({"a":{"dtype":"F32","shape":[1099511627776,1099511627776],"data_offsets":[0,16]}})"), kBad,
         st + "tensor a: expected a tensor below 2^50 bytes, found shape [1099511627776,1099511627776]"},
        {"three offsets", header(R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1,2]}})"), kBad,
         st + "tensor a: expected two data_offsets, found [0,1,2]"},
        {"offset is a fraction", header(R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0.5,1]}})"), kBad,
         st + "tensor a: expected an unsigned data offset, found 0.5"},
        {"offsets backwards", header(R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[2,1]}})"), kBad,
         st + "tensor a: expected data_offsets in order, found [2,1]"},
        {"offsets behind the end", header(R"({"a":{"dtype":"U8","shape":[9],"data_offsets":[8,17]}})"), kBad,
         st + "tensor a: expected data inside the file's 16 data bytes, found data_offsets [8,17] (truncated file?)"},
        {"offsets near 2^64", header(R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,18446744073709551615]}})"),
         kBad,
         st + "tensor a: expected data inside the file's 16 data bytes, found data_offsets [0,18446744073709551615] "
              "(truncated file?)"},
        {"bytes do not fit the shape", header(R"({"a":{"dtype":"F32","shape":[3],"data_offsets":[0,8]}})"), kBad,
         st + "tensor a: expected 12 bytes for its dtype and shape, found 8"},
        {"overlapping tensors",
         header(
             R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"b":{"dtype":"U8","shape":[4],"data_offsets":[3,7]}})"),
         kBad, st + "tensor b: expected data of its own, found an overlap with tensor a"},
        {"truncated file", weights(whole.substr(0, whole.size() - 1)), kBad,
         st + "tensor lm_head.weight: expected data inside the file's 3455 data bytes, found data_offsets [3192,3456] "
              "(truncated file?)"},
        {"missing tensor", changed([](TinyCheckpoint& t) { t.remove(kNorm); }), kMissing,
         "DIR: tensor model.norm.weight: expected shape [6], found no such tensor"},
        {"wrong shape", changed([](TinyCheckpoint& t) {
             t.tensor(kNorm).shape = {2, 3};
         }),
         kBad, st + "tensor model.norm.weight: expected shape [6] [H], found [2, 3]"},
        {"experts swapped with rows", changed([](TinyCheckpoint& t) {
             t.tensor(kGate).shape = {3, 6, 3};
         }),
         kBad, st + "tensor " + kGate + ": expected shape [3, 3, 6] [E, F, H], found [3, 6, 3]"},
        {"wrong dtype", changed([](TinyCheckpoint& t) { t.tensor(kNorm).dtype = "I32"; }), kBad,
         st + "tensor model.norm.weight: expected dtype F32, F16 or BF16, found I32"},
        {"dtype nobody knows", changed([](TinyCheckpoint& t) { t.tensor(kNorm).dtype = "F8_E5M2"; }), kUnsupported,
         "DIR: tensor model.norm.weight: expected F32, F16, BF16 or F8_E4M3, found another dtype"},
        {"FP8 where it is not allowed", changed([](TinyCheckpoint& t) {
             t.tensor(kNorm) = {kNorm, "F8_E4M3", {6}, std::string(6, '\0')};
         }),
         kBad, st + "tensor model.norm.weight: expected dtype F32, F16 or BF16, found F8_E4M3"},
        {"FP8 without scales", changed([](TinyCheckpoint& t) { t.remove(kGate + "_scale_inv"); }, true), kMissing,
         st + "tensor " + kGate + ": expected scales in " + kGate + "_scale_inv, found no such tensor"},
        {"scales of a wrong shape",
         changed(
             [](TinyCheckpoint& t) {
                 t.tensor(kGate + "_scale_inv").shape = {3, 2, 1};
             },
             true),
         kBad, st + "tensor " + kGate + "_scale_inv: expected shape [3, 1, 2], found [3, 2, 1]"},
        {"scales of a wrong dtype",
         changed([](TinyCheckpoint& t) { t.tensor(kGate + "_scale_inv").dtype = "I32"; }, true), kBad,
         st + "tensor " + kGate + "_scale_inv: expected dtype F32, found I32"},
        {"a scale that is NaN",
         changed(
             [](TinyCheckpoint& t) {
                 t.tensor(kGate + "_scale_inv").bytes.replace(4, 4, std::string("\0\0\xC0\x7F", 4));
             },
             true),
         kBad, st + "tensor " + kGate + "_scale_inv: expected finite scales of at least 0, found nan at 1"},
        {"a negative scale",
         changed(
             [](TinyCheckpoint& t) {
                 t.tensor(kGate + "_scale_inv").bytes.replace(0, 4, std::string("\0\0\x80\xBF", 4));
             },
             true),
         kBad, st + "tensor " + kGate + "_scale_inv: expected finite scales of at least 0, found -1.000000 at 0"},
        {"an FP8 code that is NaN", changed([](TinyCheckpoint& t) { t.tensor(kGate).bytes[5] = '\xFF'; }, true), kBad,
         st + "tensor " + kGate + ": expected finite F8_E4M3 codes, found NaN at 5"},
        {"scales beside floats", changed([](TinyCheckpoint& t) {
             t.tensors.push_back({kGate + "_scale_inv", "F32", {1}, std::string(4, '\0')});
         }),
         kBad, st + "tensor " + kGate + ": expected dtype F8_E4M3 beside its scales, found F32"},
        {"groups without scales", groups([](TinyCheckpoint& t) { t.remove(kGate + "_scale"); }), kMissing,
         st + "tensor " + kGate + ": expected scales in " + kGate + "_scale, found no such tensor"},
        {"scales of groups of a wrong shape", groups([](TinyCheckpoint& t) {
             t.tensor(kGate + "_scale").shape = {3, 1, 3};
         }),
         kBad, st + "tensor " + kGate + "_scale: expected shape [3, 3, 1] (groups of 32), found [3, 1, 3]"},
        {"scales of groups of a wrong dtype",
         groups([](TinyCheckpoint& t) { t.tensor(kGate + "_scale").dtype = "F16"; }), kBad,
         st + "tensor " + kGate + "_scale: expected dtype BF16 (groups of 32), found F16"},
        {"a scale of a group that is NaN",
         groups([](TinyCheckpoint& t) { t.tensor(kGate + "_scale").bytes.replace(4, 2, std::string("\xC0\x7F", 2)); }),
         kBad, st + "tensor " + kGate + "_scale: expected finite scales, found nan at 2"},
        {"a scale of a group that is infinite", groups([](TinyCheckpoint& t) {
             t.tensor("lm_head.weight_scale").bytes.replace(0, 2, std::string("\x80\xFF", 2));
         }),
         kBad, st + "tensor lm_head.weight_scale: expected finite scales, found -inf at 0"},
        {"int8 codes where the configuration says int4", groups([](TinyCheckpoint& t) {
             t.tensor(kGate) = {kGate, "U8", {3, 3, 6}, std::string(54, '\x80')};
         }),
         kBad, st + "tensor " + kGate + ": expected shape [3, 3, 3] (int4, two a byte), found [3, 3, 6]"},
        {"floats where the configuration says int8", groups([](TinyCheckpoint& t) {
             t.tensor("lm_head.weight") = {"lm_head.weight", "F32", {11, 6}, std::string(264, '\0')};
         }),
         kBad, st + "tensor lm_head.weight: expected dtype U8 (int8), found F32"},
        {"codes where the configuration says nothing",
         groups([](TinyCheckpoint& t) { t.config.erase("quantization_config"); }), kBad,
         st + "tensor model.layers.0.self_attn.q_proj.weight: expected dtype F32, F16 or BF16 or F8_E4M3, found U8"},
        {"flat and nested name of one tensor", changed([](TinyCheckpoint& t) {
             t.tensors.push_back({"model.language_model.norm.weight", "F32", {6}, std::string(24, '\0')});
         }),
         kBad,
         st + "tensor model.language_model.norm.weight: expected one tensor of this name, found a second in "
              "model.safetensors"},
        {"a name with a line break", header("{\"a\\nb\":7}"), kBad,
         st + "tensor a b: expected dtype, shape and data_offsets, found 7"},
    };
    check(cases, [](const Folder& folder) { model::Checkpoint::open(folder.path()); });
}

TEST_CASE("defects of a checkpoint's files and index are named") {
    const std::string at = "DIR/model.safetensors.index.json: ";
    const std::vector<Case> cases{
        {"no folder", [](const Folder& f) { std::filesystem::remove_all(f.path()); }, kMissing,
         "DIR: expected a model folder, found none"},
        {"a file in place of the folder",
         [](const Folder& f) {
             std::filesystem::remove_all(f.path());
             std::filesystem::path file = f.path();
             Folder parent;
             parent.write("x", "x");
             std::filesystem::rename(parent / "x", file);
         },
         kMissing, "DIR: expected a model folder, found none"},
        {"an empty folder", [](const Folder&) {}, kMissing, "DIR/config.json: expected a readable file, found none"},
        {"no weights", [](const Folder& f) { f.write("config.json", TinyCheckpoint().config.dump()); }, kMissing,
         "DIR: expected model.safetensors or model.safetensors.index.json, found neither"},
        {"two files without an index",
         [](const Folder& f) {
             f.write("config.json", TinyCheckpoint().config.dump());
             f.write("a.safetensors", "");
             f.write("b.safetensors", "");
         },
         kMissing,
         "DIR: expected model.safetensors or model.safetensors.index.json, found 2 safetensors files without an index"},
        {"a folder in place of the weights",
         [](const Folder& f) {
             f.write("config.json", TinyCheckpoint().config.dump());
             std::filesystem::create_directory(f / "model.safetensors");
         },
         ErrorCode::kIo, "DIR/model.safetensors: expected a regular file, found something else"},
        {"a folder in place of config.json",
         [](const Folder& f) { std::filesystem::create_directory(f / "config.json"); }, ErrorCode::kIo,
         "DIR/config.json: expected a regular file, found something else"},
        {"index is no JSON",
         [](const Folder& f) {
             TinyCheckpoint().write(f);
             f.write("model.safetensors.index.json", "{weights}");
         },
         kBad, at + "expected JSON, found a syntax error at byte 2"},
        {"index is a list",
         [](const Folder& f) {
             TinyCheckpoint().write(f);
             f.write("model.safetensors.index.json", "[1]");
         },
         kBad, at + "expected a JSON object, found array"},
        {"index without a map", index([](Json& i) { i.erase("weight_map"); }), kBad,
         at + "field weight_map: expected tensor names with shard names, found nothing"},
        {"index with an empty map", index([](Json& i) { i["weight_map"] = Json::object(); }), kBad,
         at + "field weight_map: expected tensor names with shard names, found object"},
        {"index names a missing shard", index([](Json& i) { i["weight_map"][kNorm] = "c.safetensors"; }), kMissing,
         at + "tensor model.norm.weight: expected shard c.safetensors in this folder, found none"},
        {"index names a file elsewhere", index([](Json& i) { i["weight_map"][kNorm] = "../c.safetensors"; }), kBad,
         at + "tensor model.norm.weight: expected the name of a shard in this folder, found \"../c.safetensors\""},
        {"index names a number", index([](Json& i) { i["weight_map"][kNorm] = 2; }), kBad,
         at + "tensor model.norm.weight: expected the name of a shard in this folder, found 2"},
        {"index names the wrong shard", index([](Json& i) { i["weight_map"][kNorm] = "a.safetensors"; }), kBad,
         at + "tensor model.norm.weight: expected it in shard a.safetensors, found it in b.safetensors"},
        {"index names a tensor no shard has", index([](Json& i) { i["weight_map"]["ghost"] = "a.safetensors"; }), kBad,
         at + "tensor ghost: expected it in shard a.safetensors, found it nowhere"},
        {"one tensor in two shards",
         [](const Folder& f) {
             TinyCheckpoint tiny;
             tiny.writeShards(f, [](Json&) {});
             auto second = std::vector(tiny.tensors.begin() + static_cast<std::ptrdiff_t>(tiny.tensors.size() / 2),
                                       tiny.tensors.end());
             second.push_back(tiny.tensors.front());
             f.write("b.safetensors", safetensorsBytes(second));
         },
         kBad,
         "DIR/b.safetensors: tensor model.embed_tokens.weight: expected one tensor of this name, found a second in "
         "a.safetensors"},
    };
    check(cases, [](const Folder& folder) { model::Checkpoint::open(folder.path()); });
}

TEST_CASE("defects of a configuration are named with file, field, expected and found") {
    const std::string c = "DIR/config.json: field ";
    const auto text = [](const std::string& bytes) {
        return [=](const Folder& folder) { folder.write("config.json", bytes); };
    };
    const auto vision = [](const std::function<void(Json&)>& change, const char* preprocessor) {
        return [=](const Folder& folder) {
            Json config = TinyCheckpoint().config;
            config.erase("architectures");
            Json root = {{"architectures", {"Step3VLForConditionalGeneration"}},
                         {"text_config", config},
                         {"image_token_id", 3},
                         {"understand_projector_stride", 2},
                         {"vision_config",
                          {{"image_size", 112}, {"patch_size", 14}, {"hidden_size", 8}, {"num_attention_heads", 2}}}};
            change(root);
            folder.write("config.json", root.dump());
            if (preprocessor != nullptr) folder.write("preprocessor_config.json", preprocessor);
        };
    };
    const auto same = [](Json&) {};
    const std::vector<Case> cases{
        {"empty", text(""), kBad, "DIR/config.json: expected JSON, found a syntax error at byte 1"},
        {"nonsense", text("\x01\x02\xFF"), kBad, "DIR/config.json: expected JSON, found a syntax error at byte 1"},
        {"a list", text("[]"), kBad, "DIR/config.json: expected a JSON object, found array"},
        {"number out of range", text("{\"hidden_size\": 1e999}"), kBad,
         "DIR/config.json: expected JSON, found a number beyond double precision"},
        {"field twice", text(R"({"hidden_size": 1, "hidden_size": 2})"), kBad,
         "DIR/config.json: expected JSON, found \"hidden_size\" twice in one object"},
        {"nested without end", text("{\"a\":" + std::string(100000, '[')), kBad,
         "DIR/config.json: expected JSON, found more than 64 levels of nesting"},
        {"no architecture", text("{}"), kBad,
         c + "architectures: expected a list with one architecture, found nothing"},
        {"unknown architecture", field("architectures", R"(["LlamaForCausalLM"])"), kUnsupported,
         c + "architectures: expected Step3VLForConditionalGeneration or Step3TextForCausalLM, found "
             "\"LlamaForCausalLM\""},
        {"no hidden size", changed([](TinyCheckpoint& t) { t.config.erase("hidden_size"); }), kBad,
         c + "hidden_size: expected an integer from 1 to 16777216, found nothing"},
        {"hidden size is a text", field("hidden_size", R"("6")"), kBad,
         c + "hidden_size: expected an integer from 1 to 16777216, found \"6\""},
        {"hidden size is 0", field("hidden_size", "0"), kBad,
         c + "hidden_size: expected an integer from 1 to 16777216, found 0"},
        {"hidden size beyond 64 bits", field("hidden_size", "18446744073709551615"), kBad,
         c + "hidden_size: expected an integer from 1 to 16777216, found 18446744073709551615"},
        {"a size whose products would overflow", field("intermediate_size", "9223372036854775807"), kBad,
         c + "intermediate_size: expected an integer from 1 to 16777216, found 9223372036854775807"},
        {"odd head", field("head_dim", "5"), kBad, c + "head_dim: expected an even number, found 5"},
        {"several K heads", field("num_attention_groups", "8"), kUnsupported,
         c + "num_attention_groups: expected 1 (one shared K and V head), found 8"},
        {"more chosen than there are", field("moe_top_k", "4"), kBad,
         c + "moe_top_k: expected an integer from 1 to 3, found 4"},
        {"experts in a layer that is not there", field("moe_layers_enum", R"("1,2")"), kBad,
         c + "moe_layers_enum: expected layer numbers from 0 to 1, found 2"},
        {"experts in a layer without a number", field("moe_layers_enum", R"("1,x")"), kBad,
         c + "moe_layers_enum: expected layer numbers from 0 to 1, found \"x\""},
        {"RoPE scaling", field("rope_scaling", R"({"rope_type": "yarn", "factor": 4})"), kUnsupported,
         c + "rope_scaling.rope_type: expected \"default\" (RoPE scaling is not run), found \"yarn\""},
        {"RoPE scaling without a type", field("rope_scaling", R"({"factor": 4})"), kUnsupported,
         c + "rope_scaling: expected null or type \"default\" (RoPE scaling is not run), found {\"factor\":4}"},
        {"RoPE base of 0", field("rope_theta", "0"), kBad,
         c + "rope_theta: expected a number from 1 to 1e+12, found 0"},
        {"another activation", field("hidden_act", R"("gelu")"), kUnsupported,
         c + "hidden_act: expected \"silu\", found \"gelu\""},
        {"another quantisation", field("quantization_config", R"({"quant_method": "awq"})"), kUnsupported,
         c + "quantization_config.quant_method: expected \"fp8\" or \"step3_groups\", found \"awq\""},
        {"groups of a size nobody knows",
         groups([](TinyCheckpoint& t) { t.config["quantization_config"]["group_size"] = 48; }), kUnsupported,
         c + "quantization_config.group_size: expected 32, 64 or 128, found 48"},
        {"groups without a size",
         groups([](TinyCheckpoint& t) { t.config["quantization_config"].erase("group_size"); }), kBad,
         c + "quantization_config.group_size: expected an integer from 1 to 16777216, found nothing"},
        {"groups without formats", groups([](TinyCheckpoint& t) { t.config["quantization_config"].erase("formats"); }),
         kBad, c + "quantization_config.formats: expected an object, found nothing"},
        {"a format nobody knows",
         groups([](TinyCheckpoint& t) { t.config["quantization_config"]["formats"]["experts"] = "int2"; }),
         kUnsupported,
         c + "quantization_config.formats.experts: expected \"stored\", \"int8\" or \"int4\", found \"int2\""},
        {"no format for a part",
         groups([](TinyCheckpoint& t) { t.config["quantization_config"]["formats"].erase("lm_head"); }), kBad,
         c + "quantization_config.formats.lm_head: expected \"stored\", \"int8\" or \"int4\", found nothing"},
        {"blocks of size 0", field("quantization_config", R"({"quant_method": "fp8", "weight_block_size": [128, 0]})"),
         kBad, c + "quantization_config.weight_block_size: expected two positive integers, found [128,0]"},
        {"end token outside the vocabulary", field("eos_token_id", "11"), kBad,
         c + "eos_token_id: expected token ids from 0 to 10, found 11"},
        {"end token is a text", field("eos_token_id", R"(["</s>"])"), kBad,
         c + "eos_token_id: expected token ids from 0 to 10, found \"</s>\""},
        {"generation_config.json out of range",
         [](const Folder& f) {
             TinyCheckpoint().write(f);
             f.write("generation_config.json", R"({"top_p": 1.5})");
         },
         kBad, "DIR/generation_config.json: field top_p: expected a number from 0 to 1, found 1.5"},
        {"vision without preprocessor_config.json", vision(same, nullptr), kMissing,
         "DIR/preprocessor_config.json: expected a readable file, found none"},
        {"vision heads that do not divide",
         vision([](Json& r) { r["vision_config"]["num_attention_heads"] = 3; }, "{}"), kBad,
         c + "vision_config.num_attention_heads: expected a divisor of hidden_size 8, found 3"},
        {"picture token outside the vocabulary", vision([](Json& r) { r["image_token_id"] = 11; }, "{}"), kBad,
         c + "image_token_id: expected an integer from 0 to 10, found 11"},
        {"another picture size in the two files", vision(same, R"({"image_size": 728})"), kBad,
         "DIR/preprocessor_config.json: field image_size: expected 112 (vision_config.image_size), found 728"},
        {"a deviation of 0", vision(same, R"({"image_size": 112, "patch_size": 112, "num_image_feature_size": 4,
                                    "num_patch_feature_size": 4, "image_std": [1, 0, 1]})"),
         kBad, "DIR/preprocessor_config.json: field image_std: expected three numbers above 0.000000, found [1,0,1]"},
        {"a wrong number of picture tokens", vision(same, R"({"image_size": 112, "num_image_feature_size": 169})"),
         kBad,
         "DIR/preprocessor_config.json: field num_image_feature_size: expected 4 (from image_size, patch and stride), "
         "found 169"},
    };
    check(cases, [](const Folder& folder) { static_cast<void>(model::loadModelConfig(folder.path())); });
}

TEST_CASE("defects of tokenizer files and chat templates are named") {
    const auto file = [](const char* name, const std::string& bytes) {
        return [=](const Folder& folder) { folder.write(name, bytes); };
    };
    const std::vector<Case> tokenizers{
        {"no tokenizer", [](const Folder&) {}, kMissing,
         "DIR: expected tokenizer.json or tokenizer.model, found neither"},
        {"empty", file("tokenizer.json", ""), kBad,
         "DIR/tokenizer.json: expected JSON, found a syntax error at byte 1"},
        {"no pre-tokenizer", file("tokenizer.json", "{}"), kBad,
         "DIR/tokenizer.json: field pre_tokenizer: expected an object, found nothing"},
        {"type is a number", file("tokenizer.json", R"({"pre_tokenizer": {"type": 3}})"), kUnsupported,
         "DIR/tokenizer.json: field pre_tokenizer.type: expected Split or ByteLevel, found {\"type\":3}"},
        {"flag is a text",
         file("tokenizer.json", R"({"pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": "no"}})"), kBad,
         "DIR/tokenizer.json: field pre_tokenizer.add_prefix_space: expected true or false, found \"no\""},
        {"normalizer type is a number",
         file("tokenizer.json",
              R"({"pre_tokenizer": {"type": "ByteLevel"}, "normalizer": {"type": 1},
                  "model": {"type": "BPE", "vocab": {"a": 0}, "merges": []}})"),
         kUnsupported,
         "DIR/tokenizer.json: field normalizer: expected none (text is encoded as it is), found {\"type\":1}"},
        {"nested without end", file("tokenizer.json", "{\"a\":" + std::string(100000, '[')), kBad,
         "DIR/tokenizer.json: expected JSON, found more than 64 levels of nesting"},
        {"broken regular expression",
         file("tokenizer.json", R"({"pre_tokenizer": {"type": "Sequence", "pretokenizers": [{"type": "Split",
                                   "pattern": {"Regex": "(a"}, "behavior": "Isolated"}, {"type": "ByteLevel"}]}})"),
         kBad,
         "DIR/tokenizer.json: field pre_tokenizer.pattern: expected a regular expression, found at character 2: "
         "missing closing parenthesis"},
        {"a folder", [](const Folder& f) { std::filesystem::create_directory(f / "tokenizer.json"); }, kMissing,
         "DIR/tokenizer.json: expected a readable tokenizer file, found: Is a directory"},
    };
    check(tokenizers, [](const Folder& folder) { static_cast<void>(text::Tokenizer::fromFolder(folder.path())); });

    const auto source = [&](const std::string& jinja) {
        return file("tokenizer_config.json", Json{{"chat_template", jinja}}.dump());
    };
    const std::vector<Case> templates{
        {"no file", [](const Folder&) {}, kMissing, "DIR/tokenizer_config.json: expected a readable file, found none"},
        {"no JSON", file("tokenizer_config.json", "{"), kBad,
         "DIR/tokenizer_config.json: expected JSON, found a syntax error at byte 2"},
        {"no template", file("tokenizer_config.json", "{}"), kBad,
         "DIR/tokenizer_config.json: field chat_template: expected a template, found nothing"},
        {"template is a number", file("tokenizer_config.json", R"({"chat_template": 7})"), kBad,
         "DIR/tokenizer_config.json: field chat_template: expected a template, found number"},
        {"unknown statement", source("a\n{% import 'x' %}"), kUnsupported,
         "chat template, line 2: this program does not know the template construct 'import'"},
        {"open block", source("{% if true %}"), kBad,
         "chat template, line 1: expected {% elif %}, found the end of the template"},
        {"open expression", source("{{ 1"), kBad, "chat template, line 1: expected }}, found the end of the template"},
        {"no expression", source("{{ }}"), kBad, "chat template, line 1: expected an expression, found }}"},
        {"a chain as long as you like", source("{{ 1" + std::string(20000, '+') + "1 }}"), kUnsupported,
         "chat template, line 1: expected at most 100 levels of nesting, found more"},
        {"a sum as long as you like",
         [&](const Folder& f) {
             std::string sum = "1";
             for (int i = 0; i < 20000; ++i) sum += "+1";
             source("{{ " + sum + " }}")(f);
         },
         kUnsupported, "chat template, line 1: expected an expression of at most 200 levels, found more"},
    };
    check(templates, [](const Folder& folder) { static_cast<void>(text::ChatTemplate::fromFolder(folder.path())); });
}
