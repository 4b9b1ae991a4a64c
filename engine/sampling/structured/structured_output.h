#pragma once

#include <string>
#include <vector>

namespace step3::sampling::structured {

/// The form an answer must have. Reasoning is free: the form begins after the end of reasoning. An answer that is cut
/// by the token limit or a stop string may lack its end. An answer that is complete ends at once, whatever min_tokens
/// and ignore_eos say.
struct StructuredOutput {
    enum class Kind {
        kNone,
        kJsonObject,    // any JSON object
        kJsonSchema,    // `text` is a JSON schema
        kRegex,         // the whole answer matches the regular expression `text`
        kChoice,        // the answer is one of `choices`
        kGrammar,       // `text` is a grammar in GBNF notation
        kStructuralTag  // free text with parts of given forms: structuralTags() says what `text` is
    };
    Kind kind = Kind::kNone;
    std::string text;
    std::vector<std::string> choices;
};

/// Whether tools are called. Needs tools in the request, but for kAuto and kNone.
struct ToolChoice {
    enum class Kind {
        kAuto,      // text or calls
        kNone,      // no calls, though the model is told of the tools
        kRequired,  // at least one call
        kNamed      // one or more calls of the tool `name`
    };
    Kind kind = Kind::kAuto;
    std::string name;
    bool parallel = true;  // false: at most one call
};

}  // namespace step3::sampling::structured
