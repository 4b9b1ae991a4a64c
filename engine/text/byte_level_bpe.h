#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "engine/text/tokenizer.h"

namespace step3::text {

/// Byte-level BPE as in Hugging Face's tokenizer.json (spec step3-model section 7.1). `json` is the file's text, `file`
/// its name for errors.
std::shared_ptr<const Tokenizer> makeByteLevelBpe(std::string_view json, const std::string& file);

}  // namespace step3::text
