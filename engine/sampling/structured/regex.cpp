#include "engine/sampling/structured/regex.h"

#include <span>

#include "engine/sampling/structured/regex_syntax.h"

namespace step3::sampling::structured {

namespace {

class Translator {
public:
    Translator(Grammar& grammar, Spelling spelling, bool search)
        : grammar_(grammar), spelling_(spelling), search_(search) {}

    /// `first`, `last`: nothing of the expression comes before, or after, this node. There anchors may stand, and in a
    /// search any text where none does.
    Grammar::Expr translate(const RegexNode& node, bool first, bool last) {
        switch (node.kind) {
            case RegexNode::Kind::kSet: return open(spell(grammar_, node.set, spelling_), first, last);
            case RegexNode::Kind::kRepeat:
                return open(grammar_.repeat(translate(node.children[0], false, false), node.min, node.max), first,
                            last);
            case RegexNode::Kind::kChoice: {
                std::vector<Grammar::Expr> alternatives;
                for (const RegexNode& child : node.children) alternatives.push_back(translate(child, first, last));
                return grammar_.choice(std::move(alternatives));
            }
            case RegexNode::Kind::kBegin:
            case RegexNode::Kind::kEnd: return sequence({&node, 1}, first, last);
            case RegexNode::Kind::kSequence: return sequence(node.children, first, last);
        }
        return grammar_.nothing();
    }

private:
    Grammar::Expr sequence(std::span<const RegexNode> parts, bool first, bool last) {
        bool before = first;  // other text may stand there
        bool after = last;
        while (first && !parts.empty() && parts.front().kind == RegexNode::Kind::kBegin) {
            before = false;
            parts = parts.subspan(1);
        }
        while (last && !parts.empty() && parts.back().kind == RegexNode::Kind::kEnd) {
            after = false;
            parts = parts.subspan(0, parts.size() - 1);
        }
        if (parts.empty()) return open(grammar_.empty(), before, after);
        std::vector<Grammar::Expr> result;
        for (std::size_t i = 0; i < parts.size(); ++i) {
            if (parts[i].kind == RegexNode::Kind::kBegin || parts[i].kind == RegexNode::Kind::kEnd) {
                throw Error(ErrorCode::kInvalidArgument,
                            "regular expression: ^ is supported at the beginning and $ at the end only");
            }
            result.push_back(translate(parts[i], before && i == 0, after && i + 1 == parts.size()));
        }
        return grammar_.sequence(std::move(result));
    }

    /// Any text around `inner` where the search leaves room for it.
    Grammar::Expr open(Grammar::Expr inner, bool before, bool after) {
        if (!search_ || (!before && !after)) return inner;
        if (!haveAny_) {
            any_ = grammar_.rule("any text", grammar_.repeat(spell(grammar_, CharSet::all(), spelling_), 0));
            haveAny_ = true;
        }
        std::vector<Grammar::Expr> parts;
        if (before) parts.push_back(any_);
        parts.push_back(inner);
        if (after) parts.push_back(any_);
        return grammar_.sequence(std::move(parts));
    }

    Grammar& grammar_;
    Spelling spelling_;
    bool search_;
    bool haveAny_ = false;
    Grammar::Expr any_ = 0;
};

}  // namespace

Grammar::Expr regexFullMatch(Grammar& grammar, std::string_view pattern, Spelling spelling) {
    return Translator(grammar, spelling, false).translate(parseRegex(pattern), true, true);
}

Grammar::Expr regexSearch(Grammar& grammar, std::string_view pattern, Spelling spelling) {
    return Translator(grammar, spelling, true).translate(parseRegex(pattern), true, true);
}

}  // namespace step3::sampling::structured
