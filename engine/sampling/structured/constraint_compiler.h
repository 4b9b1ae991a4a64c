#pragma once

#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "engine/json.h"
#include "engine/sampling/structured/structured_output.h"
#include "engine/sampling/structured/token_constraint.h"

namespace step3::sampling::structured {

/// What an answer is to look like.
struct AnswerForm {
    StructuredOutput structured;
    Json tools;  // array of schemas, or null
    ToolChoice toolChoice;
    bool startsInReasoning = false;  // the answer begins with reasoning, which the form leaves free
};

/// Makes the constraints of one model. The latest are kept and shared: requests often ask for the same form again.
/// Thread-safe.
class ConstraintCompiler {
public:
    /// `vocabSize`: logits of the model, V; `eos`: the tokens that end an answer.
    ConstraintCompiler(std::shared_ptr<const text::Tokenizer> tokenizer, std::vector<std::int32_t> eos,
                       std::int64_t vocabSize);

    /// Null if the form leaves everything open. Throws Error kInvalidArgument for what is out of form, not supported or
    /// too large, naming the field and, in schemas, the place.
    std::shared_ptr<ConstraintProgram> compile(const AnswerForm& form);

private:
    std::shared_ptr<const Vocabulary> vocabulary();

    const std::shared_ptr<const text::Tokenizer> tokenizer_;
    const std::vector<std::int32_t> eos_;
    const std::int64_t vocabSize_;

    std::mutex mutex_;                              // guards what follows
    std::shared_ptr<const Vocabulary> vocabulary_;  // made for the first form
    struct Kept {
        std::string key;
        std::shared_ptr<ConstraintProgram> program;
    };
    std::list<Kept> kept_;  // the latest used first
};

}  // namespace step3::sampling::structured
