#include "engine/serving/http/tool_fields.h"

#include "engine/serving/http/api_error.h"

namespace step3::serving::http {

namespace {

void checkTool(const Json& json, const std::string& path) {
    if (!json.is_object()) throw schemaError(path + ": expected an object, found " + kindOf(json), path);
    const Fields tool(json, path);
    if (tool.text("type").value_or("function") != "function") {
        throw schemaError(path + ".type: expected \"function\", found another", path + ".type");
    }
    const auto function = tool.object("function");
    if (!function) throw schemaError(path + ".function: expected an object, found none", path + ".function");
    if (function->requiredText("name").empty()) {
        throw ruleError(path + ".function.name must not be empty", "tools");
    }
    static_cast<void>(function->text("description"));
    static_cast<void>(function->object("parameters"));
    static_cast<void>(function->boolean("strict"));
}

}  // namespace

std::string readTools(const Fields& body) {
    const Json* tools = body.array("tools");
    if (tools == nullptr) return {};
    if (tools->empty()) throw ruleError("tools must not be an empty array", "tools");
    for (std::size_t i = 0; i < tools->size(); ++i) checkTool((*tools)[i], "body.tools." + std::to_string(i));
    Json typed = *tools;
    for (Json& tool : typed) tool["type"] = "function";  // the default, which templates do not know of
    return typed.dump();
}

}  // namespace step3::serving::http
