#pragma once

#include <optional>
#include <string>
#include <vector>

#include "engine/sampling/structured/grammar.h"

namespace step3::sampling::structured {

/// One named part of a list of parts that come in a fixed order.
struct ListedPart {
    std::string name;
    Grammar::Expr content = 0;
    bool required = false;
};

/// The parts in their order, `separator` between them; optional parts may be left out, and any number of `more` may
/// follow. Grows with the number of parts only.
Grammar::Expr orderedParts(Grammar& grammar, const std::vector<ListedPart>& parts, Grammar::Expr separator,
                           std::optional<Grammar::Expr> more);

/// A JSON string without escapes that is none of `names`.
Grammar::Expr keyExcept(Grammar& grammar, const std::vector<std::string>& names);

}  // namespace step3::sampling::structured
