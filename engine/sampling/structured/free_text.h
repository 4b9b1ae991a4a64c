#pragma once

#include <string>
#include <vector>

#include "engine/sampling/structured/grammar.h"

namespace step3::sampling::structured {

/// Any bytes in which none of `forbidden` (none empty) occurs: the automaton of Aho and Corasick ("Efficient string
/// matching", 1975) without its matches, as rules.
Grammar::Expr textWithout(Grammar& grammar, const std::vector<std::string>& forbidden);

}  // namespace step3::sampling::structured
