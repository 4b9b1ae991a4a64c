#include "engine/sampling/structured/machine.h"

#include <algorithm>
#include <utility>

namespace step3::sampling::structured {

namespace {

constexpr std::uint64_t kFree = UINT64_MAX;
constexpr std::size_t kUsualPlaces = 64;  // visited in one step; a power of two

std::uint64_t mixed(std::uint64_t value) {  // the finaliser of MurmurHash3
    value ^= value >> 33U;
    value *= 0xFF51AFD7ED558CCDULL;
    value ^= value >> 33U;
    value *= 0xC4CEB9FE1A85EC53ULL;
    return value ^ (value >> 33U);
}

std::uint64_t keyOf(std::uint32_t high, std::uint32_t low) {
    return (static_cast<std::uint64_t>(high) << 32U) | low;
}

}  // namespace

Machine::Machine(std::shared_ptr<const Automaton> automaton)
    : automaton_(std::move(automaton)), visited_(kUsualPlaces, kFree) {
    forget();
}

void Machine::forget() {
    table_ = {};
    states_ = {};
    places_ = {};
    byHash_.clear();
    frames_ = {{0, 0, 0}};
    frameIds_.clear();
    work_ = 0;
    visit(automaton_->start(), 0);
    start_ = closeAndIntern();
}

std::size_t Machine::bytes() const {
    constexpr std::size_t kMapEntry = 48;  // with its node and bucket
    return table_.capacity() * sizeof(State) + states_.capacity() * sizeof(StateData) +
           places_.capacity() * sizeof(Place) + frames_.capacity() * sizeof(Frame) +
           (byHash_.size() + frameIds_.size()) * kMapEntry;
}

/// Whether what follows from here on can be read within kMaxCallDepth.
bool Machine::fits(Automaton::Node node, std::uint32_t stack) const {
    const std::uint32_t need = automaton_->need(node);
    return need != Automaton::kNever && frames_[stack].depth + need <= kMaxCallDepth;
}

std::uint32_t Machine::push(Automaton::Node target, std::uint32_t parent) {
    const auto [entry, isNew] = frameIds_.emplace(keyOf(target, parent), static_cast<std::uint32_t>(frames_.size()));
    if (isNew) frames_.push_back({target, parent, frames_[parent].depth + 1});
    return entry->second;
}

/// Marks a place that reading may be in, unless it leads nowhere.
void Machine::visit(Automaton::Node node, std::uint32_t stack) {
    if (!fits(node, stack)) return;
    if (2 * visitedCount_ >= visited_.size()) {
        const std::vector<std::uint64_t> old = std::exchange(visited_, {});
        visited_.assign(old.size() * 2, kFree);
        for (const std::uint64_t key : old) {
            if (key == kFree) continue;
            std::size_t slot = mixed(key) & (visited_.size() - 1);
            while (visited_[slot] != kFree) slot = (slot + 1) & (visited_.size() - 1);
            visited_[slot] = key;
        }
    }
    const std::uint64_t key = keyOf(node, stack);
    std::size_t slot = mixed(key) & (visited_.size() - 1);
    while (visited_[slot] != kFree) {
        if (visited_[slot] == key) return;
        slot = (slot + 1) & (visited_.size() - 1);
    }
    visited_[slot] = key;
    ++visitedCount_;
    pending_.push_back({node, stack});
}

Machine::State Machine::compute(State state, std::uint16_t symbolClass) {
    const StateData data = states_[static_cast<std::size_t>(state)];
    for (std::size_t i = data.first; i < data.first + data.count; ++i) {
        const Place place = places_[i];
        for (const Automaton::Edge& edge : automaton_->edges(place.node)) {
            ++work_;
            if (edge.low <= symbolClass && symbolClass <= edge.high) visit(edge.target, place.stack);
        }
    }
    const State next = closeAndIntern();
    table_[static_cast<std::size_t>(state) * automaton_->classCount() + symbolClass] = next;
    return next;
}

/// Follows from the visited places all links that read nothing, and returns the state of the places that go on reading.
Machine::State Machine::closeAndIntern() {
    bool accepts = false;
    found_.clear();
    while (!pending_.empty() && work_ <= kMaxWork) {
        const Place place = pending_.back();
        pending_.pop_back();
        ++work_;
        if (automaton_->isFinal(place.node)) {
            if (place.stack == 0) {
                accepts = true;
            } else {
                visit(frames_[place.stack].target, frames_[place.stack].parent);
            }
        }
        for (const Automaton::Node to : automaton_->jumps(place.node)) visit(to, place.stack);
        for (const Automaton::Call& call : automaton_->calls(place.node)) {
            if (call.tail) {
                visit(call.start, place.stack);
            } else if (frames_[place.stack].depth < kMaxCallDepth && fits(call.target, place.stack)) {
                visit(call.start, push(call.target, place.stack));
            }
        }
        const auto edges = automaton_->edges(place.node);
        if (std::any_of(edges.begin(), edges.end(), [&](const auto& edge) { return fits(edge.target, place.stack); })) {
            found_.push_back(place);
        }
    }
    pending_.clear();
    visited_.assign(visited_.size() > kUsualPlaces && visitedCount_ < kUsualPlaces / 4 ? kUsualPlaces : visited_.size(),
                    kFree);
    visitedCount_ = 0;
    if (work_ > kMaxWork || bytes() > kMaxBytes) {
        throw Error(ErrorCode::kResourceExhausted,
                    "the form of the answer leaves too many ways to read what was written so far");
    }
    if (found_.empty() && !accepts) return kDead;

    std::sort(found_.begin(), found_.end());
    std::uint64_t hash = accepts ? 1 : 0;
    for (const Place& place : found_) hash = mixed(hash ^ keyOf(place.node, place.stack)) + 1;
    const auto [begin, end] = byHash_.equal_range(hash);
    for (auto entry = begin; entry != end; ++entry) {
        const StateData& data = states_[static_cast<std::size_t>(entry->second)];
        if (data.accepts == accepts && data.count == found_.size() &&
            std::equal(found_.begin(), found_.end(), places_.begin() + static_cast<std::ptrdiff_t>(data.first))) {
            return entry->second;
        }
    }
    const auto id = static_cast<State>(states_.size());
    states_.push_back({places_.size(), static_cast<std::uint32_t>(found_.size()), accepts});
    places_.insert(places_.end(), found_.begin(), found_.end());
    table_.resize(table_.size() + automaton_->classCount(), kUnknown);
    byHash_.emplace(hash, id);
    return id;
}

}  // namespace step3::sampling::structured
