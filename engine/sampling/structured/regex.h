#pragma once

#include <string_view>

#include "engine/sampling/structured/char_set.h"

namespace step3::sampling::structured {

/// The texts a regular expression matches as a whole; anchors are allowed, but change nothing.
Grammar::Expr regexFullMatch(Grammar& grammar, std::string_view pattern, Spelling spelling);

/// The texts in which a regular expression matches some part, as "pattern" of JSON schema means it: only anchors keep
/// other text away from its ends.
Grammar::Expr regexSearch(Grammar& grammar, std::string_view pattern, Spelling spelling);

// Both throw Error kInvalidArgument (see parseRegex), also for anchors elsewhere than at an end.

}  // namespace step3::sampling::structured
