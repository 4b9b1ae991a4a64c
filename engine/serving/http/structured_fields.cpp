#include "engine/serving/http/structured_fields.h"

#include <algorithm>
#include <vector>

#include "engine/serving/http/api_error.h"

namespace step3::serving::http {

namespace {

using sampling::structured::StructuredOutput;
using sampling::structured::ToolChoice;
using Kind = StructuredOutput::Kind;

/// A schema is given as JSON or as its text.
std::string schemaText(const Json& schema) {
    return schema.is_string() ? schema.get<std::string>() : schema.dump();
}

/// One structure, as {begin, schema, end}, or as a tag {begin, content: {type: json_schema, json_schema}, end}.
Json structureOf(const Fields& fields) {
    const auto content = fields.object("content");
    if (content && content->requiredText("type") != "json_schema") {
        throw ruleError(content->pathOf("type") + ": only \"json_schema\" is supported by this server",
                        content->pathOf("type"));
    }
    const auto schema = content ? content->object("json_schema") : fields.object("schema");
    if (!schema)
        throw schemaError(fields.pathOf("schema") + ": expected a schema, found none", fields.pathOf("schema"));
    return Json{
        {"begin", fields.requiredText("begin")}, {"schema", schema->json()}, {"end", fields.requiredText("end")}};
}

/// `structures` and `triggers`, or a `format` of type triggered_tags with `tags` and `triggers`.
StructuredOutput structuralTag(const Fields& fields) {
    const auto format = fields.object("format");
    if (format && format->requiredText("type") != "triggered_tags") {
        throw ruleError(format->pathOf("type") + ": only \"triggered_tags\" is supported by this server",
                        format->pathOf("type"));
    }
    const Fields& from = format ? *format : fields;
    const char* listName = format ? "tags" : "structures";
    const Json* list = from.array(listName);
    const Json* triggers = from.array("triggers");
    if (list == nullptr || triggers == nullptr) {
        throw ruleError(std::string("structural_tag needs ") + listName + " and triggers", "response_format");
    }
    Json normal{{"triggers", Json::array()}, {"structures", Json::array()}};
    for (const Json& trigger : *triggers) {
        if (!trigger.is_string()) {
            throw schemaError(from.pathOf("triggers") + ": expected strings, found " + kindOf(trigger),
                              from.pathOf("triggers"));
        }
        normal["triggers"].push_back(trigger);
    }
    for (std::size_t i = 0; i < list->size(); ++i) {
        const std::string path = from.pathOf(listName) + "." + std::to_string(i);
        if (!(*list)[i].is_object())
            throw schemaError(path + ": expected an object, found " + kindOf((*list)[i]), path);
        normal["structures"].push_back(structureOf(Fields((*list)[i], path)));
    }
    return {Kind::kStructuralTag, normal.dump(-1, ' ', false, Json::error_handler_t::replace), {}};
}

StructuredOutput responseFormat(const Fields& format) {
    const std::string type = format.requiredText("type");
    if (type == "text") return {};
    if (type == "json_object") return {Kind::kJsonObject, "", {}};
    if (type == "structural_tag") return structuralTag(format);
    if (type != "json_schema") {
        throw schemaError("body.response_format.type: expected text, json_object, json_schema or structural_tag",
                          "body.response_format.type");
    }
    const auto described = format.object("json_schema");
    const Json* schema = described ? described->find("schema") : nullptr;
    if (schema == nullptr) {
        throw ruleError("response_format of type \"json_schema\" needs json_schema.schema", "response_format");
    }
    static_cast<void>(described->requiredText("name"));
    return {Kind::kJsonSchema, schemaText(*schema), {}};
}

std::vector<std::string> choicesOf(const Fields& fields, const char* name) {
    std::vector<std::string> choices;
    for (const Json& choice : *fields.array(name)) {
        if (!choice.is_string()) {
            throw schemaError(fields.pathOf(name) + ": expected strings, found " + kindOf(choice), fields.pathOf(name));
        }
        choices.push_back(choice.get<std::string>());
    }
    return choices;
}

/// The forms that the fields with this prefix ask for.
std::vector<StructuredOutput> formsOf(const Fields& fields, const std::string& prefix) {
    std::vector<StructuredOutput> forms;
    const auto name = [&](const char* rest) { return prefix + rest; };
    if (const Json* schema = fields.find(name("json").c_str())) {
        forms.push_back({Kind::kJsonSchema, schemaText(*schema), {}});
    }
    if (const auto pattern = fields.text(name("regex").c_str())) forms.push_back({Kind::kRegex, *pattern, {}});
    if (fields.array(name("choice").c_str()) != nullptr) {
        forms.push_back({Kind::kChoice, "", choicesOf(fields, name("choice").c_str())});
    }
    if (const auto grammar = fields.text(name("grammar").c_str())) forms.push_back({Kind::kGrammar, *grammar, {}});
    return forms;
}

}  // namespace

StructuredOutput readStructuredOutput(const Fields& body) {
    std::vector<StructuredOutput> forms = formsOf(body, "guided_");
    if (const auto format = body.object("response_format")) {
        StructuredOutput form = responseFormat(*format);
        if (form.kind != Kind::kNone) forms.push_back(std::move(form));
    }
    if (const auto fields = body.object("structured_outputs")) {
        if (fields->find("whitespace_pattern") != nullptr) {
            throw ruleError("structured_outputs.whitespace_pattern is not supported by this server",
                            "structured_outputs");
        }
        std::vector<StructuredOutput> own = formsOf(*fields, "");
        if (fields->boolean("json_object").value_or(false)) own.push_back({Kind::kJsonObject, "", {}});
        if (const auto tag = fields->text("structural_tag")) {
            const std::string path = fields->pathOf("structural_tag");
            Json json;
            if (readJson(*tag, json) || !json.is_object()) {
                throw ruleError(path + ": expected the text of a JSON object", "structured_outputs");
            }
            own.push_back(structuralTag(Fields(json, path)));
        }
        if (own.empty()) {
            throw ruleError(
                "structured_outputs needs one of json, regex, choice, grammar, structural_tag and json_object",
                "structured_outputs");
        }
        forms.insert(forms.end(), own.begin(), own.end());
    }
    if (forms.size() > 1) {
        throw ruleError("an answer can have one form only: response_format, structured_outputs and guided_* ask for " +
                            std::to_string(forms.size()),
                        "structured_outputs");
    }
    return forms.empty() ? StructuredOutput{} : std::move(forms.front());
}

ToolChoice readToolChoice(const Fields& body) {
    const Json* tools = body.array("tools");
    const bool hasTools = tools != nullptr;
    ToolChoice choice;
    choice.kind = hasTools ? ToolChoice::Kind::kAuto : ToolChoice::Kind::kNone;
    choice.parallel = body.boolean("parallel_tool_calls").value_or(true);
    const Json* given = body.find("tool_choice");
    if (given == nullptr) return choice;
    if (!hasTools && *given != "none") {
        throw ruleError("When using `tool_choice`, `tools` must be set.", "tool_choice");
    }
    if (*given == "none") {
        choice.kind = ToolChoice::Kind::kNone;
    } else if (*given == "auto") {
        choice.kind = ToolChoice::Kind::kAuto;
    } else if (*given == "required") {
        choice.kind = ToolChoice::Kind::kRequired;
    } else if (given->is_object()) {
        const Fields named(*given, body.pathOf("tool_choice"));
        const auto refuse = [](const char* param) {
            return ruleError("tool_choice: expected {\"type\": \"function\", \"function\": {\"name\": ...}}", param);
        };
        if (named.text("type").value_or("function") != "function") throw refuse("tool_choice");
        const Json* function = named.find("function");
        if (function == nullptr || !function->is_object()) throw refuse("tool_choice.function");
        const Json name = function->value("name", Json(nullptr));
        if (!name.is_string() || name == "") throw refuse("tool_choice.function.name");
        choice.kind = ToolChoice::Kind::kNamed;
        choice.name = name.get<std::string>();
        const auto isNamed = [&](const Json& tool) { return tool.at("function").at("name") == choice.name; };
        if (std::none_of(tools->begin(), tools->end(), isNamed)) {
            throw ruleError("tool_choice: the tools have no function \"" + choice.name + "\"", "tool_choice");
        }
    } else {
        throw ruleError("tool_choice: expected none, auto, required or a function, found another", "tool_choice");
    }
    return choice;
}

}  // namespace step3::serving::http
