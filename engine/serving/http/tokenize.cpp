#include "engine/serving/http/tokenize.h"

#include "engine/serving/http/api_error.h"
#include "engine/serving/http/chat_request.h"
#include "engine/serving/http/message_reader.h"
#include "engine/serving/http/tool_fields.h"

namespace step3::serving::http {

namespace {

const text::Tokenizer& tokenizerOf(const ServedModel& model) {
    if (!model.tokenizer) throw ApiError(501, "NotImplementedError", "the model has no tokenizer");
    return *model.tokenizer;
}

std::vector<std::int32_t> encode(const Fields& body, const ServedModel& model) {
    Request request;
    if (body.find("messages") != nullptr) {
        readTemplate(body, request);
        request.toolsJson = readTools(body);
        request.messages = readMessages(body, model);
        return model.engine.promptTokens(request);
    }
    const std::string prompt = body.requiredText("prompt");
    const bool special = body.boolean("add_special_tokens").value_or(true);
    if (prompt.empty() || !special) return tokenizerOf(model).encode(prompt);
    request.rawPrompt = prompt;
    return model.engine.promptTokens(request);
}

}  // namespace

Json tokenize(const Fields& body, const ServedModel& model) {
    const bool strings = body.boolean("return_token_strs").value_or(false);
    const std::vector<std::int32_t> ids = encode(body, model);
    Json json;
    json["count"] = ids.size();
    json["max_model_len"] = model.maxContext;
    json["tokens"] = ids;
    json["token_strs"] = nullptr;
    if (strings) {
        json["token_strs"] = Json::array();
        for (const std::int32_t id : ids) json["token_strs"].push_back(tokenizerOf(model).tokenText(id));
    }
    return json;
}

Json detokenize(const Fields& body, const ServedModel& model) {
    const Json* list = body.array("tokens");
    if (list == nullptr) throw schemaError("body.tokens: expected token ids, found none", "body.tokens");
    std::vector<std::int32_t> ids;
    for (std::size_t i = 0; i < list->size(); ++i) {
        const std::string path = "body.tokens." + std::to_string(i);
        const auto id = asInteger((*list)[i]);
        if (!id || *id < 0) throw schemaError(path + ": expected a token id, found another", path);
        if (*id >= model.vocabSize) {
            throw ruleError("Token id " + std::to_string(*id) + " is out of vocabulary", "tokens");
        }
        ids.push_back(static_cast<std::int32_t>(*id));
    }
    return Json{{"prompt", tokenizerOf(model).decode(ids)}};
}

}  // namespace step3::serving::http
