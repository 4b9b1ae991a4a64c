#include "engine/text/pre_tokenizer.h"

#include <algorithm>
#include <utility>

#include "engine/text/deepseek_splitter.h"
#include "engine/text/tokenizer_fields.h"

namespace step3::text {
namespace {

constexpr const char* kGpt2Pattern = R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";

struct Pattern {
    std::string text;
    bool literal = false;
};

/// A true-or-false member of a step.
bool flag(const Json& step, const char* name, bool fallback, const std::string& file) {
    const auto it = step.find(name);
    if (it == step.end() || it->is_null()) return fallback;
    if (!it->is_boolean()) failField(file, std::string("pre_tokenizer.") + name, "true or false", shownValue(*it));
    return it->get<bool>();
}

Pattern splitPattern(const Json& step, const std::string& file) {
    const auto pattern = step.find("pattern");
    if (pattern == step.end() || !pattern->is_object())
        failField(file, "pre_tokenizer.pattern", "an object with Regex or String", "none");
    if (textMember(step, "behavior") != "Isolated" || flag(step, "invert", false, file))
        failField(file, "pre_tokenizer.behavior", "Isolated, not inverted", shownValue(step.value("behavior", Json())),
                  ErrorCode::kUnsupported);
    for (const char* kind : {"Regex", "String"}) {
        const auto text = pattern->find(kind);
        if (text != pattern->end() && text->is_string())
            return {text->get<std::string>(), std::string_view(kind) == "String"};
    }
    failField(file, "pre_tokenizer.pattern", "Regex or String", shownValue(*pattern));
}

std::vector<Pattern> readPatterns(const Json& root, const std::string& file) {
    const auto it = root.find("pre_tokenizer");
    if (it == root.end() || !it->is_object())
        failField(file, "pre_tokenizer", "an object", it == root.end() ? "nothing" : shownValue(*it));
    Json steps = Json::array({*it});
    if (textMember(*it, "type") == "Sequence") {
        if (!it->contains("pretokenizers") || !(*it)["pretokenizers"].is_array())
            failField(file, "pre_tokenizer.pretokenizers", "a list", "none");
        steps = (*it)["pretokenizers"];
    }
    std::vector<Pattern> patterns;
    bool byteLevel = false;
    for (const Json& step : steps) {
        const std::string type = textMember(step, "type");
        if (type == "Split") {
            patterns.push_back(splitPattern(step, file));
        } else if (type == "ByteLevel") {
            if (flag(step, "add_prefix_space", false, file))
                failField(file, "pre_tokenizer.add_prefix_space", "false", "true", ErrorCode::kUnsupported);
            if (flag(step, "use_regex", true, file)) patterns.push_back({kGpt2Pattern, false});
            byteLevel = true;
        } else {
            failField(file, "pre_tokenizer.type", "Split or ByteLevel", shownValue(step), ErrorCode::kUnsupported);
        }
    }
    if (!byteLevel) failField(file, "pre_tokenizer", "a ByteLevel step", "none", ErrorCode::kUnsupported);
    return patterns;
}

}  // namespace

PreTokenizer::PreTokenizer(const Json& root, const std::string& file) {
    const std::vector<Pattern> patterns = readPatterns(root, file);
    deepSeek_ = std::equal(
        patterns.begin(), patterns.end(), kDeepSeekPatterns.begin(), kDeepSeekPatterns.end(),
        [](const Pattern& pattern, std::string_view known) { return !pattern.literal && pattern.text == known; });
    if (deepSeek_) return;
    for (const Pattern& pattern : patterns)
        splitters_.emplace_back(pattern.text, pattern.literal, file + ": field pre_tokenizer.pattern");
}

void PreTokenizer::split(std::string_view text, std::vector<std::string_view>& out) const {
    if (deepSeek_) return splitDeepSeek(text, out);
    std::vector<std::string_view> pieces{text};
    for (const RegexSplitter& splitter : splitters_) {
        std::vector<std::string_view> next;
        for (const std::string_view piece : pieces) splitter.split(piece, next);
        pieces = std::move(next);
    }
    out.insert(out.end(), pieces.begin(), pieces.end());
}

}  // namespace step3::text
