#include "engine/draft_options.h"
#include "engine/sampling/prompt_lookup.h"
#include "engine/serving/drafter.h"

namespace step3::serving {

namespace {

struct LookupState final : DraftState {
    sampling::PromptLookup lookup;
};

class PromptLookupDrafter final : public Drafter {
public:
    [[nodiscard]] std::string_view name() const override { return draftModeName(DraftMode::kPromptLookup); }
    [[nodiscard]] std::unique_ptr<DraftState> newState() override { return std::make_unique<LookupState>(); }
    void draft(std::span<DraftTask> tasks) override {
        for (DraftTask& task : tasks) {
            task.draft = static_cast<LookupState&>(*task.state).lookup.draft(task.tokens, task.count);
        }
    }
};

}  // namespace

std::unique_ptr<Drafter> makePromptLookupDrafter() {
    return std::make_unique<PromptLookupDrafter>();
}

}  // namespace step3::serving
