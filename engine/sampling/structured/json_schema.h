#pragma once

#include <deque>
#include <map>
#include <string>

#include "engine/sampling/structured/json_grammar.h"
#include "engine/sampling/structured/schema_document.h"

namespace step3::sampling::structured {

/// Translates JSON schemas (draft 2020-12, with "definitions" of older drafts) to grammars of JSON texts. What such a
/// grammar produces is valid for the schema; not everything that is valid can be produced:
/// - properties come in the order in which the schema lists them; without "additionalProperties", none but the listed
///   ones come, unless none are listed. Keys of additional properties hold no escapes
/// - a schema without "type" whose keywords are about objects, arrays, strings or numbers stands for these alone
/// - "oneOf" is taken as "anyOf"
/// - numbers are written as JsonGrammar and numberBetween say; constants in one spelling
/// Keywords that are not supported are refused by name and place, unknown ones as well; annotations are passed over.
class SchemaTranslator {
public:
    SchemaTranslator(Grammar& grammar, Json schema);

    /// JSON texts of the whole schema, or of a part of it that stands at `path`.
    Grammar::Expr root() { return part(document_.root(), "#"); }
    Grammar::Expr part(const Json& schema, const std::string& path);

    [[nodiscard]] const SchemaDocument& document() const { return document_; }
    JsonGrammar& json() { return json_; }

private:
    Grammar::Expr translate(const Json& schema, const std::string& path);
    Grammar::Expr translateFlat(const Json& schema, const std::string& path);
    Grammar::Expr alternatives(const Json& schema, const char* keyword, const std::string& path);
    Grammar::Expr constants(const Json& schema, const std::string& path);
    Grammar::Expr ofType(const Json& schema, const std::string& type, const std::string& path);
    Grammar::Expr object(const Json& schema, const std::string& path);
    Grammar::Expr array(const Json& schema, const std::string& path);
    Grammar::Expr string(const Json& schema, const std::string& path);
    Grammar::Expr number(const Json& schema, bool fractions, const std::string& path);
    Grammar::Expr later(const std::string& key, const Json& schema, const std::string& path);

    Grammar& grammar_;
    SchemaDocument document_;
    JsonGrammar json_;
    struct Job {
        Grammar::Rule rule;
        Json schema;
        std::string path;
    };
    std::deque<Job> jobs_;                        // rules that are called but not yet defined
    std::map<std::string, Grammar::Rule> rules_;  // of references and merged schemas
    std::size_t keyBytes_ = 0;                    // of rules_
};

/// Throws Error kInvalidArgument if `text` is not JSON, longer than 256 KiB or nested deeper than 64
/// levels.
Json parseSchema(const std::string& text);

/// The types a schema leaves: its "type", or those its keywords are about; empty: any.
std::vector<std::string> schemaTypes(const Json& schema, const std::string& path);

/// A keyword that is a whole number; `otherwise` if it is not there.
std::uint32_t schemaCount(const Json& schema, const char* keyword, std::uint32_t otherwise, const std::string& path);

/// Throws if a flat schema has a keyword that is neither an annotation nor supported.
void refuseUnknownKeywords(const Json& schema, const std::string& path);

}  // namespace step3::sampling::structured
