// Time of the path from an encoded picture to the model's input, one thread, step by step.
//
// step3_image_bench [--repeat N] PICTURE...
#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <ctime>
#include <exception>
#include <fstream>
#include <functional>
#include <iostream>
#include <iterator>
#include <string>
#include <vector>

#include "engine/error.h"
#include "engine/image/image.h"
#include "engine/image/preprocess.h"
#include "engine/json.h"
#include "kernels/cpu/isa.h"

namespace {

double cpuSeconds() {
    timespec now{};
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

/// Median CPU and wall milliseconds of `repeat` runs.
step3::Json measure(int repeat, const std::function<void()>& run) {
    std::vector<double> cpu;
    std::vector<double> wall;
    for (int i = 0; i < repeat; ++i) {
        const auto start = std::chrono::steady_clock::now();
        const double cpuStart = cpuSeconds();
        run();
        cpu.push_back(1e3 * (cpuSeconds() - cpuStart));
        wall.push_back(std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count());
    }
    std::sort(cpu.begin(), cpu.end());
    std::sort(wall.begin(), wall.end());
    return {{"cpu_ms", cpu[cpu.size() / 2]}, {"wall_ms", wall[wall.size() / 2]}};
}

std::vector<std::byte> readAll(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    if (!file) throw step3::Error(step3::ErrorCode::kNotFound, path + ": expected a readable picture, found none");
    const std::string text{std::istreambuf_iterator<char>(file), {}};
    const auto bytes = std::as_bytes(std::span(text));
    return {bytes.begin(), bytes.end()};
}

int run(const std::vector<std::string>& arguments) {
    int repeat = 5;
    step3::Json report;
    report["isa"] = step3::kernels::isaName(step3::kernels::activeIsa());
    for (std::size_t i = 0; i < arguments.size(); ++i) {
        if (arguments[i] == "--repeat" && i + 1 < arguments.size()) {
            repeat = std::max(1, std::atoi(arguments[++i].c_str()));
            continue;
        }
        const std::vector<std::byte> encoded = readAll(arguments[i]);
        const step3::model::PreprocessorConfig config;
        step3::image::Image picture;
        step3::image::PixelValues pixels;
        step3::Json one = {{"file", arguments[i]}, {"bytes", encoded.size()}};
        one["decode"] = measure(repeat, [&] { picture = step3::image::decodeImage(encoded, arguments[i]); });
        one["whole_view"] = measure(repeat, [&] { pixels = step3::image::preprocess(picture, config, false); });
        one["view_and_crops"] = measure(repeat, [&] { pixels = step3::image::preprocess(picture, config, true); });
        one["width"] = picture.width;
        one["height"] = picture.height;
        one["crops"] = pixels.patches.size();
        report["pictures"].push_back(one);
    }
    if (!report.contains("pictures")) {
        std::cerr << "usage: step3_image_bench [--repeat N] PICTURE...\n";
        return 2;
    }
    std::cout << report.dump(1) << '\n';
    return 0;
}

}  // namespace

int main(int argc, char** argv) {
    try {
        return run({argv + 1, argv + argc});
    } catch (const std::exception& error) {
        std::cerr << error.what() << '\n';
        return 1;
    }
}
