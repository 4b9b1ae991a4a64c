#include "engine/text/chat_template.h"

#include <fstream>
#include <sstream>

#include "engine/error.h"
#include "engine/text/jinja/ast.h"

namespace step3::text {
namespace {

std::optional<std::string> readFile(const std::filesystem::path& file) {
    std::ifstream stream(file, std::ios::binary);
    if (!stream) return std::nullopt;
    std::ostringstream content;
    content << stream.rdbuf();
    return std::move(content).str();
}

/// A special token of tokenizer_config.json: a string, or an object with `content`.
std::string specialToken(const Json& config, const char* name) {
    const auto it = config.find(name);
    if (it == config.end()) return {};
    if (it->is_string()) return it->get<std::string>();
    if (it->is_object() && it->contains("content") && (*it)["content"].is_string())
        return (*it)["content"].get<std::string>();
    return {};
}

class ParsedTemplate final : public ChatTemplate {
public:
    ParsedTemplate(const std::string& source, std::string bos, std::string eos)
        : block_(jinja::parse(source)), bos_(std::move(bos)), eos_(std::move(eos)) {}

    [[nodiscard]] std::string render(const Json& messages, const Json& tools, bool addGenerationPrompt) const override {
        Json variables = Json::object();
        variables["bos_token"] = bos_;
        variables["eos_token"] = eos_;
        variables["messages"] = withImageParts(messages);
        if (!tools.is_null()) variables["tools"] = tools;
        variables["add_generation_prompt"] = addGenerationPrompt;
        return jinja::render(block_, variables);
    }

private:
    /// OpenAI's image_url parts become {type: image}, which is what the template knows.
    static Json withImageParts(Json messages) {
        if (!messages.is_array())
            throw Error(ErrorCode::kInvalidArgument,
                        "messages: expected a list, found " + std::string(messages.type_name()));
        for (Json& message : messages) {
            if (!message.is_object())
                throw Error(ErrorCode::kInvalidArgument,
                            "messages: expected objects, found " + std::string(message.type_name()));
            if (!message.contains("content") || !message["content"].is_array()) continue;
            for (Json& part : message["content"])
                if (part.is_object() && part.value("type", Json()) == "image_url") part = Json{{"type", "image"}};
        }
        return messages;
    }

    jinja::Block block_;
    std::string bos_;
    std::string eos_;
};

}  // namespace

std::shared_ptr<const ChatTemplate> ChatTemplate::fromSource(const std::string& source, const std::string& bosToken,
                                                             const std::string& eosToken) {
    return std::make_shared<ParsedTemplate>(source, bosToken, eosToken);
}

std::shared_ptr<const ChatTemplate> ChatTemplate::fromFolder(const std::filesystem::path& folder) {
    const auto file = folder / "tokenizer_config.json";
    const auto content = readFile(file);
    if (!content) throw Error(ErrorCode::kNotFound, file.string() + ": expected a readable file, found none");
    const Json config = parseJson(*content, file.string());
    if (!config.is_object())
        throw Error(ErrorCode::kInvalidData, file.string() + ": expected a JSON object, found " + config.type_name());
    const std::string bos = specialToken(config, "bos_token");
    const std::string eos = specialToken(config, "eos_token");
    if (const auto separate = readFile(folder / "chat_template.jinja")) return fromSource(*separate, bos, eos);
    const auto field = config.find("chat_template");
    if (field != config.end() && field->is_string()) return fromSource(field->get<std::string>(), bos, eos);
    if (field != config.end() && field->is_array())
        for (const Json& item : *field)
            if (item.is_object() && item.value("name", Json()) == "default" && item.contains("template") &&
                item["template"].is_string())
                return fromSource(item["template"].get<std::string>(), bos, eos);
    throw Error(ErrorCode::kInvalidData, file.string() + ": field chat_template: expected a template, found " +
                                             (field == config.end() ? "nothing" : field->type_name()));
}

}  // namespace step3::text
