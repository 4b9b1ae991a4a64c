#include "engine/sampling/structured/number_range.h"

#include <algorithm>
#include <charconv>

namespace step3::sampling::structured {

namespace {

constexpr std::size_t kMaxWhole = 18;
constexpr std::size_t kMaxFraction = 20;

/// What is left of a bound while digits are read: nothing once the digits differ from it.
using Rest = std::optional<std::string>;

/// -1, 0, 1: |a| below, equal to, above |b|.
int compareMagnitude(const Decimal& a, const Decimal& b) {
    if (a.whole.size() != b.whole.size()) return a.whole.size() < b.whole.size() ? -1 : 1;
    const int whole = a.whole.compare(b.whole);
    const int result = whole != 0 ? whole : a.fraction.compare(b.fraction);
    return result < 0 ? -1 : result > 0 ? 1 : 0;
}

bool isZero(const Decimal& value) {
    return value.whole.empty() && value.fraction.empty();
}

/// Non-negative decimals between non-negative bounds.
class MagnitudeRange {
public:
    MagnitudeRange(Grammar& grammar, bool fractions) : grammar_(grammar), fractions_(fractions) {}

    Grammar::Expr between(const Bound& low, const std::optional<Bound>& high) {
        if (high) {
            const int order = compareMagnitude(low.value, high->value);
            if (order > 0 || (order == 0 && (low.open || high->open))) return grammar_.nothing();
        }
        std::vector<Grammar::Expr> alternatives;
        for (std::size_t length = low.value.whole.size(); length <= kMaxWhole; ++length) {
            if (high && length > high->value.whole.size()) break;
            const Rest l = length == low.value.whole.size() ? Rest(low.value.whole) : std::nullopt;
            const Rest h = high && length == high->value.whole.size() ? Rest(high->value.whole) : std::nullopt;
            alternatives.push_back(whole(l, h, length, true, low, high));
        }
        return grammar_.choice(std::move(alternatives));
    }

private:
    Grammar::Expr digit(int low, int high) {
        return grammar_.oneOf({{static_cast<Symbol>('0' + low), static_cast<Symbol>('0' + high)}});
    }
    static int firstOf(const Rest& rest, int otherwise) {
        return !rest ? otherwise : rest->empty() ? 0 : (*rest)[0] - '0';
    }
    static Rest tail(const Rest& rest, int read) {
        if (!rest || read != firstOf(rest, -1)) return std::nullopt;
        return rest->empty() ? *rest : rest->substr(1);
    }

    /// Calls onDigits(low, high, rest of l, rest of h) for each group of next digits from which the same can follow.
    template <typename OnDigits>
    static void eachGroup(const Rest& l, const Rest& h, int least, const OnDigits& onDigits) {
        const int low = std::max(firstOf(l, 0), least);
        const int high = firstOf(h, 9);
        for (int d = low; d <= high;) {
            const bool edge = (l && d == firstOf(l, 0)) || (h && d == high);
            int end = d;
            if (!edge) end = h ? high - 1 : 9;
            onDigits(d, end, tail(l, edge ? d : -1), tail(h, edge ? d : -1));
            d = end + 1;
        }
    }

    /// `left` digits before the point, then the point and what follows.
    Grammar::Expr whole(const Rest& l, const Rest& h, std::size_t left, bool first, const Bound& low,
                        const std::optional<Bound>& high) {
        if (left == 0) {
            const Rest lowFraction = l ? Rest(low.value.fraction) : std::nullopt;
            const Rest highFraction = h ? Rest(high->value.fraction) : std::nullopt;
            const auto rest = fraction(lowFraction, highFraction, low.open, high && high->open);
            return first ? grammar_.sequence({grammar_.symbol('0'), rest}) : rest;
        }
        if (!l && !h) {
            const auto rest = fraction(std::nullopt, std::nullopt, false, false);
            const auto count = static_cast<std::uint32_t>(left - (first ? 1 : 0));
            const auto digits = grammar_.repeat(digit(0, 9), count, count);
            return first ? grammar_.sequence({digit(1, 9), digits, rest}) : grammar_.sequence({digits, rest});
        }
        std::vector<Grammar::Expr> alternatives;
        eachGroup(l, h, first ? 1 : 0, [&](int from, int to, const Rest& nextL, const Rest& nextH) {
            alternatives.push_back(
                grammar_.sequence({digit(from, to), whole(nextL, nextH, left - 1, false, low, high)}));
        });
        return grammar_.choice(std::move(alternatives));
    }

