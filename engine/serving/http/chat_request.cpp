#include "engine/serving/http/chat_request.h"

#include <array>
#include <charconv>
#include <limits>

#include "engine/serving/http/api_error.h"
#include "engine/serving/http/structured_fields.h"

namespace step3::serving::http {

namespace {

constexpr std::int64_t kMaxTopLogprobs = 20;

/// vLLM's words: "temperature must be in [0, 2], got 2.5. (parameter=temperature, value=2.5)".
ApiError outOfRange(const char* field, const std::string& range, const Json& found, const std::string& param) {
    const std::string value = found.dump();
    return ruleError(std::string(field) + " must be " + range + ", got " + value + ". (parameter=" + field +
                         ", value=" + value + ")",
                     param);
}

ApiError unsupported(const std::string& field, const std::string& advice = {}) {
    return ruleError(field + " is not supported by this version" + (advice.empty() ? "" : ": " + advice), field);
}

class Reader {
public:
    Reader(const Fields& body, const ServedModel& model) : body_(body), model_(model) {}

    ChatRequest read() {
        readModel();
        refuseUnsupported();
        out_.request.sampling = model_.defaults;
        readLength();
        readSampling();
        readStops();
        readLogprobs();
        readStream();
        readTools();
        out_.request.structured = readStructuredOutput(body_);
        readThinking();
        out_.request.messages = readMessages(body_, model_.pictures);
        return std::move(out_);
    }

private:
    void readModel() const {
        const auto name = body_.text("model");
        if (!name || name->empty() || *name == model_.name) return;
        throw ApiError(404, "NotFoundError", "The model `" + *name + "` does not exist.", "model");
    }

    /// What would change the answer and cannot be done is refused rather than left out silently.
    void refuseUnsupported() const {
        for (const char* field : {"prompt_logprobs", "truncate_prompt_tokens", "chat_template", "mm_processor_kwargs",
                                  "media_io_kwargs", "length_penalty"}) {
            if (body_.find(field) != nullptr) throw unsupported(field);
        }
        for (const char* field : {"use_beam_search", "echo", "continue_final_message", "include_stop_str_in_output"}) {
            if (body_.boolean(field).value_or(false)) throw unsupported(field);
        }
        if (!body_.boolean("add_generation_prompt").value_or(true)) throw unsupported("add_generation_prompt=false");
        if (body_.integer("thinking_token_budget").value_or(-1) != -1) throw unsupported("thinking_token_budget");
        if (body_.integer("priority").value_or(0) != 0) throw unsupported("priority");
        const std::int64_t n = body_.integer("n").value_or(1);
        if (n < 1) throw outOfRange("n", "at least 1", *body_.find("n"), "");
        if (n > 1) throw ruleError("n must be 1: this version gives one choice a request, got " + std::to_string(n));
    }

    void readLength() {
        auto& sampling = out_.request.sampling;
        const char* field = body_.find("max_completion_tokens") != nullptr ? "max_completion_tokens" : "max_tokens";
        if (const auto tokens = body_.integer(field)) {
            if (*tokens < 1 || *tokens > model_.maxContext) {
                throw outOfRange(field, "in [1, " + std::to_string(model_.maxContext) + "]", *body_.find(field), field);
            }
            sampling.maxTokens = static_cast<std::int32_t>(*tokens);
        }
        if (const auto tokens = body_.integer("min_tokens")) {
            const std::int64_t most = sampling.maxTokens > 0 ? sampling.maxTokens : model_.maxContext;
            if (*tokens < 0 || *tokens > most) {
                throw outOfRange("min_tokens", "in [0, " + std::to_string(most) + "]", *body_.find("min_tokens"),
                                 "min_tokens");
            }
            sampling.minTokens = static_cast<std::int32_t>(*tokens);
        }
        sampling.ignoreEos = body_.boolean("ignore_eos").value_or(false);
    }

