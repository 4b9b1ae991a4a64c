#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/json.h"

namespace step3::text {

/// A parsed call: arguments are JSON text in the exact form of spec step3-model section 7.4.
struct ToolCall {
    std::string name;
    std::string arguments;
};

struct ReasoningSplit {
    std::string reasoning;               // verbatim
    std::optional<std::string> content;  // null if nothing follows </think>
};
/// Whole output, spec section 7.3: the prompt already ends in <think>.
ReasoningSplit splitReasoning(std::string_view output);

struct ToolParse {
    std::optional<std::string> content;
    std::vector<ToolCall> calls;
};
/// Whole text, spec section 7.4; `tools` is the request's array of schemas (values are cast by it) or null.
ToolParse parseToolCalls(std::string_view text, const Json& tools);

/// One piece of a streamed answer.
struct OutputDelta {
    enum class Kind { kReasoning, kContent, kToolCallName, kToolCallArguments };
    Kind kind;
    int toolIndex = 0;  // for the tool kinds
    std::string text;
};

/// Streams reasoning, content and tool calls apart. Feed decoded text pieces; a marker may be split over pieces.
class OutputParser {
public:
    /// `startsInReasoning`: the prompt ended in <think>. `tools` null: tool markup is passed through as content.
    OutputParser(bool startsInReasoning, Json tools);
    std::vector<OutputDelta> push(std::string_view text);
    std::vector<OutputDelta> finish();
    [[nodiscard]] bool inReasoning() const { return inReasoning_; }
    [[nodiscard]] int toolCallCount() const { return toolCalls_; }

private:
    bool pushCalls(std::vector<OutputDelta>& out);

    enum State { kText, kInCalls, kAfterCalls };

    Json tools_;
    bool inReasoning_;
    int toolCalls_ = 0;
    bool nameSent_ = false;  // of the call being read
    std::string pending_;    // text that may hold or begin a marker
    State state_ = kText;
};

}  // namespace step3::text