    static bool mayEnd(const Rest& l, const Rest& h, bool lowOpen, bool highOpen) {
        return (!l || (l->empty() && !lowOpen)) && (!h || !(h->empty() && highOpen));
    }

    Grammar::Expr fraction(const Rest& l, const Rest& h, bool lowOpen, bool highOpen) {
        const bool none = mayEnd(l, h, lowOpen, highOpen);
        if (!fractions_) return none ? grammar_.empty() : grammar_.nothing();
        const auto some =
            grammar_.sequence({grammar_.symbol('.'), fractionDigits(l, h, lowOpen, highOpen, kMaxFraction, false)});
        return none ? grammar_.optional(some) : some;
    }

    Grammar::Expr fractionDigits(const Rest& l, const Rest& h, bool lowOpen, bool highOpen, std::size_t left,
                                 bool endable) {
        const Rest bound = l && l->empty() && !lowOpen ? std::nullopt : l;  // nothing is below zero
        if (!bound && !h) {
            return grammar_.repeat(digit(0, 9), endable ? 0 : 1, static_cast<std::uint32_t>(left));
        }
        std::vector<Grammar::Expr> alternatives;
        if (endable && mayEnd(bound, h, lowOpen, highOpen)) alternatives.push_back(grammar_.empty());
        if (left > 0) {
            eachGroup(bound, h, 0, [&](int from, int to, const Rest& nextL, const Rest& nextH) {
                alternatives.push_back(grammar_.sequence(
                    {digit(from, to), fractionDigits(nextL, nextH, lowOpen, highOpen, left - 1, true)}));
            });
        }
        return grammar_.choice(std::move(alternatives));
    }

    Grammar& grammar_;
    bool fractions_;
};

}  // namespace

Decimal Decimal::from(const Json& number) {
    std::string text = number.dump();
    Decimal decimal;
    if (text.starts_with('-')) {
        decimal.negative = true;
        text.erase(0, 1);
    }
    int exponent = 0;
    if (const std::size_t e = text.find_first_of("eE"); e != std::string::npos) {
        const char* begin = text.data() + e + (text[e + 1] == '+' ? 2 : 1);
        std::from_chars(begin, text.data() + text.size(), exponent);
        text.resize(e);
    }
    std::size_t point = text.find('.');
    if (point == std::string::npos) {
        point = text.size();
    } else {
        text.erase(point, 1);
    }
    constexpr int kMaxShift = 400;  // more than any exponent of a double
    text = std::string(kMaxShift, '0') + text + std::string(kMaxShift, '0');
    point = static_cast<std::size_t>(static_cast<int>(point) + kMaxShift + exponent);
    decimal.whole = text.substr(0, point);
    decimal.fraction = text.substr(point);
    decimal.whole.erase(0, std::min(decimal.whole.find_first_not_of('0'), decimal.whole.size()));
    decimal.fraction.erase(decimal.fraction.find_last_not_of('0') + 1);
    if (isZero(decimal)) decimal.negative = false;
    return decimal;
}

Grammar::Expr numberBetween(Grammar& grammar, const std::optional<Bound>& low, const std::optional<Bound>& high,
                            bool fractions) {
    MagnitudeRange range(grammar, fractions);
    std::vector<Grammar::Expr> alternatives;
    if (!high || !high->value.negative) {  // zero and above
        const Bound from = low && !low->value.negative ? *low : Bound{};
        alternatives.push_back(range.between(from, high));
    }
    if (!low || low->value.negative) {
        const Bound least = high && high->value.negative ? *high : Bound{{}, true};  // no "-0"
        alternatives.push_back(grammar.sequence({grammar.symbol('-'), range.between(least, low)}));
    }
    return grammar.choice(std::move(alternatives));
}

}  // namespace step3::sampling::structured
