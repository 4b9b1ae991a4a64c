#include "engine/sampling/structured/token_constraint.h"

#include "engine/error.h"

namespace step3::sampling::structured {

ConstraintProgram::ConstraintProgram(std::shared_ptr<const Automaton> automaton,
                                     std::shared_ptr<const Vocabulary> vocabulary, std::vector<std::int32_t> eos,
                                     std::int64_t maskSize)
    : vocabulary_(std::move(vocabulary)), eos_(std::move(eos)), maskSize_(maskSize), machine_(std::move(automaton)) {}

std::size_t ConstraintProgram::masksComputed() const {
    const std::lock_guard lock(mutex_);
    return masksComputed_;
}

std::shared_ptr<const TokenMask> ConstraintProgram::mask(Machine::State state) {
    const auto found = masks_.find(state);
    if (found != masks_.end()) return found->second;
    return masks_[state] = computeMask(state);
}

std::shared_ptr<const TokenMask> ConstraintProgram::computeMask(Machine::State state) {
    ++masksComputed_;
    machine_.resetWork();
    auto mask = std::make_shared<TokenMask>(maskSize_);
    const auto nodes = vocabulary_->nodes();
    const auto tokens = vocabulary_->tokens();
    std::vector<Machine::State> path(vocabulary_->maxDepth() + 1);  // path[d]: after d symbols
    path[0] = state;
    for (std::size_t i = 0; i < nodes.size();) {
        const Vocabulary::Node& node = nodes[i];
        const Machine::State next = machine_.step(path[node.depth], node.symbol);
        if (next == Machine::kDead) {
            i = node.next;
            continue;
        }
        path[node.depth + 1U] = next;
        for (std::uint32_t t = 0; t < node.tokenCount; ++t) mask->allow(tokens[node.firstToken + t]);
        ++i;
    }
    if (machine_.accepts(state)) {
        for (const std::int32_t id : eos_) mask->allow(id);
    }
    if (mask->count() == 0) {
        throw Error(ErrorCode::kUnsupported,
                    "the model's vocabulary has no token that goes on in the form asked for the answer");
    }
    return mask;
}

TokenConstraint::TokenConstraint(std::shared_ptr<ConstraintProgram> program) : program_(std::move(program)) {
    const std::lock_guard lock(program_->mutex_);
    state_ = program_->machine_.start();
    generation_ = program_->generation_;
}

/// Comes to the same place in the machine as it is now; the caller holds the lock.
void TokenConstraint::catchUp() {
    if (generation_ == program_->generation_) return;
    program_->machine_.resetWork();
    state_ = program_->machine_.start();
    for (const Symbol symbol : read_) state_ = program_->machine_.step(state_, symbol);
    generation_ = program_->generation_;
}

std::shared_ptr<const TokenMask> TokenConstraint::allowed() {
    const std::lock_guard lock(program_->mutex_);
    const std::size_t maskBytes = static_cast<std::size_t>(program_->maskSize_) / 8;
    if (program_->machine_.bytes() + program_->masks_.size() * maskBytes > ConstraintProgram::kKeptBytes) {
        program_->machine_.forget();
        program_->masks_.clear();
        ++program_->generation_;
    }
    catchUp();
    return program_->mask(state_);
}

bool TokenConstraint::accept(std::int32_t token) {
    const std::vector<Symbol> symbols = program_->vocabulary_->symbolsOf(token);
    if (symbols.empty()) return false;
    const std::lock_guard lock(program_->mutex_);
    catchUp();
    program_->machine_.resetWork();
    Machine::State state = state_;
    for (const Symbol symbol : symbols) {
        state = program_->machine_.step(state, symbol);
        if (state == Machine::kDead) return false;
    }
    state_ = state;
    read_.insert(read_.end(), symbols.begin(), symbols.end());
    return true;
}

bool TokenConstraint::accepts() {
    const std::lock_guard lock(program_->mutex_);
    catchUp();
    return program_->machine_.accepts(state_);
}

bool TokenConstraint::isComplete() {
    const std::lock_guard lock(program_->mutex_);
    catchUp();
    return program_->machine_.isComplete(state_);
}

}  // namespace step3::sampling::structured
