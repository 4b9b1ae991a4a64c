#include "engine/text/output_parser.h"

#include <algorithm>

#include "engine/text/tool_call_parser.h"

namespace step3::text {
namespace {

/// Bytes at the end of `text` that may be the beginning of `marker`.
std::size_t heldBack(std::string_view text, std::string_view marker) {
    for (std::size_t n = std::min(text.size(), marker.size() - 1); n > 0; --n)
        if (text.ends_with(marker.substr(0, n))) return n;
    return 0;
}

void emit(std::vector<OutputDelta>& out, OutputDelta::Kind kind, std::string_view text, int index = 0) {
    if (text.empty()) return;
    if (!out.empty() && out.back().kind == kind && kind != OutputDelta::Kind::kToolCallName &&
        kind != OutputDelta::Kind::kToolCallArguments) {
        out.back().text.append(text);
        return;
    }
    out.push_back({kind, index, std::string(text)});
}

}  // namespace

ReasoningSplit splitReasoning(std::string_view output) {
    const std::size_t end = output.find(kThinkEnd);
    if (end == std::string_view::npos) return {std::string(output), std::nullopt};
    const std::string_view rest = output.substr(end + kThinkEnd.size());
    return {std::string(output.substr(0, end)), rest.empty() ? std::nullopt : std::optional<std::string>(rest)};
}

OutputParser::OutputParser(bool startsInReasoning, Json tools)
    : tools_(std::move(tools)), inReasoning_(startsInReasoning) {}

std::vector<OutputDelta> OutputParser::push(std::string_view text) {
    using Kind = OutputDelta::Kind;
    std::vector<OutputDelta> out;
    pending_.append(text);
    const bool withTools = tools_.is_array() && !tools_.empty();
    // Emits pending text up to `marker` as `kind`; true once the marker has been passed.
    const auto passText = [&](std::string_view marker, Kind kind) {
        const std::size_t at = pending_.find(marker);
        const std::size_t ready = at == std::string::npos ? pending_.size() - heldBack(pending_, marker) : at;
        emit(out, kind, std::string_view(pending_).substr(0, ready));
        pending_.erase(0, at == std::string::npos ? ready : at + marker.size());
        return at != std::string::npos;
    };
    for (bool more = true; more;) {
        more = false;
        if (inReasoning_) {
            if (passText(kThinkEnd, Kind::kReasoning)) {
                inReasoning_ = false;
                more = true;
            }
        } else if (!withTools || state_ == kAfterCalls) {
            emit(out, Kind::kContent, pending_);
            pending_.clear();
        } else if (state_ == kText) {
            if (passText(kCallsBegin, Kind::kContent)) {
                state_ = kInCalls;
                more = true;
            }
        } else {
            more = pushCalls(out);
        }
    }
    return out;
}

/// One step inside the tool block; true if the pending text may hold more.
bool OutputParser::pushCalls(std::vector<OutputDelta>& out) {
    const std::size_t callEnd = pending_.find(kCallEnd);
    const std::size_t blockEnd = pending_.find(kCallsEnd);
    if (!nameSent_) {  // a name in front of the next marker may have been sent before that marker came
        if (const auto name = invokeName(std::string_view(pending_).substr(0, std::min(callEnd, blockEnd)))) {
            emit(out, OutputDelta::Kind::kToolCallName, *name, toolCalls_);
            nameSent_ = true;
        }
    }
    if (callEnd != std::string::npos && callEnd < blockEnd) {
        const auto call = parseInvoke(std::string_view(pending_).substr(0, callEnd), tools_);
        if (nameSent_) {
            if (call) emit(out, OutputDelta::Kind::kToolCallArguments, call->arguments, toolCalls_);
            ++toolCalls_;
        }
        nameSent_ = false;
        pending_.erase(0, callEnd + kCallEnd.size());
        return true;
    }
    if (blockEnd == std::string::npos) return false;
    if (nameSent_) ++toolCalls_;  // a call that never ended: its name is out, it has no arguments
    nameSent_ = false;
    pending_.erase(0, blockEnd + kCallsEnd.size());
    state_ = kAfterCalls;
    return true;
}

std::vector<OutputDelta> OutputParser::finish() {
    std::vector<OutputDelta> out;
    if (state_ != kInCalls)
        emit(out, inReasoning_ ? OutputDelta::Kind::kReasoning : OutputDelta::Kind::kContent, pending_);
    pending_.clear();
    return out;
}

}  // namespace step3::text
