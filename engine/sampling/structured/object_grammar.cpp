#include "engine/sampling/structured/object_grammar.h"

#include <map>
#include <memory>

#include "engine/sampling/structured/char_set.h"
#include "engine/utf8.h"

namespace step3::sampling::structured {

namespace {

/// The names as a trie over code points.
struct NameTrie {
    std::map<char32_t, std::unique_ptr<NameTrie>> children;
    bool isName = false;

    void add(std::string_view name) {
        NameTrie* at = this;
        while (const auto code = takeCodePoint(name)) {
            auto& child = at->children[*code];
            if (!child) child = std::make_unique<NameTrie>();
            at = child.get();
        }
        at->isName = true;
    }
};

class KeyBuilder {
public:
    explicit KeyBuilder(Grammar& grammar)
        : grammar_(grammar),
          plain_(CharSet({{0x20, 0x10FFFF}}).without(CharSet({{'"', '"'}, {'\\', '\\'}}))),
          anyCharacter_(grammar.rule("plain character", spell(grammar, plain_, Spelling::kPlain))),
          anyText_(grammar.rule("plain text", grammar.repeat(anyCharacter_, 0))) {}

    Grammar::Expr except(const NameTrie& node) {
        std::vector<Grammar::Expr> alternatives;
        if (!node.isName) alternatives.push_back(grammar_.empty());
        CharSet others = plain_;
        for (const auto& [code, child] : node.children) {
            const CharSet own = CharSet::of(code);
            if (plain_.contains(code)) {
                alternatives.push_back(grammar_.sequence({spell(grammar_, own, Spelling::kPlain), except(*child)}));
            }
            others = others.without(own);
        }
        const auto other = node.children.empty() ? anyCharacter_ : spell(grammar_, others, Spelling::kPlain);
        alternatives.push_back(grammar_.sequence({other, anyText_}));
        return grammar_.choice(std::move(alternatives));
    }

private:
    Grammar& grammar_;
    CharSet plain_;
    Grammar::Expr anyCharacter_, anyText_;
};

}  // namespace

Grammar::Expr orderedParts(Grammar& grammar, const std::vector<ListedPart>& parts, Grammar::Expr separator,
                           std::optional<Grammar::Expr> more) {
    // From the end: what may follow once something was written, and what if nothing was.
    auto afterSome = grammar.empty();
    auto afterNone = grammar.empty();
    if (more) {
        afterSome = grammar.repeat(grammar.sequence({separator, *more}), 0);
        afterNone = grammar.optional(grammar.sequence({*more, afterSome}));
    }
    for (auto part = parts.rbegin(); part != parts.rend(); ++part) {
        const auto content = grammar.rule(part->name, part->content);
        auto some = grammar.sequence({separator, content, afterSome});
        auto none = grammar.sequence({content, afterSome});
        if (!part->required) {
            some = grammar.choice({some, afterSome});
            none = grammar.choice({none, afterNone});
        }
        afterSome = grammar.rule("what follows " + part->name, some);
        afterNone = grammar.rule(part->name + " and what follows", none);
    }
    return afterNone;
}

Grammar::Expr keyExcept(Grammar& grammar, const std::vector<std::string>& names) {
    NameTrie trie;
    for (const std::string& name : names) trie.add(name);
    return grammar.sequence({grammar.symbol('"'), KeyBuilder(grammar).except(trie), grammar.symbol('"')});
}

}  // namespace step3::sampling::structured
