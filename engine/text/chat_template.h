#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "engine/json.h"

namespace step3::text {

/// The checkpoint's own Jinja chat template (tokenizer_config.json, spec step3-model section 7.2), parsed once.
/// Immutable; safe to use from several threads.
class ChatTemplate {
public:
    /// Throws Error naming the construct if the template uses Jinja this program does not know.
    static std::shared_ptr<const ChatTemplate> fromFolder(const std::filesystem::path& folder);
    static std::shared_ptr<const ChatTemplate> fromSource(const std::string& source, const std::string& bosToken,
                                                          const std::string& eosToken);
    virtual ~ChatTemplate() = default;

    /// `messages`: array of objects as in the spec (OpenAI `image_url` parts count as {type: image}); `tools`: array of
    /// schemas or null. Each image stays one `<im_patch>`.
    [[nodiscard]] virtual std::string render(const Json& messages, const Json& tools,
                                             bool addGenerationPrompt) const = 0;
};

}  // namespace step3::text
