#include "engine/sampling/structured/automaton.h"

#include <algorithm>
#include <limits>
#include <queue>

#include "engine/sampling/structured/network_builder.h"

namespace step3::sampling::structured {

namespace {

/// Sorts links by the node they leave: `begin[n]` to `begin[n + 1]` are the places of those of node n.
template <typename Link, typename Place>
std::vector<std::uint32_t> sortByNode(std::size_t nodes, const std::vector<Link>& links, const Place& place) {
    std::vector<std::uint32_t> begin(nodes + 1, 0);
    for (const Link& link : links) ++begin[link.from + 1];
    for (std::size_t i = 0; i < nodes; ++i) begin[i + 1] += begin[i];
    std::vector<std::uint32_t> at = begin;
    for (const Link& link : links) place(at[link.from]++, link);
    return begin;
}

/// Throws if a rule can call itself, directly or through others, before anything has been read: reading would never
/// get further. What is reachable from the start of a rule without reading is found by a work list; the links behind a
/// call wait until the called rule turns out to match the empty text.
void refuseLeftRecursion(const NetworkBuilder& network) {
    const std::size_t ruleCount = network.rules().size();
    std::vector<std::vector<std::uint32_t>> jumpsOf(network.nodeCount());
    std::vector<std::vector<std::size_t>> callsOf(network.nodeCount());
    for (const auto& jump : network.jumps()) jumpsOf[jump.from].push_back(jump.to);
    for (std::size_t i = 0; i < network.calls().size(); ++i) callsOf[network.calls()[i].from].push_back(i);

    std::vector<bool> reached(network.nodeCount()), empty(ruleCount);
    std::vector<std::vector<std::uint32_t>> waiting(ruleCount), callees(ruleCount);
    std::vector<std::uint32_t> work;
    const auto reach = [&](std::uint32_t node) {
        if (reached[node]) return;
        reached[node] = true;
        work.push_back(node);
    };
    for (const auto& rule : network.rules()) reach(rule.start);
    while (!work.empty()) {
        const std::uint32_t node = work.back();
        work.pop_back();
        const std::uint32_t rule = network.ruleOf(node);
        for (const std::uint32_t to : jumpsOf[node]) reach(to);
        for (const std::size_t index : callsOf[node]) {
            const auto& call = network.calls()[index];
            callees[rule].push_back(call.rule);
            if (empty[call.rule]) {
                reach(call.to);
            } else {
                waiting[call.rule].push_back(call.to);
            }
        }
        if (node == network.rules()[rule].end && !empty[rule]) {
            empty[rule] = true;
            for (const std::uint32_t to : waiting[rule]) reach(to);
        }
    }

    enum : char { kNew, kOpen, kDone };
    std::vector<char> state(ruleCount, kNew);
    std::vector<std::pair<std::uint32_t, std::size_t>> path;  // rule, callees looked at
    for (std::uint32_t first = 0; first < ruleCount; ++first) {
        if (state[first] != kNew) continue;
        state[first] = kOpen;
        path.emplace_back(first, 0);
        while (!path.empty()) {
            auto& [rule, seen] = path.back();
            if (seen == callees[rule].size()) {
                state[rule] = kDone;
                path.pop_back();
                continue;
            }
            const std::uint32_t callee = callees[rule][seen++];
            if (state[callee] == kOpen) {
                throw Error(ErrorCode::kInvalidArgument, network.rules()[callee].name +
                                                             " refers to itself before it says anything (left "
                                                             "recursion), which is not supported");
            }
            if (state[callee] == kNew) {
                state[callee] = kOpen;
                path.emplace_back(callee, 0);
            }
        }
    }
}

}  // namespace

Automaton::Automaton(const Grammar& grammar, Grammar::Rule root) {
    const NetworkBuilder network(grammar, root);
    refuseLeftRecursion(network);

    std::vector<SymbolRange> ranges;
    for (const auto& read : network.reads()) ranges.push_back(read.range);
    markClasses(ranges);

    const std::size_t count = network.nodeCount();
    nodes_.resize(count + 1);
    start_ = network.rules()[0].start;
    for (const auto& rule : network.rules()) nodes_[rule.end].final = true;

    edges_.resize(network.reads().size());
    const auto edgeBegin = sortByNode(count, network.reads(), [&](std::uint32_t at, const NetworkBuilder::Read& read) {
        edges_[at] = {classOf(read.range.low), classOf(read.range.high), read.to};
    });
    jumps_.resize(network.jumps().size());
    const auto jumpBegin = sortByNode(
        count, network.jumps(), [&](std::uint32_t at, const NetworkBuilder::Jump& jump) { jumps_[at] = jump.to; });
    calls_.resize(network.calls().size());
    const auto callBegin = sortByNode(count, network.calls(), [&](std::uint32_t at, const NetworkBuilder::Call& call) {
        calls_[at] = {network.rules()[call.rule].start, call.to, false};
    });
    for (std::size_t i = 0; i <= count; ++i) {
        nodes_[i].edges = edgeBegin[i];
        nodes_[i].jumps = jumpBegin[i];
        nodes_[i].calls = callBegin[i];
    }
    // A call is a tail call if nothing but the end of the rule can follow.
    for (Call& call : calls_) {
        Node node = call.target;
        while (!isFinal(node) && edges(node).empty() && calls(node).empty() && jumps(node).size() == 1) {
            node = jumps(node)[0];
        }
        call.tail = isFinal(node);
    }
    computeNeeds();
    if (need_[start_] > kMaxCallDepth) {
        throw Error(ErrorCode::kInvalidArgument,
                    "no answer can have the form that is asked for: its rules contradict each other or never end");
    }
}

void Automaton::markClasses(const std::vector<SymbolRange>& ranges) {
    std::size_t end = kFirstMarkup;
    for (const SymbolRange& range : ranges) end = std::max<std::size_t>(end, range.high + 1U);
    std::vector<bool> begins(end + 1);  // a class begins at this symbol
    begins[0] = true;
    begins[end] = true;
    for (const SymbolRange& range : ranges) {
        begins[range.low] = true;
        begins[range.high + 1U] = true;
    }
    classOf_.resize(end + 1);
    std::uint16_t next = 0;
    for (std::size_t symbol = 0; symbol <= end; ++symbol) {
        if (begins[symbol]) ++next;
        classOf_[symbol] = static_cast<std::uint16_t>(next - 1);
    }
    classCount_ = next;
}

/// Knuth's generalisation of Dijkstra's algorithm: the need of a node is the least over its links, that of a call the
/// greater of what the called rule needs (one more, but for tail calls) and what follows.
void Automaton::computeNeeds() {
    const std::size_t count = nodeCount();
    struct Back {
        std::uint32_t from, link;
    };
    std::vector<Back> entries, callTargets, callStarts;
    for (Node node = 0; node < count; ++node) {
        for (const Edge& edge : edges(node)) entries.push_back({edge.target, node});
        for (const Node to : jumps(node)) entries.push_back({to, node});
    }
    std::vector<Node> callFrom(calls_.size());
    for (Node node = 0; node < count; ++node) {
        for (std::uint32_t i = nodes_[node].calls; i < nodes_[node + 1].calls; ++i) {
            callFrom[i] = node;
            callTargets.push_back({calls_[i].target, i});
            callStarts.push_back({calls_[i].start, i});
        }
    }
    const auto sorted = [&](std::vector<Back>& list) {
        std::vector<Back> copy(list.size());
        auto begin = sortByNode(count, list, [&](std::uint32_t at, const Back& back) { copy[at] = back; });
        list = std::move(copy);
        return begin;
    };
    const auto entryBegin = sorted(entries);
    const auto targetBegin = sorted(callTargets);
    const auto startBegin = sorted(callStarts);

    need_.assign(count, kNever);
    std::vector<bool> done(count);
    using Item = std::pair<std::uint32_t, Node>;
    std::priority_queue<Item, std::vector<Item>, std::greater<>> queue;
    const auto relax = [&](Node node, std::uint32_t value) {
        if (value >= need_[node]) return;
        need_[node] = value;
        queue.emplace(value, node);
    };
    const auto relaxCall = [&](std::uint32_t index) {
        const Call& call = calls_[index];
        if (!done[call.start] || !done[call.target]) return;
        relax(callFrom[index], std::max(need_[call.start] + (call.tail ? 0U : 1U), need_[call.target]));
    };
    for (Node node = 0; node < count; ++node) {
        if (isFinal(node)) relax(node, 0);
    }
    while (!queue.empty()) {
        const auto [value, node] = queue.top();
        queue.pop();
        if (done[node]) continue;
        done[node] = true;
        for (std::uint32_t i = entryBegin[node]; i < entryBegin[node + 1]; ++i) relax(entries[i].link, value);
        for (std::uint32_t i = targetBegin[node]; i < targetBegin[node + 1]; ++i) relaxCall(callTargets[i].link);
        for (std::uint32_t i = startBegin[node]; i < startBegin[node + 1]; ++i) relaxCall(callStarts[i].link);
    }
}

}  // namespace step3::sampling::structured
