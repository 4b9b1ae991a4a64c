#include "app/cli/draft_choice.h"

#include <algorithm>
#include <vector>

#include "app/cli/command.h"

namespace step3::cli {

DraftOptions DraftChoice::options() const {
    DraftOptions options;
    options.mode = std::find_if(kDraftModes.begin(), kDraftModes.end(), [&](const auto& entry) {
                       return entry.first == mode;
                   })->second;
    options.tokens = tokens;
    return options;
}

CLI::Option* addDraftOptions(CLI::App& command, DraftChoice& choice, const std::string& group) {
    std::vector<std::string> names;
    for (const auto& [name, mode] : kDraftModes) names.emplace_back(name);
    CLI::Option* draft =
        command
            .add_option("--draft", choice.mode,
                        "Guess tokens ahead where that is faster; answers stay the same: mtp (the model's prediction "
                        "module), prompt-lookup (repetitions), auto (the module if there is one, else repetitions) or "
                        "off (default: auto)")
            ->type_name("HOW")
            ->check(oneOf(names));
    CLI::Option* tokens =
        command.add_option("--draft-tokens", choice.tokens, "At most so many guessed at a time (default: 4)")
            ->type_name("N")
            ->check(wholeNumber(1, kMostDraftTokens));
    if (!group.empty()) {
        draft->group(group);
        tokens->group(group);
    }
    return draft;
}

}  // namespace step3::cli
