#include "app/cli/evaluation.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <random>
#include <span>

#include "app/cli/debug_model.h"
#include "app/cli/eval_samples.h"
#include "engine/error.h"
#include "engine/model/mapped_file.h"

namespace step3::cli {
namespace {

constexpr std::size_t kWindow = 512;  // tokens of a text read as one sequence
constexpr std::size_t kStep = 64;     // tokens a step, whose logits are held at once
constexpr std::size_t kAnswer = 64;   // most tokens of a picture's description
constexpr std::size_t kRandomTokens = 512;
constexpr const char* kQuestion = "What is in this picture?";

std::size_t largest(std::span<const float> logits) {
    return static_cast<std::size_t>(std::max_element(logits.begin(), logits.end()) - logits.begin());
}

double logOfSum(std::span<const float> logits) {
    const double most = logits[largest(logits)];
    double sum = 0;
    for (const float logit : logits) sum += std::exp(static_cast<double>(logit) - most);
    return most + std::log(sum);
}

/// One token's two distributions and the token that follows.
void measure(Agreement& set, std::span<const float> model, std::span<const float> reference, std::int32_t next) {
    const double ours = logOfSum(model);
    const double theirs = logOfSum(reference);
    double divergence = 0;
    for (std::size_t i = 0; i < model.size(); ++i) {
        const double p = static_cast<double>(reference[i]) - theirs;
        divergence += std::exp(p) * (p - (static_cast<double>(model[i]) - ours));
    }
    set.divergences.push_back(std::max(0.0, divergence));
    set.sameTop += largest(model) == largest(reference) ? 1 : 0;
    const auto id = static_cast<std::size_t>(next);
    set.loss += ours - static_cast<double>(model[id]);
    set.referenceLoss += theirs - static_cast<double>(reference[id]);
}

/// A sequence that a model reads piece by piece.
struct Reader {
    DebugModel& model;
    const DebugPrompt& prompt;
    std::unique_ptr<afd::Sequence> sequence = model.pipeline().newSequence({});

