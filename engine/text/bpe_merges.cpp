#include "engine/text/bpe_merges.h"

#include <bit>
#include <queue>
#include <utility>

namespace step3::text {
namespace {

std::uint64_t pairOf(TokenId left, TokenId right) {
    return static_cast<std::uint64_t>(static_cast<std::uint32_t>(left)) << 32 | static_cast<std::uint32_t>(right);
}

}  // namespace

BpeMerges::BpeMerges(const std::array<TokenId, 256>& byteIds, std::size_t expected) : byteIds_(byteIds) {
    const std::size_t slots = std::bit_ceil(2 * expected + 2);
    table_.resize(slots);
    shift_ = 64 - static_cast<unsigned>(std::countr_zero(slots));
}

// A slot of the pair, or the empty one where it would be.
const BpeMerges::Rule& BpeMerges::find(TokenId left, TokenId right) const {
    const std::uint64_t pair = pairOf(left, right);
    std::size_t slot = pair * 0x9E3779B97F4A7C15ULL >> shift_;  // multiplicative hashing: upper bits of the product
    while (table_[slot].pair != pair && table_[slot].pair != kNoPair) slot = (slot + 1) & (table_.size() - 1);
    return table_[slot];
}

void BpeMerges::add(TokenId left, TokenId right, std::uint32_t rank, TokenId merged) {
    const Rule& rule = find(left, right);
    if (rule.pair == kNoPair)
        table_[static_cast<std::size_t>(&rule - table_.data())] = {pairOf(left, right), rank, merged};
}

void BpeMerges::encode(std::string_view piece, std::vector<TokenId>& ids) const {
    if (piece.size() <= kArraySymbols) {
        TokenId symbols[kArraySymbols];
        std::size_t count = 0;
        for (const char byte : piece)
            if (const TokenId id = byteIds_[static_cast<unsigned char>(byte)]; id >= 0) symbols[count++] = id;
        encodeShort(symbols, count, ids);
        return;
    }
    std::vector<TokenId> symbols;
    symbols.reserve(piece.size());
    for (const char byte : piece)
        if (const TokenId id = byteIds_[static_cast<unsigned char>(byte)]; id >= 0) symbols.push_back(id);
    encodeLong(symbols, ids);
}

void BpeMerges::encodeShort(TokenId* symbols, std::size_t count, std::vector<TokenId>& ids) const {
    std::uint32_t ranks[kArraySymbols];  // of the pair that begins at each symbol
    TokenId merged[kArraySymbols];       // what it becomes
    const auto look = [&](std::size_t i) {
        const Rule& rule = find(symbols[i], symbols[i + 1]);
        ranks[i] = rule.rank;
        merged[i] = rule.merged;
    };
    for (std::size_t i = 0; i + 1 < count; ++i) look(i);
    while (count > 1) {
        std::size_t best = 0;
        for (std::size_t i = 1; i + 1 < count; ++i)
            if (ranks[i] < ranks[best]) best = i;
        if (ranks[best] == kNoRank) break;
        symbols[best] = merged[best];
        for (std::size_t i = best + 1; i + 1 < count; ++i) {
            symbols[i] = symbols[i + 1];
            ranks[i] = ranks[i + 1];
            merged[i] = merged[i + 1];
        }
        --count;
        if (best > 0) look(best - 1);
        if (best + 1 < count) look(best);
    }
    ids.insert(ids.end(), symbols, symbols + count);
}

void BpeMerges::encodeLong(const std::vector<TokenId>& symbols, std::vector<TokenId>& ids) const {
    struct Symbol {
        TokenId id;
        std::int32_t previous, next;
    };
    std::vector<Symbol> list;
    list.reserve(symbols.size());
    for (const TokenId id : symbols) {
        const auto n = static_cast<std::int32_t>(list.size());
        list.push_back({id, n - 1, n + 1});
    }
    if (list.empty()) return;
    list.back().next = -1;
    const auto at = [&](std::int32_t i) -> Symbol& { return list[static_cast<std::size_t>(i)]; };
    struct Candidate {
        std::uint32_t rank;
        std::int32_t left;
        TokenId leftId, rightId, merged;
        bool operator<(const Candidate& other) const {
            return std::pair(rank, left) > std::pair(other.rank, other.left);
        }
    };
    std::priority_queue<Candidate> queue;
    const auto consider = [&](std::int32_t left) {
        if (left < 0 || at(left).next < 0) return;
        const TokenId a = at(left).id;
        const TokenId b = at(at(left).next).id;
        if (const Rule& rule = find(a, b); rule.rank != kNoRank) queue.push({rule.rank, left, a, b, rule.merged});
    };
    for (std::size_t i = 0; i + 1 < list.size(); ++i) consider(static_cast<std::int32_t>(i));
    while (!queue.empty()) {
        const Candidate best = queue.top();
        queue.pop();
        Symbol& left = at(best.left);
        if (left.id != best.leftId || left.next < 0 || at(left.next).id != best.rightId) continue;  // merged meanwhile
        Symbol& right = at(left.next);
        left.id = best.merged;
        right.id = -1;
        left.next = right.next;
        if (left.next >= 0) at(left.next).previous = best.left;
        consider(left.previous);
        consider(best.left);
    }
    for (std::int32_t i = 0; i >= 0; i = at(i).next) ids.push_back(at(i).id);
}

}  // namespace step3::text
