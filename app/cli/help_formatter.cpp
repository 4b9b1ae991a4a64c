#include "app/cli/help_formatter.h"

#include <sstream>

namespace step3::cli {

namespace {

constexpr std::size_t kColumns = 100;
constexpr std::size_t kNames = 26;

std::string wrapped(const std::string& text, std::size_t width) {
    std::istringstream words(text);
    std::string out;
    std::size_t line = 0;
    for (std::string word; words >> word;) {
        if (line > 0 && line + 1 + word.size() > width) {
            out += '\n';
            line = 0;
        } else if (line > 0) {
            out += ' ';
            ++line;
        }
        out += word;
        line += word.size();
    }
    return out;
}

}  // namespace

HelpFormatter::HelpFormatter() {
    column_width(kNames);
    label("SUBCOMMAND", "COMMAND");
}

std::string HelpFormatter::make_option_opts(const CLI::Option* option) const {
    return option->get_type_size() == 0 ? "" : " " + option->get_type_name();
}

std::string HelpFormatter::make_option_desc(const CLI::Option* option) const {
    return wrapped(option->get_description(), kColumns - kNames);
}

}  // namespace step3::cli
