#include "engine/serving/prompt.h"

#include <algorithm>
#include <array>
#include <fstream>

#include "engine/error.h"
#include "engine/utf8.h"

namespace step3::serving {

namespace {

constexpr std::string_view kOpenThink = "<think>\n";

[[noreturn]] void reject(const std::string& message) {
    throw Error(ErrorCode::kInvalidArgument, message);
}

bool readAddBos(const std::filesystem::path& folder) {
    std::ifstream file(folder / "tokenizer_config.json");
    if (!file) return false;
    const Json json = Json::parse(file, nullptr, false);
    return json.is_object() && json.contains("add_bos_token") && json["add_bos_token"] == true;
}

/// JSON a caller passed on.
Json callerJson(const std::string& text, const std::string& what) {
    Json value;
    const auto defect = readJson(text, value);
    if (!defect) return value;
    if (defect->kind == JsonDefect::Kind::kTooDeep)
        reject(what + " must not be nested deeper than " + std::to_string(kMaxJsonDepth) + " levels");
    reject(what + " must be JSON");
}

/// `json` with every text in it marked, keys included.
Json marked(const Json& json, const MarkupGuard& guard, std::string_view mark) {
    if (json.is_string()) return guard.marked(json.get_ref<const std::string&>(), mark);
    if (json.is_array()) {
        Json copy = Json::array();
        for (const Json& item : json) copy.push_back(marked(item, guard, mark));
        return copy;
    }
    if (json.is_object()) {
        Json copy = Json::object();
        for (const auto& [key, value] : json.items()) copy[guard.marked(key, mark)] = marked(value, guard, mark);
        return copy;
    }
    return json;
}

bool contains(const std::string& text, const std::string& mark) {
    return text.find(mark) != std::string::npos;
}

/// A mark that no text of the request holds and that is not `taken`.
std::string chooseMark(const Request& request, const std::string& taken = {}) {
    const std::string mark = MarkupGuard::chooseMark([&](const std::string& candidate) {
        if (candidate == taken) return true;
        if (contains(request.toolsJson, candidate)) return true;
        for (const Message& message : request.messages) {
            if (contains(message.reasoning, candidate)) return true;
            for (const Message::Part& part : message.parts) {
                if (contains(part.text, candidate)) return true;
            }
            for (const ToolCallMessage& call : message.toolCalls) {
                if (contains(call.id, candidate) || contains(call.name, candidate) ||
                    contains(call.arguments, candidate)) {
                    return true;
                }
            }
        }
        return false;
    });
    if (mark.empty()) reject("messages must not use all Unicode non-characters U+FDD0 to U+FDEF at once");
    return mark;
}

/// A text, or a list of texts and images if there is an image; bytes that are no UTF-8 become U+FFFD. Neighbouring
/// texts are guarded together: the template writes them one after another.
Json contentJson(const Message& message, const MarkupGuard& guard, std::string_view mark) {
    Json list = Json::array();
    std::vector<std::string> texts;
    bool hasImage = false;
    const auto flush = [&] {
        if (texts.empty()) return;
        std::string joined;
        for (const std::string& piece : guard.markedTogether({texts.begin(), texts.end()}, mark)) joined += piece;
        list.push_back({{"type", "text"}, {"text", joined}});
        texts.clear();
    };
    for (const Message::Part& part : message.parts) {
        if (part.kind == Message::Part::Kind::kText) {
            texts.push_back(validUtf8(part.text));
        } else {
            flush();
            hasImage = true;
            list.push_back({{"type", "image"}});
        }
    }
    flush();
    if (hasImage) return list;
    return list.empty() ? Json("") : list[0]["text"];
}

Json messageJson(const Message& message, std::size_t index, const MarkupGuard& guard, std::string_view mark) {
    static constexpr std::array<std::string_view, 4> kRoles{"system", "user", "assistant", "tool"};
    const std::string where = "messages[" + std::to_string(index) + "]";
    if (std::find(kRoles.begin(), kRoles.end(), message.role) == kRoles.end()) {
        reject(where + ".role must be system, user, assistant or tool, got \"" + message.role + "\"");
    }
    const auto clean = [&](const std::string& text) { return guard.marked(validUtf8(text), mark); };
    Json json{{"role", message.role}, {"content", contentJson(message, guard, mark)}};
    if (!message.reasoning.empty()) json["reasoning_content"] = clean(message.reasoning);
    for (std::size_t i = 0; i < message.toolCalls.size(); ++i) {
        const ToolCallMessage& call = message.toolCalls[i];
        const std::string name = where + ".tool_calls[" + std::to_string(i) + "].function.arguments";
        const Json arguments = call.arguments.empty() ? Json::object() : callerJson(call.arguments, name);
        if (!arguments.is_object()) {
            reject(name + " must be the text of a JSON object, got a JSON " + arguments.type_name());
        }
        json["tool_calls"].push_back(
            {{"id", clean(call.id)},
             {"type", "function"},
             {"function", {{"name", clean(call.name)}, {"arguments", marked(arguments, guard, mark)}}}});
    }
    return json;
}

/// Appends `mark` to the last text that the template writes of a message: of its content or, without any, of its
/// reasoning. True if that is its reasoning.
bool appendMark(Json& message, const std::string& mark) {
    Json& content = message["content"];
    if (content.is_array()) {
        content.push_back({{"type", "text"}, {"text", mark}});
    } else if (content == "" && message.contains("reasoning_content")) {
        message["reasoning_content"] = message["reasoning_content"].get<std::string>() + mark;
        return true;
    } else {
        content = content.get<std::string>() + mark;
    }
    return false;
}

}  // namespace

Json parseTools(const std::string& toolsJson) {
    if (toolsJson.empty()) return nullptr;
    Json tools = callerJson(toolsJson, "tools");
    if (tools.is_null()) return nullptr;
    if (!tools.is_array()) reject(std::string("tools must be an array of schemas, got a JSON ") + tools.type_name());
    for (std::size_t i = 0; i < tools.size(); ++i) {
        if (!tools[i].is_object()) {
            reject("tools[" + std::to_string(i) + "] must be an object, got a JSON " + tools[i].type_name());
        }
    }
    return tools.empty() ? Json(nullptr) : tools;
}

PromptBuilder::PromptBuilder(const std::filesystem::path& folder, const model::ModelConfig& config,
                             std::shared_ptr<const text::Tokenizer> tokenizer)
    : config_(config),
      tokenizer_(std::move(tokenizer)),
      template_(text::ChatTemplate::fromFolder(folder)),
      guard_(*tokenizer_, config),
      addBos_(readAddBos(folder)) {
    if (config_.vision) imageTokens_ = ImageTokenIds::of(*tokenizer_, config_);
}

std::vector<std::int32_t> PromptBuilder::rawIds(const Request& request) const {
    if (request.promptIds) {
        for (const std::int32_t id : *request.promptIds) {
            if (id >= 0 && id < config_.text.vocabSize) continue;
            reject("the prompt's token ids must be in [0, " + std::to_string(config_.text.vocabSize - 1) + "], got " +
                   std::to_string(id));
        }
        return *request.promptIds;
    }
    std::vector<std::int32_t> ids;
    if (addBos_ && config_.generation.bosTokenId) ids.push_back(*config_.generation.bosTokenId);
    const auto more = tokenizer_->encode(validUtf8(*request.rawPrompt));
    ids.insert(ids.end(), more.begin(), more.end());
    return ids;
}

/// The prompt's text with the guard's marks still in it.
std::string PromptBuilder::render(const Request& request, const std::string& mark, bool& startsInReasoning) const {
    if (request.continueFinalMessage && request.addGenerationPrompt) {
        reject("continue_final_message and add_generation_prompt must not both be true");
    }
    Json messages = Json::array();
    for (std::size_t i = 0; i < request.messages.size(); ++i) {
        messages.push_back(messageJson(request.messages[i], i, guard_, mark));
    }
    const std::string end = chooseMark(request, mark);
    bool endsInReasoning = false;
    if (request.continueFinalMessage) endsInReasoning = appendMark(messages.back(), end);
    std::string rendered =
        template_->render(messages, marked(parseTools(request.toolsJson), guard_, mark), request.addGenerationPrompt);
    if (request.continueFinalMessage) {
        const std::size_t at = rendered.find(end);
        if (at == std::string::npos) reject("the chat template leaves out the last message, which is to be continued");
        rendered.resize(at);
    }
    startsInReasoning = endsInReasoning || (request.addGenerationPrompt && rendered.ends_with(kOpenThink));
    if (startsInReasoning && !request.think) {
        rendered += kCloseThink;
        startsInReasoning = false;
    }
    return rendered;
}

Prompt PromptBuilder::build(const Request& request, std::int32_t maxImageTokens) const {
    Prompt prompt;
    std::vector<image::ImagePlan> plans;
    const bool raw = request.rawPrompt || request.promptIds;
    for (std::size_t m = 0; m < request.messages.size() && !raw; ++m) {
        for (const Message::Part& part : request.messages[m].parts) {
            if (part.kind != Message::Part::Kind::kImage) continue;
            const std::string where = "image " + std::to_string(prompt.images.size() + 1);
            if (!part.image) reject(where + " of the request is missing");
            if (!config_.vision) reject(where + " of the request: this model reads text only");
            plans.push_back(image::planImage(part.image->width, part.image->height, config_.vision->enablePatch));
            image::requireImageTokens(plans.back(), *config_.preprocessor, maxImageTokens, where + " of the request");
            prompt.images.push_back(part.image);
        }
    }

    std::vector<std::int32_t> ids;
    if (raw) {
        ids = rawIds(request);
    } else {
        if (request.messages.empty()) reject("messages must not be empty");
        const std::string mark = chooseMark(request);
        const std::string rendered = render(request, mark, prompt.startsInReasoning);
        ids = MarkupGuard::encode(*tokenizer_, rendered, mark);
    }
    if (ids.empty()) reject("the prompt has no tokens");
    if (imageTokens_ && !raw) {
        prompt.tokens = expandImages(ids, *imageTokens_, plans, *config_.preprocessor);
    } else {
        prompt.tokens.ids = std::move(ids);
    }
    return prompt;
}

void truncatePrompt(Prompt& prompt, std::int64_t tokens) {
    auto& ids = prompt.tokens.ids;
    if (static_cast<std::int64_t>(ids.size()) <= tokens) return;
    if (tokens < 1) reject("truncate_prompt_tokens: expected at least 1 token to be left, found none");
    if (!prompt.images.empty()) reject("truncate_prompt_tokens: a prompt with pictures cannot be cut");
    ids.erase(ids.begin(), ids.end() - static_cast<std::ptrdiff_t>(tokens));
}

}  // namespace step3::serving
