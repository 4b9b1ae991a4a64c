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

StructuredOutput responseFormat(const Fields& format) {
    const std::string type = format.requiredText("type");
    if (type == "text") return {};
    if (type == "json_object") return {Kind::kJsonObject, "", {}};
    if (type == "structural_tag") {
        throw ruleError("response_format of type \"structural_tag\" is not supported by this server",
                        "response_format");
    }
    if (type != "json_schema") {
        throw schemaError("body.response_format.type: expected text, json_object, json_schema or structural_tag",
                          "body.response_format.type");
    }
    const auto described = format.object("json_schema");
    const Json* schema = described ? described->find("schema") : nullptr;
    if (schema == nullptr) {
        throw ruleError("response_format of type \"json_schema\" needs json_schema.schema", "response_format");
    }
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
        for (const char* unsupported : {"structural_tag", "whitespace_pattern"}) {
            if (fields->find(unsupported) == nullptr) continue;
            throw ruleError(std::string("structured_outputs.") + unsupported + " is not supported by this server",
                            "structured_outputs");
        }
        std::vector<StructuredOutput> own = formsOf(*fields, "");
        if (fields->boolean("json_object").value_or(false)) own.push_back({Kind::kJsonObject, "", {}});
        if (own.empty()) {
            throw ruleError("structured_outputs needs one of json, regex, choice, grammar and json_object",
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
        const auto function = named.object("function");
        if (named.requiredText("type") != "function" || !function) {
            throw ruleError("tool_choice: expected {\"type\": \"function\", \"function\": {\"name\": ...}}",
                            "tool_choice");
        }
        choice.kind = ToolChoice::Kind::kNamed;
        choice.name = function->requiredText("name");
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
