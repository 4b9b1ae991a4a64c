#pragma once

#include "engine/json.h"
#include "engine/sampling/structured/json_schema.h"
#include "engine/sampling/structured/structured_output.h"
#include "engine/sampling/structured/vocabulary.h"

namespace step3::sampling::structured {

/// A markup token, as one symbol where the vocabulary has it and spelled out otherwise.
Grammar::Expr markup(Grammar& grammar, const Vocabulary& vocabulary, std::string_view name);

/// A block of tool calls in the model's own markup (spec step3-model section 7.4), laid out as the chat template lays
/// out past calls: of the tools `choice` leaves, with the parameters their schemas name, in that order. Values are
/// written as the parser reads them: strings bare (without blanks at the ends if their length is bounded, and without <
/// if it is or if a pattern or format is given), all else as JSON text of the parameter's schema.
///
/// `tools` is an array of schemas. Throws Error kInvalidArgument naming the tool and the place in its schema. Where
/// calling is left to the model (kAuto), a tool that is not "strict" and whose schema is not supported takes any
/// parameters instead.
Grammar::Expr toolCalls(Grammar& grammar, const Vocabulary& vocabulary, const Json& tools, const ToolChoice& choice);

}  // namespace step3::sampling::structured
