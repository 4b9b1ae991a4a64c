#include "engine/sampling/structured/structural_tag.h"

#include <algorithm>

#include "engine/error.h"
#include "engine/sampling/structured/free_text.h"
#include "engine/sampling/structured/json_schema.h"

namespace step3::sampling::structured {

namespace {

[[noreturn]] void reject(const std::string& message) {
    throw Error(ErrorCode::kInvalidArgument, "structural_tag: " + message);
}

Grammar::Expr structureOf(Grammar& grammar, const Json& structure, const std::string& where) {
    try {
        SchemaTranslator schema(grammar, structure.at("schema"));
        return grammar.sequence({grammar.text(structure.at("begin").get<std::string>()), schema.root(),
                                 grammar.text(structure.at("end").get<std::string>())});
    } catch (const Error& error) {
        throw Error(error.code(), "structural_tag: " + where + ".schema: " + error.what());
    }
}

}  // namespace

Grammar::Expr structuralTags(Grammar& grammar, const std::string& text) {
    const Json tag = parseSchema(text);
    const auto triggers = tag.at("triggers").get<std::vector<std::string>>();
    const Json& structures = tag.at("structures");
    if (triggers.empty()) reject("triggers must not be empty");
    if (structures.empty()) reject("structures must not be empty");
    const auto isEmpty = [](const std::string& trigger) { return trigger.empty(); };
    if (std::any_of(triggers.begin(), triggers.end(), isEmpty)) reject("a trigger must not be empty");
    std::vector<Grammar::Expr> parts;
    for (std::size_t i = 0; i < structures.size(); ++i) {
        const std::string where = "structures[" + std::to_string(i) + "]";
        const auto begin = structures[i].at("begin").get<std::string>();
        const auto begins = [&](const std::string& trigger) { return begin.compare(0, trigger.size(), trigger) == 0; };
        if (std::none_of(triggers.begin(), triggers.end(), begins)) {
            reject(where + ".begin: expected one of the triggers at its beginning, found none");
        }
        parts.push_back(structureOf(grammar, structures[i], where));
    }
    const auto free = grammar.rule("text", textWithout(grammar, triggers));
    const auto part = grammar.rule("structure", grammar.choice(std::move(parts)));
    return grammar.sequence({free, grammar.repeat(grammar.sequence({part, free}), 0)});
}

}  // namespace step3::sampling::structured
