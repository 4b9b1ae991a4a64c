#include "app/cli/command.h"

#include <charconv>
#include <iostream>
#include <new>
#include <sstream>

namespace step3::cli {

namespace {

/// File names and messages of others may hold anything; a control character would break the line or the terminal.
std::string oneLine(std::string_view text) {
    std::string line(text);
    for (char& c : line) {
        const auto byte = static_cast<unsigned char>(c);
        if (byte < 0x20 || byte == 0x7F) c = ' ';
    }
    return line;
}

void print(const std::string& name, const std::string& message) {
    std::cout.flush();
    std::cerr << name + ": " + oneLine(message) + "\n";
}

std::string boundText(double value) {
    std::ostringstream out;
    out << value;
    return out.str();
}

}  // namespace

void printError(const std::string& name, const std::string& message) {
    print(name, message);
}

void printUsageError(const std::string& name, const std::string& message) {
    print(name, message + " (see '" + name + " --help')");
}

void printWarning(const std::string& name, const std::string& message) {
    print(name, "warning: " + message);
}

int runGuarded(const std::string& name, const std::function<int()>& body) {
    try {
        return body();
    } catch (const UsageError& error) {
        printUsageError(name, error.what());
        return kUsage;
    } catch (const std::bad_alloc&) {
        printError(name, "memory is used up; close other programs or choose a smaller model");
    } catch (const std::exception& error) {
        printError(name, error.what());
    }
    return kFailure;
}

void writeOutput(const std::string& text) {
    std::cout << text << std::flush;
    if (!std::cout) throw Error(ErrorCode::kIo, "standard output: cannot be written");
}

CLI::Validator wholeNumber(std::int64_t low, std::int64_t high) {
    return {[low, high](std::string& text) {
                std::int64_t value = 0;
                const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
                if (error == std::errc() && end == text.data() + text.size() && value >= low && value <= high) {
                    return std::string();
                }
                const std::string range = high == INT64_MAX
                                              ? std::to_string(low) + " or more"
                                              : "from " + std::to_string(low) + " to " + std::to_string(high);
                return "expected a whole number, " + range + ", found \"" + text + "\"";
            },
            ""};
}

CLI::Validator numberIn(double low, double high) {
    return {[low, high](std::string& text) {
                double value = 0;
                const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
                if (error == std::errc() && end == text.data() + text.size() && value >= low && value <= high) {
                    return std::string();
                }
                return "expected a number from " + boundText(low) + " to " + boundText(high) + ", found \"" + text +
                       "\"";
            },
            ""};
}

CLI::Validator oneOf(std::vector<std::string> words) {
    return {[words = std::move(words)](std::string& text) {
                std::string list;
                for (const std::string& word : words) {
                    if (word == text) return std::string();
                    if (!list.empty()) list += ", ";
                    list += word;
                }
                return "expected " + (words.size() > 1 ? "one of " + list : list) + ", found \"" + text + "\"";
            },
            ""};
}

}  // namespace step3::cli