    /// Sets `target` if the field is there and in (low, high] or [low, high].
    void readFloat(const char* field, float& target, double low, double high, bool lowOpen, const char* param) {
        const auto value = body_.number(field);
        if (!value) return;
        const bool aboveLow = lowOpen ? *value > low : *value >= low;
        if (!aboveLow || !(*value <= high)) {
            const bool open = high == std::numeric_limits<float>::max();
            const std::string range = open ? "greater than " + Json(static_cast<int>(low)).dump()
                                           : std::string("in ") + (lowOpen ? "(" : "[") +
                                                 std::to_string(static_cast<int>(low)) + ", " +
                                                 std::to_string(static_cast<int>(high)) + "]";
            throw outOfRange(field, range, *body_.find(field), param);
        }
        target = static_cast<float>(*value);
    }

    void readSampling() {
        auto& sampling = out_.request.sampling;
        constexpr double kUnbounded = std::numeric_limits<float>::max();
        readFloat("temperature", sampling.temperature, 0, 2, false, "temperature");
        readFloat("top_p", sampling.topP, 0, 1, true, "top_p");
        readFloat("min_p", sampling.minP, 0, 1, false, "");
        readFloat("repetition_penalty", sampling.repetitionPenalty, 0, kUnbounded, true, "repetition_penalty");
        readFloat("presence_penalty", sampling.presencePenalty, -2, 2, false, "");
        readFloat("frequency_penalty", sampling.frequencyPenalty, -2, 2, false, "");
        if (const auto k = body_.integer("top_k")) {
            if (*k < -1 || *k > std::numeric_limits<std::int32_t>::max()) {
                throw outOfRange("top_k", "-1, 0 or the number of tokens to keep", *body_.find("top_k"), "top_k");
            }
            sampling.topK = static_cast<std::int32_t>(*k);
        }
        if (const auto seed = body_.integer("seed")) sampling.seed = static_cast<std::uint64_t>(*seed);
        readBias();
    }

    void readBias() {
        const auto bias = body_.object("logit_bias");
        if (!bias) return;
        for (const auto& [key, value] : bias->json().items()) {
            std::int32_t id = -1;
            const auto [end, error] = std::from_chars(key.data(), key.data() + key.size(), id);
            if (error != std::errc() || end != key.data() + key.size() || id < 0 || id >= model_.vocabSize) {
                throw ruleError("logit_bias: keys must be token ids in [0, " + std::to_string(model_.vocabSize) +
                                    "), found another",
                                "logit_bias");
            }
            if (!value.is_number() || value.get<double>() < -100 || value.get<double>() > 100) {
                throw ruleError("logit_bias: values must be numbers in [-100, 100], found another", "logit_bias");
            }
            out_.request.sampling.logitBias[id] = static_cast<float>(value.get<double>());
        }
    }

    void readStops() {
        auto& sampling = out_.request.sampling;
        const auto add = [&](const Json& entry) {
            if (!entry.is_string()) {
                throw schemaError(std::string("body.stop: expected a string or strings, found ") + kindOf(entry),
                                  "body.stop");
            }
            if (entry.get_ref<const std::string&>().empty()) throw ruleError("stop must not hold an empty string");
            sampling.stop.push_back(entry.get<std::string>());
        };
        if (const Json* stop = body_.find("stop")) {
            if (stop->is_array()) {
                if (stop->size() > sampling::kMaxStopStrings) {
                    throw schemaError("body.stop: expected at most " + std::to_string(sampling::kMaxStopStrings) +
                                          " strings, found " + std::to_string(stop->size()),
                                      "body.stop");
                }
                for (const Json& entry : *stop) add(entry);
            } else {
                add(*stop);
            }
        }
        if (const Json* ids = body_.array("stop_token_ids")) {
            for (const Json& entry : *ids) {
                const auto id = asInteger(entry);
                if (!id || *id < 0 || *id >= model_.vocabSize) {
                    throw ruleError("stop_token_ids: expected token ids in [0, " + std::to_string(model_.vocabSize) +
                                        "), found another",
                                    "stop_token_ids");
                }
                sampling.stopTokenIds.push_back(static_cast<std::int32_t>(*id));
            }
        }
    }

