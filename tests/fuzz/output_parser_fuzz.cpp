#include <string>
#include <vector>

#include "engine/text/output_parser.h"
#include "tests/fuzz/fuzz_entry.h"

namespace {

using step3::Json;
using step3::text::OutputDelta;
using step3::text::OutputParser;

struct Answer {
    std::string reasoning, content;
    std::vector<std::string> names, arguments;
    bool operator==(const Answer&) const = default;
};

void add(Answer& answer, const std::vector<OutputDelta>& deltas) {
    for (const OutputDelta& delta : deltas) {
        const auto index = static_cast<std::size_t>(delta.toolIndex);
        if (answer.names.size() <= index) answer.names.resize(index + 1), answer.arguments.resize(index + 1);
        switch (delta.kind) {
            case OutputDelta::Kind::kReasoning: answer.reasoning += delta.text; break;
            case OutputDelta::Kind::kContent: answer.content += delta.text; break;
            case OutputDelta::Kind::kToolCallName: answer.names[index] += delta.text; break;
            case OutputDelta::Kind::kToolCallArguments: answer.arguments[index] += delta.text; break;
        }
    }
}

}  // namespace

// An answer of a model, whole and in pieces of the lengths in the first bytes: both give the same.
int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace step3;
    constexpr std::size_t kHead = 4;
    if (size < kHead) return 0;
    static const Json tools =
        Json::parse(R"([{"type": "function", "function": {"name": "f", "parameters": {"properties":
        {"a": {"type": "integer"}, "b": {"type": "number"}, "c": {"type": "boolean"}, "d": {"type": "null"}}}}}])");
    const std::string_view answer = fuzz::textOf(data + kHead, size - kHead);
    const bool startsInReasoning = (data[0] & 1U) != 0;
    const Json used = (data[0] & 2U) != 0 ? tools : Json();
    Answer whole, pieces;
    OutputParser once(startsInReasoning, used);
    add(whole, once.push(answer));
    add(whole, once.finish());
    OutputParser streamed(startsInReasoning, used);
    for (std::size_t at = 0, i = 0; at < answer.size(); ++i) {
        const std::size_t length = 1 + data[1 + i % 3] % 16;
        add(pieces, streamed.push(answer.substr(at, length)));
        at += length;
    }
    add(pieces, streamed.finish());
    fuzz::require(whole == pieces, "pieces give what the whole gives");
    if (used.is_null()) {
        const std::string marker = "</think>";
        const auto end = startsInReasoning ? answer.find(marker) : std::string_view::npos;
        const std::string rest = end == std::string_view::npos ? std::string(answer)
                                                               : std::string(answer.substr(0, end)) +
                                                                     std::string(answer.substr(end + marker.size()));
        fuzz::require(whole.reasoning + whole.content == rest, "nothing but the marker is lost");
    }
    static_cast<void>(text::splitReasoning(answer));
    static_cast<void>(text::parseToolCalls(answer, tools));
    return 0;
}
