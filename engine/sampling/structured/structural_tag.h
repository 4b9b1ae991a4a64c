#pragma once

#include <string>

#include "engine/sampling/structured/grammar.h"

namespace step3::sampling::structured {

/// Free text in which parts of a given form stand: wherever one of the triggers occurs, one of the structures that
/// begin with it follows, from its `begin` over a JSON text of its schema to its `end`; then the text is free again.
///
/// `text` is JSON: {"triggers": ["<f"], "structures": [{"begin": "<f>", "schema": {...}, "end": "</f>"}]}. Throws Error
/// kInvalidArgument naming the structure.
Grammar::Expr structuralTags(Grammar& grammar, const std::string& text);

}  // namespace step3::sampling::structured
