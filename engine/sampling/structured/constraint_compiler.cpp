#include "engine/sampling/structured/constraint_compiler.h"

#include <algorithm>

#include "engine/error.h"
#include "engine/sampling/structured/free_text.h"
#include "engine/sampling/structured/gbnf.h"
#include "engine/sampling/structured/regex.h"
#include "engine/sampling/structured/structural_tag.h"
#include "engine/sampling/structured/tool_grammar.h"
#include "engine/text/tool_call_parser.h"

namespace step3::sampling::structured {

namespace {

constexpr std::size_t kKeptPrograms = 8;

using Kind = StructuredOutput::Kind;

[[noreturn]] void reject(const std::string& message) {
    throw Error(ErrorCode::kInvalidArgument, message);
}

void check(const AnswerForm& form) {
    const StructuredOutput& structured = form.structured;
    if (structured.kind == Kind::kChoice && structured.choices.empty()) reject("choice must not be empty");
    if (structured.kind == Kind::kRegex && structured.text.empty()) reject("regex must not be empty");
    if (form.tools.is_null() &&
        (form.toolChoice.kind == ToolChoice::Kind::kRequired || form.toolChoice.kind == ToolChoice::Kind::kNamed)) {
        reject("tool_choice needs tools");
    }
}

/// The text of the answer, behind the reasoning; not for kNone.
Grammar::Expr content(Grammar& grammar, const StructuredOutput& structured) {
    JsonGrammar json(grammar);
    switch (structured.kind) {
        case Kind::kJsonObject: return grammar.sequence({json.space(), json.object()});
        case Kind::kJsonSchema: {
            SchemaTranslator schema(grammar, parseSchema(structured.text));
            return grammar.sequence({json.space(), schema.root()});
        }
        case Kind::kRegex: return regexFullMatch(grammar, structured.text, Spelling::kPlain);
        case Kind::kChoice: {
            std::vector<Grammar::Expr> choices;
            for (const std::string& choice : structured.choices) choices.push_back(grammar.text(choice));
            return grammar.choice(std::move(choices));
        }
        case Kind::kGrammar: return parseGbnf(grammar, structured.text);
        case Kind::kStructuralTag: return structuralTags(grammar, structured.text);
        case Kind::kNone: break;
    }
    return grammar.empty();
}

/// All of the answer. Where neither a form nor a call is demanded, reasoning may also be all there is.
Grammar::Expr answer(Grammar& grammar, const Vocabulary& vocabulary, const AnswerForm& form) {
    const bool structured = form.structured.kind != Kind::kNone;
    const auto choice = form.toolChoice.kind;
    const bool mustCall = choice == ToolChoice::Kind::kRequired || choice == ToolChoice::Kind::kNamed;
    const bool mayCall = !form.tools.is_null() && choice != ToolChoice::Kind::kNone;
    auto result = grammar.nothing();
    if (mayCall) {
        const auto calls = toolCalls(grammar, vocabulary, form.tools, form.toolChoice);
        if (mustCall) {
            result = calls;
        } else if (structured) {
            result = grammar.choice({calls, content(grammar, form.structured)});
        } else {
            result =
                grammar.sequence({textWithout(grammar, {std::string(text::kCallsBegin)}), grammar.optional(calls)});
        }
    } else if (structured) {
        result = content(grammar, form.structured);
    } else {
        result = textWithout(grammar, {std::string(text::kCallsBegin)});
    }
    if (!form.startsInReasoning) return result;
    const auto rest = grammar.sequence({markup(grammar, vocabulary, text::kThinkEnd), result});
    return grammar.sequence(
        {textWithout(grammar, {std::string(text::kThinkEnd)}), structured || mustCall ? rest : grammar.optional(rest)});
}

/// Equal for equal forms only: the parts are told apart by their lengths.
std::string keyOf(const AnswerForm& form) {
    std::string key;
    const auto add = [&](const std::string& part) { key += std::to_string(part.size()) + ":" + part; };
    add(std::to_string(static_cast<int>(form.structured.kind)));
    add(form.structured.text);
    add(std::to_string(form.structured.choices.size()));
    for (const std::string& choice : form.structured.choices) add(choice);
    add(form.tools.dump(-1, ' ', false, Json::error_handler_t::replace));
    add(std::to_string(static_cast<int>(form.toolChoice.kind)));
    add(form.toolChoice.name);
    add(form.toolChoice.parallel ? "parallel" : "one");
    add(form.startsInReasoning ? "reasoning" : "");
    return key;
}

}  // namespace

ConstraintCompiler::ConstraintCompiler(std::shared_ptr<const text::Tokenizer> tokenizer, std::vector<std::int32_t> eos,
                                       std::int64_t vocabSize)
    : tokenizer_(std::move(tokenizer)), eos_(std::move(eos)), vocabSize_(vocabSize) {}

std::shared_ptr<const Vocabulary> ConstraintCompiler::vocabulary() {
    const std::lock_guard lock(mutex_);
    if (!vocabulary_) vocabulary_ = std::make_shared<const Vocabulary>(tokenizer_, eos_);
    return vocabulary_;
}

std::shared_ptr<ConstraintProgram> ConstraintCompiler::compile(const AnswerForm& form) {
    check(form);
    if (form.structured.kind == Kind::kNone && form.tools.is_null()) return nullptr;
    const std::string key = keyOf(form);
    {
        const std::lock_guard lock(mutex_);
        const auto found = std::find_if(kept_.begin(), kept_.end(), [&](const Kept& kept) { return kept.key == key; });
        if (found != kept_.end()) {
            kept_.splice(kept_.begin(), kept_, found);
            return found->program;
        }
    }
    const auto words = vocabulary();
    Grammar grammar;
    const Grammar::Rule root = grammar.declare("the answer");
    grammar.define(root, answer(grammar, *words, form));
    auto program =
        std::make_shared<ConstraintProgram>(std::make_shared<const Automaton>(grammar, root), words, eos_, vocabSize_);
    const std::lock_guard lock(mutex_);
    kept_.push_front({key, program});
    if (kept_.size() > kKeptPrograms) kept_.pop_back();
    return program;
}

}  // namespace step3::sampling::structured
