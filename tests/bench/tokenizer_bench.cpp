// Tokenizer speed in CPU time, one thread: load, encode and decode of text files. With --ids it writes the ids, one
// text after the other as little-endian int32, for a comparison with another implementation.
//
// step3_tokenizer_bench TOKENIZER [--repeat N] [--ids FILE] TEXT...
#include <algorithm>
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
#include "engine/json.h"
#include "engine/text/tokenizer.h"

namespace {

double cpuSeconds() {
    timespec now{};
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

/// Median and least CPU seconds of `repeat` runs.
step3::Json measure(int repeat, const std::function<void()>& run) {
    std::vector<double> seconds;
    for (int i = 0; i < repeat; ++i) {
        const double start = cpuSeconds();
        run();
        seconds.push_back(cpuSeconds() - start);
    }
    std::sort(seconds.begin(), seconds.end());
    return {{"median_s", seconds[seconds.size() / 2]}, {"best_s", seconds.front()}};
}

std::string readAll(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    if (!file) throw step3::Error(step3::ErrorCode::kNotFound, path + ": expected a readable text file, found none");
    return {std::istreambuf_iterator<char>(file), {}};
}

int run(const std::vector<std::string>& arguments) {
    int repeat = 5;
    std::string idsFile;
    std::vector<std::string> files;
    for (std::size_t i = 0; i < arguments.size(); ++i) {
        if (arguments[i] == "--repeat" && i + 1 < arguments.size())
            repeat = std::max(1, std::atoi(arguments[++i].c_str()));
        else if (arguments[i] == "--ids" && i + 1 < arguments.size())
            idsFile = arguments[++i];
        else
            files.push_back(arguments[i]);
    }
    if (files.size() < 2) {
        std::cerr << "usage: step3_tokenizer_bench TOKENIZER [--repeat N] [--ids FILE] TEXT...\n";
        return 2;
    }
    const std::string tokenizerFile = files.front();
    files.erase(files.begin());

    std::shared_ptr<const step3::text::Tokenizer> tokenizer;
    step3::Json report;
    report["load"] = measure(repeat, [&] { tokenizer = step3::text::Tokenizer::fromFile(tokenizerFile); });
    std::ofstream idsOut;
    if (!idsFile.empty()) idsOut.open(idsFile, std::ios::binary);
    for (const std::string& file : files) {
        const std::string text = readAll(file);
        std::vector<step3::text::TokenId> ids;
        std::string decoded;
        step3::Json one = {{"file", file}, {"bytes", text.size()}};
        one["encode"] = measure(repeat, [&] { ids = tokenizer->encode(text); });
        one["decode"] = measure(repeat, [&] { decoded = tokenizer->decode(ids); });
        one["tokens"] = ids.size();
        one["round_trip"] = decoded == text;
        one["encode"]["mb_per_s"] = static_cast<double>(text.size()) / 1e6 / one["encode"]["median_s"].get<double>();
        one["decode"]["tokens_per_s"] = static_cast<double>(ids.size()) / one["decode"]["median_s"].get<double>();
        report["texts"].push_back(one);
        idsOut.write(reinterpret_cast<const char*>(ids.data()),
                     static_cast<std::streamsize>(ids.size() * sizeof ids.front()));
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
