#pragma once

#include <string>

#include <CLI/CLI.hpp>

#include "engine/draft_options.h"

namespace step3::cli {

/// --draft and --draft-tokens of every command that decodes.
struct DraftChoice {
    std::string mode = "auto";
    std::int32_t tokens = DraftOptions{}.tokens;

    [[nodiscard]] DraftOptions options() const;
};

/// `choice` must outlive the parsing. Returns --draft.
CLI::Option* addDraftOptions(CLI::App& command, DraftChoice& choice, const std::string& group = "");

}  // namespace step3::cli