    void readLogprobs() {
        out_.logprobs = body_.boolean("logprobs").value_or(false);
        const auto top = body_.integer("top_logprobs");
        if (top && *top < 0)
            throw outOfRange("top_logprobs", "at least 0", *body_.find("top_logprobs"), "top_logprobs");
        if (top && *top > 0 && !out_.logprobs) {
            throw ruleError("top_logprobs needs logprobs to be true", "top_logprobs");
        }
        if (top && *top > kMaxTopLogprobs) {
            throw outOfRange("top_logprobs", "at most 20", *body_.find("top_logprobs"), "logprobs");
        }
        if (out_.logprobs) out_.request.topLogprobs = static_cast<std::int32_t>(top.value_or(0));
    }

    void readStream() {
        out_.stream = body_.boolean("stream").value_or(false);
        const auto options = body_.object("stream_options");
        if (!options) return;
        if (!out_.stream) throw ruleError("stream_options needs stream to be true", "stream_options");
        out_.includeUsage = options->boolean("include_usage").value_or(false);
        out_.continuousUsage = out_.includeUsage && options->boolean("continuous_usage_stats").value_or(false);
        // The engine's deltas say how many tokens they hold only together with log-probabilities.
        if (out_.continuousUsage && out_.request.topLogprobs < 0) out_.request.topLogprobs = 0;
    }

    void readTools() {
        out_.parallelToolCalls = body_.boolean("parallel_tool_calls").value_or(true);
        const Json* tools = body_.array("tools");
        if (tools != nullptr && tools->empty()) throw ruleError("tools must not be empty", "tools");
        for (std::size_t i = 0; tools != nullptr && i < tools->size(); ++i) {
            const std::string path = "body.tools." + std::to_string(i);
            const Json& json = (*tools)[i];
            if (!json.is_object()) throw schemaError(path + ": expected an object, found " + kindOf(json), path);
            const Fields tool(json, path);
            if (tool.requiredText("type") != "function") throw ruleError(path + ".type: expected function", "tools");
            const auto function = tool.object("function");
            if (!function) throw schemaError(path + ".function: expected an object, found none", path + ".function");
            if (function->requiredText("name").empty()) throw ruleError(path + ".function.name is empty", "tools");
            static_cast<void>(function->object("parameters"));
        }
        out_.request.toolChoice = readToolChoice(body_, tools != nullptr);
        const bool none = out_.request.toolChoice.kind == sampling::structured::ToolChoice::Kind::kNone;
        if (tools != nullptr && !none) out_.request.toolsJson = tools->dump();
    }

    void readThinking() {
        bool think = true;
        if (const auto effort = body_.text("reasoning_effort")) {
            constexpr std::array kEfforts{"none", "minimal", "low", "medium", "high", "xhigh", "max"};
            if (std::find(kEfforts.begin(), kEfforts.end(), *effort) == kEfforts.end()) {
                throw schemaError("body.reasoning_effort: expected none, minimal, low, medium, high, xhigh or max",
                                  "body.reasoning_effort");
            }
            think = *effort != "none";
        }
        if (const auto options = body_.object("chat_template_kwargs")) {
            think = options->boolean("enable_thinking").value_or(options->boolean("thinking").value_or(think));
        }
        out_.request.think = think;
        out_.includeReasoning = body_.boolean("include_reasoning").value_or(true);
    }

    const Fields& body_;
    const ServedModel& model_;
    ChatRequest out_;
};

}  // namespace

ChatRequest parseChatRequest(std::string_view text, const ServedModel& model) {
    const Json document = parseBody(text);
    const Fields body(document, "body");
    return Reader(body, model).read();
}

}  // namespace step3::serving::http
