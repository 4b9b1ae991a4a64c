#pragma once

#include <cstdint>
#include <memory>
#include <unordered_map>
#include <vector>

#include "engine/sampling/structured/automaton.h"

namespace step3::sampling::structured {

/// An Automaton made deterministic while it is used. A state is the set of all places (node and stack of returns) that
/// reading may have come to; states and the steps between them are kept, so that a step that was taken before is one
/// table look-up. Not thread-safe.
class Machine {
public:
    using State = std::int32_t;
    static constexpr State kDead = -1;  // no word of the language begins like this

    explicit Machine(std::shared_ptr<const Automaton> automaton);

    [[nodiscard]] State start() const { return start_; }
    /// The state after one more symbol. Throws Error kResourceExhausted beyond kMaxBytes or kMaxWork.
    State step(State state, Symbol symbol) {
        const std::size_t slot =
            static_cast<std::size_t>(state) * automaton_->classCount() + automaton_->classOf(symbol);
        return table_[slot] != kUnknown ? table_[slot] : compute(state, automaton_->classOf(symbol));
    }
    /// What was read is a word of the language.
    [[nodiscard]] bool accepts(State state) const { return states_[static_cast<std::size_t>(state)].accepts; }
    /// ... and no longer word begins with it.
    [[nodiscard]] bool isComplete(State state) const {
        return accepts(state) && states_[static_cast<std::size_t>(state)].count == 0;
    }
    [[nodiscard]] std::size_t stateCount() const { return states_.size(); }
    [[nodiscard]] std::size_t bytes() const;
    /// Forgets all states but the start: what was returned before is void.
    void forget();
    /// Starts counting work anew; called before each operation of a bounded cost.
    void resetWork() { work_ = 0; }

    static constexpr std::size_t kMaxBytes = 128U << 20U;
    static constexpr std::size_t kMaxWork = 3'000'000;  // places visited: some tenths of a second

private:
    static constexpr State kUnknown = -2;

    struct Place {
        Automaton::Node node;
        std::uint32_t stack;  // index into frames_
        bool operator==(const Place&) const = default;
        auto operator<=>(const Place&) const = default;
    };
    struct Frame {
        Automaton::Node target;
        std::uint32_t parent;
        std::uint32_t depth;
    };
    struct StateData {
        std::size_t first = 0;  // in places_
        std::uint32_t count = 0;
        bool accepts = false;
    };

    State compute(State state, std::uint16_t symbolClass);
    void visit(Automaton::Node node, std::uint32_t stack);
    State closeAndIntern();
    [[nodiscard]] bool fits(Automaton::Node node, std::uint32_t stack) const;
    std::uint32_t push(Automaton::Node target, std::uint32_t parent);

    std::shared_ptr<const Automaton> automaton_;
    State start_ = 0;
    std::vector<State> table_;  // [states, classes]
    std::vector<StateData> states_;
    std::vector<Place> places_;                             // of all states, each state's sorted
    std::unordered_multimap<std::uint64_t, State> byHash_;  // of the places
    std::vector<Frame> frames_;                             // the first is the bottom
    std::unordered_map<std::uint64_t, std::uint32_t> frameIds_;
    std::size_t work_ = 0;

    // While a step is computed.
    std::vector<Place> pending_;
    std::vector<std::uint64_t> visited_;  // open addressing
    std::size_t visitedCount_ = 0;
    std::vector<Place> found_;
};

}  // namespace step3::sampling::structured
