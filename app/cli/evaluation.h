#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "engine/json.h"
#include "engine/model/weight_options.h"

namespace step3::cli {

struct EvaluationOptions {
    std::filesystem::path model, reference;
    model::WeightOptions weights;               // of the model; the reference is as stored
    std::vector<std::filesystem::path> texts;   // none: evalSamples()
    std::vector<std::filesystem::path> images;  // as decodeImage reads them
};

/// How near a model's next-token distributions come to those of its reference on one text, or on all of them.
struct Agreement {
    std::string name;
    std::vector<double> divergences;     // KL(reference || model) of every measured token, nats
    std::size_t sameTop = 0;             // tokens whose likeliest successor is the same
    double loss = 0, referenceLoss = 0;  // sums of -log p(the token that follows), nats

    [[nodiscard]] double meanDivergence() const;
    /// The smallest divergence that 99 % of the tokens do not exceed.
    [[nodiscard]] double divergence99() const;
    [[nodiscard]] double topAgreement() const;  // 0..1
    [[nodiscard]] double perplexity() const;
    [[nodiscard]] double referencePerplexity() const;
    void add(const Agreement& other);
};

/// Runs both models over the same tokens, teacher-forced, and compares all logits. Texts are read in windows of at most
/// 512 tokens. Of a picture the reference first describes it (greedily, at most 64 tokens); the description's tokens
/// are measured. A checkpoint without a tokenizer gets random tokens if no text is given. The last entry is the total.
/// `progress` gets 0..1. Throws Error: kInvalidArgument if the vocabularies differ in size, and what opening throws.
std::vector<Agreement> evaluate(const EvaluationOptions& options, const std::function<void(double)>& progress = {});

Json evaluationJson(const std::vector<Agreement>& sets);
std::string evaluationText(const std::vector<Agreement>& sets);

}  // namespace step3::cli
