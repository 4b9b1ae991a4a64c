#pragma once

#include <optional>
#include <string>

#include "engine/json.h"
#include "engine/sampling/structured/grammar.h"

namespace step3::sampling::structured {

/// A decimal number as it is written: no leading zeros before the point (nothing for zero), no trailing ones behind it.
struct Decimal {
    bool negative = false;
    std::string whole;
    std::string fraction;

    /// Of a JSON number: the shortest digits that read back to it.
    static Decimal from(const Json& number);
};

struct Bound {
    Decimal value;
    bool open = false;  // the value itself is left out
};

/// Numbers between two bounds, as decimals without exponent (at most 18 digits before and 20 behind the point);
/// `fractions` false: integers. An absent bound is no bound.
Grammar::Expr numberBetween(Grammar& grammar, const std::optional<Bound>& low, const std::optional<Bound>& high,
                            bool fractions);

}  // namespace step3::sampling::structured
