#include "engine/serving/http/message_reader.h"

#include <algorithm>
#include <array>

#include "engine/image/image.h"
#include "engine/serving/http/api_error.h"
#include "engine/serving/http/data_uri.h"

namespace step3::serving::http {

namespace {

constexpr std::array kRoles{"system", "developer", "user", "assistant", "tool"};

void readToolCalls(const Fields& fields, Message& message) {
    const Json* calls = fields.array("tool_calls");
    if (calls == nullptr) return;
    for (std::size_t i = 0; i < calls->size(); ++i) {
        const std::string path = fields.pathOf("tool_calls") + "." + std::to_string(i);
        const Json& json = (*calls)[i];
        if (!json.is_object()) throw schemaError(path + ": expected an object, found " + kindOf(json), path);
        const Fields call(json, path);
        if (call.text("type").value_or("function") != "function") {
            throw schemaError(path + ".type: expected \"function\", found another", path + ".type");
        }
        const auto function = call.object("function");
        if (!function) throw schemaError(path + ".function: expected an object, found none", path + ".function");
        message.toolCalls.push_back(
            {call.text("id").value_or(""), function->requiredText("name"), function->text("arguments").value_or("{}")});
    }
}

}  // namespace

Message MessageReader::read(const Json& json, const std::string& path) {
    if (!json.is_object()) {
        throw schemaError(path + ": expected an object, found " + kindOf(json), path);
    }
    const Fields fields(json, path);
    Message message;
    message.role = fields.requiredText("role");
    if (std::find(kRoles.begin(), kRoles.end(), message.role) == kRoles.end()) {
        throw ruleError(path + ".role: expected system, developer, user, assistant or tool, found another",
                        fields.pathOf("role"));
    }
    if (message.role == "developer") message.role = "system";
    readContent(fields, message);
    static_cast<void>(fields.text("tool_call_id"));  // answers to calls come in their order
    if (message.role == "assistant") {
        message.reasoning = fields.text("reasoning").value_or(fields.text("reasoning_content").value_or(""));
        readToolCalls(fields, message);
    }
    return message;
}

void MessageReader::readContent(const Fields& fields, Message& message) {
    const Json* content = fields.find("content");
    const std::string path = fields.pathOf("content");
    if (content == nullptr) {
        if (message.role == "assistant") return;
        throw schemaError(path + ": expected a string or an array of parts, found none", path);
    }
    if (content->is_string()) {
        message.parts.push_back({Message::Part::Kind::kText, content->get<std::string>(), nullptr});
        return;
    }
    if (!content->is_array()) {
        throw schemaError(path + ": expected a string or an array of parts, found " + kindOf(*content), path);
    }
    for (std::size_t i = 0; i < content->size(); ++i) {
        message.parts.push_back(readPart((*content)[i], path + "." + std::to_string(i)));
    }
}

Message::Part MessageReader::readPart(const Json& json, const std::string& path) {
    if (json.is_string()) return {Message::Part::Kind::kText, json.get<std::string>(), nullptr};
    if (!json.is_object()) throw schemaError(path + ": expected an object, found " + kindOf(json), path);
    const Fields part(json, path);
    // As vLLM: a part without a type is a picture if it has one.
    const bool picture = part.find("type") == nullptr && part.find("image_url") != nullptr;
    const std::string type = picture ? "image_url" : part.requiredText("type");
    for (const char* text : {"text", "input_text", "output_text"}) {
        if (type == text) return {Message::Part::Kind::kText, part.requiredText("text"), nullptr};
    }
    if (type == "refusal") return {Message::Part::Kind::kText, part.requiredText("refusal"), nullptr};
    if (type == "image_url" || type == "input_image") return {Message::Part::Kind::kImage, {}, readPicture(part)};
    for (const char* known : {"image_embeds", "video_url", "input_audio", "audio_url", "file", "input_file"}) {
        if (type == known) {
            throw ruleError(path + ".type: \"" + type + "\" is not supported: this server takes text and image_url",
                            part.pathOf("type"));
        }
    }
    throw ruleError(path + ".type: expected text or image_url, found another", part.pathOf("type"));
}

std::shared_ptr<const image::Image> MessageReader::readPicture(const Fields& part) {
    // An object with the URL, or, as the Responses API has it, the URL itself.
    const Json* given = part.find("image_url");
    const bool bare = given != nullptr && given->is_string();
    const auto holder = bare ? std::nullopt : part.object("image_url");
    if (!bare && !holder) {
        throw schemaError(part.pathOf("image_url") + ": expected an object, found none", part.pathOf("image_url"));
    }
    if (!model_.vision) throw ruleError(model_.name + " is not a multimodal model", "messages");
    if (++pictures_ > model_.pictures.maxPictures) {
        throw ruleError(
            "At most " + std::to_string(model_.pictures.maxPictures) + " image(s) may be provided in one prompt.",
            "messages");
    }
    const std::string param = bare ? part.pathOf("image_url") : holder->pathOf("url");
    const Json* url = bare ? given : holder->find("url");
    if (url == nullptr || !url->is_string()) throw schemaError(param + ": expected a string", param);
    const std::vector<std::byte> bytes = pictureBytes(url->get_ref<const std::string&>(), param);
    image::DecodeLimits limits;
    limits.maxPixels = std::min(limits.maxPixels, pixelsLeft_);
    try {
        auto picture = std::make_shared<const image::Image>(image::decodeImage(bytes, param, limits));
        pixelsLeft_ -= std::min(pixelsLeft_, static_cast<std::uint64_t>(picture->width * picture->height));
        return picture;
    } catch (const Error& error) {
        throw ruleError(error.what(), param);
    }
}

std::vector<std::byte> MessageReader::pictureBytes(const std::string& url, const std::string& param) const {
    const FetchOptions& fetch = model_.pictures.fetch;
    if (fetch.enabled && isHttpUrl(url)) return fetchImage(url, fetch, param);
    return decodeDataUri(url, param);
}

std::vector<Message> readMessages(const Fields& body, const ServedModel& model) {
    const Json* list = body.array("messages");
    if (list == nullptr) throw schemaError("body.messages: expected an array, found none", "body.messages");
    if (list->empty()) throw ruleError("messages must not be empty");
    MessageReader reader(model);
    std::vector<Message> messages;
    messages.reserve(list->size());
    for (std::size_t i = 0; i < list->size(); ++i) {
        messages.push_back(reader.read((*list)[i], "body.messages." + std::to_string(i)));
    }
    return messages;
}

}  // namespace step3::serving::http
