#pragma once

#include "engine/sampling/structured/structured_output.h"
#include "engine/serving/http/json_fields.h"

namespace step3::serving::http {

/// The form of the answer: `response_format` (text, json_object, json_schema, structural_tag) or `structured_outputs`
/// (json, regex, choice, grammar, json_object, structural_tag), the latter's parts also by their older names
/// guided_json and so on (spec openai-api section 1). At most one form. Throws ApiError; what a schema or expression
/// holds is checked by the engine.
sampling::structured::StructuredOutput readStructuredOutput(const Fields& body);

/// `tool_choice` (none, auto, required, one of the `tools` by name) and `parallel_tool_calls` of a request whose
/// `tools` have been read. Throws ApiError.
sampling::structured::ToolChoice readToolChoice(const Fields& body);

}  // namespace step3::serving::http
