#include "app/cli/debug_command.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iostream>
#include <iterator>
#include <map>
#include <optional>
#include <sstream>
#include <variant>

#include <unistd.h>

#include "app/cli/debug_stages.h"
#include "engine/error.h"
#include "engine/model/config.h"
#include "kernels/cpu/isa.h"

namespace step3::cli {

namespace {

namespace fs = std::filesystem;

using JsonStage = Json (*)(const DebugInput&);
using TensorStage = TensorFile (*)(const DebugInput&);
using Stage = std::variant<JsonStage, TensorStage>;

/// In the order of the spec, which is the order of the help text.
const std::vector<std::pair<std::string, Stage>>& stages() {
    static const std::vector<std::pair<std::string, Stage>> kStages{
        {"tokenize", debugTokenize}, {"render", debugRender}, {"parse", debugParse},     {"image-plan", debugImagePlan},
        {"pixels", debugPixels},     {"vision", debugVision}, {"forward", debugForward}, {"generate", debugGenerate},
    };
    return kStages;
}

struct Options {
    std::string stage;
    fs::path model, tokenizer, in, out;
    std::string numerics = "float32", backend = "cpu", kernels = "auto";
};

[[noreturn]] void reject(const std::string& message) {
    throw Error(ErrorCode::kInvalidArgument, message);
}

std::string stageNames() {
    std::string names;
    for (const auto& [name, stage] : stages()) names += (names.empty() ? "" : ", ") + name;
    return names;
}

const Stage& findStage(const std::string& name) {
    for (const auto& [known, stage] : stages()) {
        if (known == name) return stage;
    }
    reject("unknown stage \"" + name + "\", expected one of " + stageNames());
}

/// Kernels of another instruction set are chosen by the variable that kernels/cpu/isa.h reads once at the first use.
void chooseKernels(const std::string& name) {
    if (name == "auto") return;
    const auto isa = kernels::parseIsa(name);
    if (!isa) {
        std::string names = "auto";
        for (const kernels::Isa known : kernels::kAllIsas) names += std::string(", ") + kernels::isaName(known);
        reject("--kernels: expected one of " + names + ", found \"" + name + "\"");
    }
    if (!kernels::isaAvailable(*isa)) reject("--kernels: this machine or program does not run " + name);
    ::setenv("STEP3_ISA", name.c_str(), 1);
}

Json parseInput(const std::string& text, const std::string& source) {
    constexpr int kMaxDepth = 200;
    try {
        return Json::parse(text, [&](int depth, Json::parse_event_t, Json&) {
            if (depth > kMaxDepth)
                throw Error(ErrorCode::kInvalidData,
                            source + ": nested deeper than " + std::to_string(kMaxDepth) + " levels");
            return true;
        });
    } catch (const Json::parse_error& error) {
        throw Error(ErrorCode::kInvalidData, source + ": expected JSON, found " + error.what());
    }
}

std::string readAll(const fs::path& file) {
    if (file.empty()) return {std::istreambuf_iterator<char>(std::cin), {}};
    if (fs::is_directory(file)) throw Error(ErrorCode::kIo, file.string() + ": expected a file, found a folder");
    std::ifstream stream(file, std::ios::binary);
    if (!stream) throw Error(ErrorCode::kNotFound, file.string() + ": cannot be opened");
    std::string text{std::istreambuf_iterator<char>(stream), {}};
    if (stream.bad()) throw Error(ErrorCode::kIo, file.string() + ": cannot be read");
    return text;
}

/// Writes beside the target and renames, so that a failure leaves no file and no half file. What is no regular file,
/// such as a pipe, is written directly.
void writeFile(const fs::path& file, const std::function<void(std::ostream&)>& write) {
    const bool direct = fs::exists(file) && !fs::is_regular_file(file);
    if (direct && fs::is_directory(file))
        throw Error(ErrorCode::kIo, file.string() + ": expected a file, found a folder");
    const fs::path target = direct ? file : fs::path(file.string() + ".part-" + std::to_string(::getpid()));
    std::error_code ignored;
    {
        std::ofstream stream(target, std::ios::binary);
        if (!stream) throw Error(ErrorCode::kIo, file.string() + ": cannot be written");
        write(stream);
        stream.close();
        if (!stream) {
            if (!direct) fs::remove(target, ignored);
            throw Error(ErrorCode::kIo, file.string() + ": cannot be written completely");
        }
    }
    if (direct) return;
    std::error_code error;
    fs::rename(target, file, error);
    if (error) {
        fs::remove(target, ignored);
        throw Error(ErrorCode::kIo, file.string() + ": cannot be replaced: " + error.message());
    }
}

void writeOutput(const fs::path& file, const std::function<void(std::ostream&)>& write) {
    if (!file.empty()) return writeFile(file, write);
    write(std::cout);
    std::cout.flush();
    if (!std::cout) throw Error(ErrorCode::kIo, "standard output: cannot be written");
}

void checkOptions(const Options& options, const Stage& stage) {
    if (options.numerics != "float32") {
        reject("--numerics: expected float32, found \"" + options.numerics + "\"");
    }
    if (options.backend != "cpu") reject("--backend: expected cpu, found \"" + options.backend + "\"");
    if (!options.tokenizer.empty() && options.stage != "tokenize")
        reject("--tokenizer: only the stage tokenize takes it");
    if (options.model.empty() && options.tokenizer.empty()) reject("--model: expected a model folder, found none");
    if (!options.model.empty() && !fs::is_directory(options.model)) {
        throw Error(ErrorCode::kNotFound, options.model.string() + ": expected a model folder, found none");
    }
    if (std::holds_alternative<TensorStage>(stage) && options.out.empty()) {
        reject("--out: the stage " + options.stage + " writes safetensors and needs a file");
    }
}

void runStage(const Options& options) {
    const Stage& stage = findStage(options.stage);
    checkOptions(options, stage);
    chooseKernels(options.kernels);
    DebugInput input;
    input.model = options.model;
    if (!options.tokenizer.empty()) input.tokenizer = options.tokenizer;
    input.imageFolder = options.in.empty() ? fs::current_path() : fs::absolute(options.in).parent_path();
    input.json = parseInput(readAll(options.in), options.in.empty() ? "standard input" : options.in.string());
    if (options.stage == "parse")
        model::loadModelConfig(options.model);  // needs nothing of it, but it is to be a model
    if (const auto* run = std::get_if<JsonStage>(&stage)) {
        const std::string text = (*run)(input).dump() + "\n";
        writeOutput(options.out, [&](std::ostream& out) { out << text; });
    } else {
        const TensorFile tensors = std::get<TensorStage>(stage)(input);
        writeOutput(options.out, [&](std::ostream& out) { tensors.write(out); });
    }
}

int report(std::string message) {
    for (char& c : message) {
        if (c == '\n' || c == '\r') c = ' ';
    }
    std::cerr << "step3 debug: " + message + "\n";
    return 1;
}

}  // namespace

int runDebug(std::vector<std::string> arguments) {
    Options options;
    CLI::App app("Run one stage of the engine and write what it computed", "step3 debug");
    app.add_option("stage", options.stage, "One of " + stageNames())->required();
    app.add_option("--model", options.model, "Model folder");
    app.add_option("--tokenizer", options.tokenizer,
                   "tokenizer.json or tokenizer.model, instead of --model (tokenize)");
    app.add_option("--in", options.in, "Input, JSON (default: standard input)");
    app.add_option("--out", options.out,
                   "Output, JSON or safetensors (default: standard output; safetensors need a file)");
    app.add_option("--numerics", options.numerics, "float32: weights dequantised, activations and KV cache float32");
    app.add_option("--backend", options.backend, "cpu");
    app.add_option("--kernels", options.kernels,
                   "auto, or the instruction set of the CPU kernels: scalar, avx2, avx512, avx512vnni");
    try {
        std::reverse(arguments.begin(), arguments.end());  // CLI11 takes them from the back
        app.parse(std::move(arguments));
        runStage(options);
        return 0;
    } catch (const CLI::CallForHelp&) {
        std::cout << app.help();
        return 0;
    } catch (const std::exception& error) {
        return report(error.what());
    }
}

void addDebugCommand(CLI::App& app, int& exitCode) {
    CLI::App* command = app.add_subcommand("debug", "Run one stage of the engine and write what it computed");
    // The arguments are taken as they are: errors in them follow the rules of the stage (one line, exit status 1).
    command->prefix_command();
    command->set_help_flag();
    command->callback([command, &exitCode] { exitCode = runDebug(command->remaining()); });
}

}  // namespace step3::cli
