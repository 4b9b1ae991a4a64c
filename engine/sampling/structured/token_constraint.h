#pragma once

#include <memory>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "engine/sampling/structured/machine.h"
#include "engine/sampling/structured/vocabulary.h"
#include "engine/sampling/token_mask.h"

namespace step3::sampling::structured {

/// A compiled form of answers over the tokens of one model. Masks are kept per state of the machine, and the machine's
/// states are shared by all requests that use the program. Thread-safe.
class ConstraintProgram {
public:
    /// `maskSize`: logits of the model, V; `eos`: the tokens that end an answer, allowed where the grammar ends.
    ConstraintProgram(std::shared_ptr<const Automaton> automaton, std::shared_ptr<const Vocabulary> vocabulary,
                      std::vector<std::int32_t> eos, std::int64_t maskSize);

    /// How often a mask was computed, for benchmarks and tests.
    [[nodiscard]] std::size_t masksComputed() const;
    /// Memory of states and masks above which they are forgotten and computed anew as they are needed.
    static constexpr std::size_t kKeptBytes = 32U << 20U;

private:
    friend class TokenConstraint;

    std::shared_ptr<const TokenMask> mask(Machine::State state);
    std::shared_ptr<const TokenMask> computeMask(Machine::State state);

    const std::shared_ptr<const Vocabulary> vocabulary_;
    const std::vector<std::int32_t> eos_;
    const std::int64_t maskSize_;

    mutable std::mutex mutex_;  // guards what follows
    Machine machine_;
    std::uint64_t generation_ = 0;  // how often the machine's states were forgotten
    std::unordered_map<Machine::State, std::shared_ptr<const TokenMask>> masks_;
    std::size_t masksComputed_ = 0;
};

/// Where one answer stands in its form. Copies go on independently of each other.
class TokenConstraint {
public:
    explicit TokenConstraint(std::shared_ptr<ConstraintProgram> program);

    /// The tokens that may come next, ends of the answer included. Throws Error kResourceExhausted if the grammar is
    /// too ambiguous here, kUnsupported if no token of the vocabulary can go on.
    std::shared_ptr<const TokenMask> allowed();
    /// Goes on by one token; false, and nothing changes, if it was not allowed. A token that ends the answer is not to
    /// be passed.
    bool accept(std::int32_t token);
    /// The answer may end here.
    [[nodiscard]] bool accepts();
    /// The answer must end here.
    [[nodiscard]] bool isComplete();

private:
    void catchUp();

    std::shared_ptr<ConstraintProgram> program_;
    Machine::State state_ = 0;
    std::uint64_t generation_ = 0;
    std::vector<Symbol> read_;  // to come to the same place again when the states are forgotten
};

}  // namespace step3::sampling::structured
