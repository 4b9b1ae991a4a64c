#pragma once

#include <string>
#include <string_view>

#include "engine/json.h"
#include "engine/model/config.h"

namespace step3::model {

/// A JSON object from a file's text. Throws Error naming `file` and the byte of a syntax error.
Json parseConfigObject(std::string_view text, const std::string& file);

/// config.json as an object to a checked configuration, without generation_config.json and preprocessor_config.json.
ModelConfig parseModelConfig(const Json& object, const std::string& file);

/// generation_config.json as an object over what config.json said.
void readGenerationConfig(const Json& object, const std::string& file, ModelConfig& config);

/// preprocessor_config.json as an object; `config` has a vision part.
void readPreprocessorConfig(const Json& object, const std::string& file, ModelConfig& config);

}  // namespace step3::model
