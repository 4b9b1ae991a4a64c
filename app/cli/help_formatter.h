#pragma once

#include <string>

#include <CLI/CLI.hpp>

namespace step3::cli {

/// Help for a terminal of 100 columns: descriptions wrapped, of each option its name and what it takes.
class HelpFormatter : public CLI::Formatter {
public:
    HelpFormatter();
    std::string make_option_opts(const CLI::Option* option) const override;
    std::string make_option_desc(const CLI::Option* option) const override;
};

}  // namespace step3::cli