    std::vector<float> logits(std::size_t begin, std::size_t count, bool all = true) {
        const std::size_t hidden = prompt.embeddings.size() / prompt.ids.size();
        const afd::StepEntry entry{sequence.get(), std::span(prompt.ids).subspan(begin, count),
                                   std::span(prompt.embeddings).subspan(begin * hidden, count * hidden), all};
        return model.pipeline().step({&entry, 1});
    }
};

/// Measures the tokens from `first` on that have a successor.
void compare(Agreement& set, DebugModel& model, const DebugPrompt& ours, DebugModel& reference,
             const DebugPrompt& theirs, std::size_t first) {
    Reader a{model, ours};
    Reader b{reference, theirs};
    const auto vocabulary = static_cast<std::size_t>(model.config().text.vocabSize);
    for (std::size_t begin = 0; begin + 1 < ours.ids.size(); begin += kStep) {
        const std::size_t count = std::min(kStep, ours.ids.size() - 1 - begin);
        const std::vector<float> x = a.logits(begin, count);
        const std::vector<float> y = b.logits(begin, count);
        for (std::size_t i = 0; i < count; ++i) {
            if (begin + i < first) continue;
            measure(set, std::span(x).subspan(i * vocabulary, vocabulary),
                    std::span(y).subspan(i * vocabulary, vocabulary), ours.ids[begin + i + 1]);
        }
    }
}

/// Appends tokens to a prompt whose pictures are in place.
void append(DebugModel& model, DebugPrompt& prompt, std::span<const std::int32_t> ids) {
    const std::vector<float> rows = model.pipeline().embed(ids);
    prompt.ids.insert(prompt.ids.end(), ids.begin(), ids.end());
    prompt.embeddings.insert(prompt.embeddings.end(), rows.begin(), rows.end());
}

std::vector<std::int32_t> describe(DebugModel& model, const DebugPrompt& prompt) {
    const auto& config = model.config();
    const auto& ends = config.generation.eosTokenIds;
    const auto room = static_cast<std::size_t>(config.text.maxPositions) - prompt.ids.size();
    Reader reader{model, prompt};
    std::vector<float> logits;
    for (std::size_t begin = 0; begin < prompt.ids.size(); begin += kStep) {
        logits = reader.logits(begin, std::min(kStep, prompt.ids.size() - begin), false);
    }
    std::vector<std::int32_t> answer;
    while (answer.size() < std::min(kAnswer, room)) {
        answer.push_back(static_cast<std::int32_t>(largest(logits)));
        if (std::find(ends.begin(), ends.end(), answer.back()) != ends.end()) break;
        const afd::StepEntry entry{reader.sequence.get(), std::span(answer).last(1), {}, false};
        logits = model.pipeline().step({&entry, 1});
    }
    return answer;
}

/// A text as token ids.
struct NamedIds {
    std::string name;
    std::vector<std::int32_t> ids;
};

std::vector<NamedIds> textsOf(const EvaluationOptions& options, const model::ModelConfig& config) {
    std::error_code ignored;
    const bool words = std::filesystem::exists(options.reference / "tokenizer.json", ignored) ||
                       std::filesystem::exists(options.reference / "tokenizer.model", ignored);
    if (options.texts.empty() && !words) {
        NamedIds random{"random tokens", {}};
        std::mt19937 generator(1);
        for (std::size_t i = 0; i < kRandomTokens; ++i)
            random.ids.push_back(
                static_cast<std::int32_t>(generator() % static_cast<std::uint32_t>(config.text.vocabSize)));
        return {random};
    }
    const auto tokenizer = text::Tokenizer::fromFolder(options.reference);
    std::vector<NamedIds> texts;
    for (const std::filesystem::path& file : options.texts) {
        const model::MappedFile mapped(file);
        texts.push_back({file.filename().string(), tokenizer->encode(mapped.text())});
        if (texts.back().ids.size() < 2)
            throw Error(ErrorCode::kInvalidArgument, file.string() + ": expected a text of two tokens or more, found " +
                                                         std::to_string(texts.back().ids.size()));
    }
    if (!options.texts.empty()) return texts;
    for (const EvalSample& sample : evalSamples())
        texts.push_back({std::string(sample.name), tokenizer->encode(sample.text)});
    return texts;
}

Agreement compareText(const NamedIds& text, DebugModel& model, DebugModel& reference) {
    Agreement set;
    set.name = text.name;
    const auto& config = reference.config();
    const std::size_t window = std::min(kWindow, static_cast<std::size_t>(config.text.maxPositions) - 1);
    for (std::size_t begin = 0; begin + 1 < text.ids.size(); begin += window) {
        // Tokens of the window and the one that follows it, after the token every text starts with.
        const std::size_t end = std::min(text.ids.size(), begin + window);
        std::vector<std::int32_t> ids(text.ids.begin() + static_cast<std::ptrdiff_t>(begin),
                                      text.ids.begin() + static_cast<std::ptrdiff_t>(end));
        if (const auto first = config.generation.bosTokenId) ids.insert(ids.begin(), *first);
        if (ids.size() < 2) break;
        const DebugPrompt ours{ids, model.pipeline().embed(ids)};
        const DebugPrompt theirs{ids, reference.pipeline().embed(ids)};
        compare(set, model, ours, reference, theirs, 0);
    }
    return set;
}

void comparePicture(Agreement& set, const std::filesystem::path& file, DebugModel& model, DebugModel& reference) {
    const Json request = {
        {"messages", {{{"role", "user"}, {"content", {{{"type", "image"}}, {{"type", "text"}, {"text", kQuestion}}}}}}},
        {"images", {std::filesystem::absolute(file).string()}}};
    DebugPrompt ours = model.prompt(request, "/", "");
    DebugPrompt theirs = reference.prompt(request, "/", "");
    if (ours.ids != theirs.ids)
        throw Error(ErrorCode::kInvalidArgument, "the two models have different tokenizers or chat templates");
    const std::size_t first = ours.ids.size() - 1;
    const std::vector<std::int32_t> answer = describe(reference, theirs);
    append(model, ours, answer);
    append(reference, theirs, answer);
    compare(set, model, ours, reference, theirs, first);
}

}  // namespace

double Agreement::meanDivergence() const {
    double sum = 0;
    for (const double value : divergences) sum += value;
    return divergences.empty() ? 0 : sum / static_cast<double>(divergences.size());
}

double Agreement::divergence99() const {
    if (divergences.empty()) return 0;
    std::vector<double> sorted = divergences;
    const auto rank = static_cast<std::size_t>(std::ceil(0.99 * static_cast<double>(sorted.size())));
    const auto at = sorted.begin() + static_cast<std::ptrdiff_t>(std::max<std::size_t>(rank, 1) - 1);
    std::nth_element(sorted.begin(), at, sorted.end());
    return *at;
}

double Agreement::topAgreement() const {
    return divergences.empty() ? 1 : static_cast<double>(sameTop) / static_cast<double>(divergences.size());
}

double Agreement::perplexity() const {
    return std::exp(loss / static_cast<double>(std::max<std::size_t>(1, divergences.size())));
}

double Agreement::referencePerplexity() const {
    return std::exp(referenceLoss / static_cast<double>(std::max<std::size_t>(1, divergences.size())));
}

void Agreement::add(const Agreement& other) {
    divergences.insert(divergences.end(), other.divergences.begin(), other.divergences.end());
    sameTop += other.sameTop;
    loss += other.loss;
    referenceLoss += other.referenceLoss;
}

std::vector<Agreement> evaluate(const EvaluationOptions& options, const std::function<void(double)>& progress) {
    DebugModel reference(options.reference);
    DebugModel model(options.model, options.weights);
    const std::int64_t vocabulary = reference.config().text.vocabSize;
    if (model.config().text.vocabSize != vocabulary) {
        throw Error(ErrorCode::kInvalidArgument, options.model.string() + ": expected the reference's vocabulary of " +
                                                     std::to_string(vocabulary) + " tokens, found " +
                                                     std::to_string(model.config().text.vocabSize));
    }
    if (!options.images.empty() && !(model.config().vision && reference.config().vision))
        throw Error(ErrorCode::kUnsupported, "expected models that read pictures, found one that reads text only");
    const std::vector<NamedIds> texts = textsOf(options, reference.config());
    const double parts = static_cast<double>(texts.size() + options.images.size());
    double done = 0;
    const auto tell = [&] {
        if (progress) progress(++done / parts);
    };
    std::vector<Agreement> sets;
    for (const NamedIds& text : texts) {
        sets.push_back(compareText(text, model, reference));
        tell();
    }
    if (!options.images.empty()) {
        sets.emplace_back().name = "pictures";
        for (const std::filesystem::path& file : options.images) {
            comparePicture(sets.back(), file, model, reference);
            tell();
        }
    }
    Agreement total;
    total.name = "total";
    for (const Agreement& set : sets) total.add(set);
    sets.push_back(total);
    return sets;
}

Json evaluationJson(const std::vector<Agreement>& sets) {
    Json list = Json::array();
    for (const Agreement& set : sets) {
        list.push_back({{"name", set.name},
                        {"tokens", set.divergences.size()},
                        {"kl_mean", set.meanDivergence()},
                        {"kl_p99", set.divergence99()},
                        {"top1_agreement", set.topAgreement()},
                        {"perplexity", set.perplexity()},
                        {"perplexity_reference", set.referencePerplexity()}});
    }
    return {{"sets", list}};
}

std::string evaluationText(const std::vector<Agreement>& sets) {
    std::string text = "                  tokens   KL mean    KL p99   top-1 same   perplexity   of reference\n";
    for (const Agreement& set : sets) {
        char line[160];
        std::snprintf(line, sizeof line, "%-16.16s %7zu %9.5f %9.4f %10.2f %% %12.3f %14.3f\n", set.name.c_str(),
                      set.divergences.size(), set.meanDivergence(), set.divergence99(), 100 * set.topAgreement(),
                      set.perplexity(), set.referencePerplexity());
        text += line;
    }
    return text;
}

}  // namespace step3::cli
