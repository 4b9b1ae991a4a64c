#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "engine/text/tokenizer.h"

namespace step3::text {

/// A sentencepiece model. Special are its control pieces and its user-defined pieces of the form <...>. `model` is the
/// serialised model, `file` its name for errors.
std::shared_ptr<const Tokenizer> makeSentencepiece(std::string_view model, const std::string& file);

}  // namespace step3::text
