// Stages of `step3 debug` that need no weights: tokenize, render, parse.

#include "app/cli/debug_json.h"
#include "app/cli/debug_stages.h"
#include "engine/text/chat_template.h"
#include "engine/text/output_parser.h"
#include "engine/text/tokenizer.h"

namespace step3::cli {

namespace {

Json toolParseJson(std::string_view text, const Json& tools) {
    const text::ToolParse parse = text::parseToolCalls(text, tools);
    Json calls = Json::array();
    for (const text::ToolCall& call : parse.calls)
        calls.push_back({{"name", call.name}, {"arguments", call.arguments}});
    return {{"content", parse.content ? Json(*parse.content) : Json(nullptr)}, {"calls", calls}};
}

}  // namespace

Json debugTokenize(const DebugInput& input) {
    const auto texts = requiredStrings(input.json, "texts");
    const auto tokenizer =
        input.tokenizer ? text::Tokenizer::fromFile(*input.tokenizer) : text::Tokenizer::fromFolder(input.model);
    Json cases = Json::array();
    for (const std::string& text : texts) {
        const auto ids = tokenizer->encode(text);
        cases.push_back({{"ids", ids},
                         {"decoded", tokenizer->decode(ids)},
                         {"decoded_skip_special", tokenizer->decode(ids, true)}});
    }
    return {{"cases", cases}};
}

Json debugRender(const DebugInput& input) {
    const Json& requests = requiredArray(input.json, "cases");
    const auto tokenizer = text::Tokenizer::fromFolder(input.model);
    const auto chatTemplate = text::ChatTemplate::fromFolder(input.model);
    Json cases = Json::array();
    for (std::size_t i = 0; i < requests.size(); ++i) {
        const std::string where = indexed("cases", i);
        const Json& messages = requiredMessages(requests[i], where);
        const std::string rendered =
            chatTemplate->render(messages, optionalArray(requests[i], "tools", where),
                                 optionalBool(requests[i], "add_generation_prompt", true, where));
        cases.push_back({{"rendered", rendered}, {"ids", tokenizer->encode(rendered)}});
    }
    return {{"cases", cases}};
}

Json debugParse(const DebugInput& input) {
    const auto texts = requiredStrings(input.json, "texts");
    const Json tools = optionalArray(input.json, "tools");
    Json cases = Json::array();
    for (const std::string& text : texts) {
        const text::ReasoningSplit split = text::splitReasoning(text);
        cases.push_back({{"reasoning", split.reasoning},
                         {"content_after_reasoning", split.content ? Json(*split.content) : Json(nullptr)},
                         {"tool_parse_of_content", toolParseJson(split.content.value_or(""), tools)},
                         {"tool_parse_of_whole_text", toolParseJson(text, tools)}});
    }
    return {{"cases", cases}};
}

}  // namespace step3::cli
