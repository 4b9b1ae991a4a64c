#pragma once

#include <string_view>

#include "engine/sampling/structured/grammar.h"

namespace step3::sampling::structured {

/// Reads a grammar in GBNF, the notation of llama.cpp: rules `name ::= ...`, of which "root" is the answer; "text" with
/// the escapes \" \\ \n \r \t \xHH \uHHHH \UHHHHHHHH; classes [a-z] and [^a-z] of characters with \] \- \^ besides; `.`
/// for any character; groups ( ), alternatives |, repetitions * + ? {m} {m,} {m,n}; comments from # to the end of the
/// line. A rule goes on over line ends inside a group, behind |, and where the next line begins no rule. Returns a call
/// of "root". Throws Error kInvalidArgument with the line. (Debian 12 packages no grammar library for this: neither
/// xgrammar nor llguidance nor llama.cpp.)
Grammar::Expr parseGbnf(Grammar& grammar, std::string_view text);

}  // namespace step3::sampling::structured
