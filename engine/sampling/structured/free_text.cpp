#include "engine/sampling/structured/free_text.h"

#include <array>
#include <deque>
#include <map>

namespace step3::sampling::structured {

namespace {

struct State {
    std::array<int, 256> next;  // -1: none yet
    int fallback = 0;           // the longest proper suffix of what was read that is a state
    bool matches = false;
};

std::vector<State> buildStates(const std::vector<std::string>& words) {
    State root;
    root.next.fill(-1);
    std::vector<State> states{root};
    for (const std::string& word : words) {
        std::size_t at = 0;
        for (const char c : word) {
            const auto byte = static_cast<unsigned char>(c);
            if (states[at].next[byte] < 0) {
                states[at].next[byte] = static_cast<int>(states.size());
                states.push_back(root);
            }
            at = static_cast<std::size_t>(states[at].next[byte]);
        }
        states[at].matches = true;
    }
    std::deque<std::size_t> queue{0};
    while (!queue.empty()) {  // breadth first: a fallback is complete before it is used
        const std::size_t at = queue.front();
        queue.pop_front();
        for (std::size_t byte = 0; byte < 256; ++byte) {
            const int viaFallback = at == 0 ? 0 : states[static_cast<std::size_t>(states[at].fallback)].next[byte];
            int& next = states[at].next[byte];
            if (next < 0) {
                next = viaFallback;
                continue;
            }
            State& child = states[static_cast<std::size_t>(next)];
            child.fallback = viaFallback;
            child.matches = child.matches || states[static_cast<std::size_t>(viaFallback)].matches;
            queue.push_back(static_cast<std::size_t>(next));
        }
    }
    return states;
}

}  // namespace

Grammar::Expr textWithout(Grammar& grammar, const std::vector<std::string>& forbidden) {
    const std::vector<State> states = buildStates(forbidden);
    std::vector<Grammar::Rule> rules;
    for (std::size_t i = 0; i < states.size(); ++i) rules.push_back(grammar.declare("free text"));
    for (std::size_t i = 0; i < states.size(); ++i) {
        std::map<int, std::vector<SymbolRange>> byTarget;
        for (std::size_t byte = 0; byte < 256; ++byte) {
            const int next = states[i].next[byte];
            if (states[static_cast<std::size_t>(next)].matches) continue;
            auto& ranges = byTarget[next];
            const auto symbol = static_cast<Symbol>(byte);
            if (!ranges.empty() && ranges.back().high + 1 == symbol) {
                ranges.back().high = symbol;
            } else {
                ranges.push_back({symbol, symbol});
            }
        }
        std::vector<Grammar::Expr> alternatives{grammar.empty()};
        for (auto& [next, ranges] : byTarget) {
            alternatives.push_back(grammar.sequence(
                {grammar.oneOf(std::move(ranges)), grammar.call(rules[static_cast<std::size_t>(next)])}));
        }
        grammar.define(rules[i], grammar.choice(std::move(alternatives)));
    }
    return grammar.call(rules[0]);
}

}  // namespace step3::sampling::structured
