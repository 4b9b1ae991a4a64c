#include "engine/serving/http/sampling_fields.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>

#include "engine/serving/http/request_id.h"
#include "engine/utf8.h"

namespace step3::serving::http {

namespace {

constexpr std::size_t kMaxSaltLength = 128;
constexpr std::int64_t kNoSeed = -1;  // as vLLM
constexpr double kMostBias = 100;

class Reader {
public:
    Reader(const Fields& body, const ServedModel& model) : body_(body), model_(model), out_(model.defaults) {}

    sampling::SamplingParams read(const char* lengthField, std::int32_t defaultTokens) {
        if (defaultTokens > 0) out_.maxTokens = defaultTokens;
        readLength(lengthField);
        out_.includeStopString = body_.boolean("include_stop_str_in_output").value_or(false);
        constexpr double kUnbounded = std::numeric_limits<float>::max();
        readFloat("temperature", out_.temperature, 0, 2, false, "temperature");
        readFloat("top_p", out_.topP, 0, 1, true, "top_p");
        readFloat("min_p", out_.minP, 0, 1, false, "");
        readFloat("repetition_penalty", out_.repetitionPenalty, 0, kUnbounded, true, "");
        readFloat("presence_penalty", out_.presencePenalty, -2, 2, false, "");
        readFloat("frequency_penalty", out_.frequencyPenalty, -2, 2, false, "");
        if (const auto k = body_.integer("top_k")) {
            if (*k < -1 || *k > std::numeric_limits<std::int32_t>::max()) {
                throw outOfRange("top_k", "-1, 0 or the number of tokens to keep", *body_.find("top_k"), "");
            }
            out_.topK = static_cast<std::int32_t>(*k);
        }
        const std::int64_t seed = body_.integer("seed").value_or(kNoSeed);
        if (seed != kNoSeed) out_.seed = static_cast<std::uint64_t>(seed);
        readBias();
        readStops();
        readAllowed();
        readBadWords();
        return std::move(out_);
    }

private:
    void readLength(const char* field) {
        if (const auto tokens = field != nullptr ? body_.integer(field) : std::nullopt) {
            if (*tokens < 1 || *tokens > model_.maxContext) {
                throw outOfRange(field, "in [1, " + std::to_string(model_.maxContext) + "]", *body_.find(field), field);
            }
            out_.maxTokens = static_cast<std::int32_t>(*tokens);
        }
        if (const auto tokens = body_.integer("min_tokens")) {
            const std::int64_t most = out_.maxTokens > 0 ? out_.maxTokens : model_.maxContext;
            if (*tokens < 0 || *tokens > most) {
                throw outOfRange("min_tokens", "in [0, " + std::to_string(most) + "]", *body_.find("min_tokens"), "");
            }
            out_.minTokens = static_cast<std::int32_t>(*tokens);
        }
        out_.ignoreEos = body_.boolean("ignore_eos").value_or(false);
    }

    /// Sets `target` if the field is there and in (low, high] or [low, high].
    void readFloat(const char* field, float& target, double low, double high, bool lowOpen, const char* param) {
        const auto value = body_.number(field);
        if (!value) return;
        const bool aboveLow = lowOpen ? *value > low : *value >= low;
        if (!aboveLow || !(*value <= high)) {
            const bool open = high == std::numeric_limits<float>::max();
            const std::string range = open ? "greater than " + std::to_string(static_cast<int>(low))
                                           : std::string("in ") + (lowOpen ? "(" : "[") +
                                                 std::to_string(static_cast<int>(low)) + ", " +
                                                 std::to_string(static_cast<int>(high)) + "]";
            throw outOfRange(field, range, *body_.find(field), param);
        }
        // A value so small that it is no float above `low` any more stays above it.
        const auto narrow = static_cast<float>(*value);
        target = lowOpen && narrow <= low ? std::numeric_limits<float>::min() : narrow;
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
            if (!value.is_number()) {
                const std::string path = "body.logit_bias." + key;
                throw schemaError(path + ": expected a number, found " + kindOf(value), path);
            }
            out_.logitBias[id] = static_cast<float>(std::clamp(value.get<double>(), -kMostBias, kMostBias));
        }
    }

    void readStops() {
        const auto add = [&](const Json& entry) {
            if (!entry.is_string()) {
                throw schemaError(std::string("body.stop: expected a string or strings, found ") + kindOf(entry),
                                  "body.stop");
            }
            if (entry.get_ref<const std::string&>().empty()) throw ruleError("stop cannot contain an empty string.");
            out_.stop.push_back(entry.get<std::string>());
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
            out_.stopTokenIds = tokenIds("stop_token_ids", *ids, [&] {
                return "stop_token_ids: expected token ids in [0, " + std::to_string(model_.vocabSize) +
                       "), found another";
            });
        }
    }

    void readAllowed() {
        const Json* ids = body_.array("allowed_token_ids");
        if (ids == nullptr) return;
        if (ids->empty()) throw ruleError("allowed_token_ids is not None and empty!", "allowed_token_ids");
        out_.allowedTokenIds = tokenIds(
            "allowed_token_ids", *ids, [] { return std::string("allowed_token_ids contains out-of-vocab token id!"); });
    }

    void readBadWords() {
        const Json* words = body_.array("bad_words");
        if (words == nullptr) return;
        if (words->size() > sampling::kMaxBadWords) {
            throw schemaError("body.bad_words: expected at most " + std::to_string(sampling::kMaxBadWords) +
                                  " strings, found " + std::to_string(words->size()),
                              "body.bad_words");
        }
        for (const Json& word : *words) {
            if (!word.is_string()) {
                throw schemaError(std::string("body.bad_words: expected strings, found ") + kindOf(word),
                                  "body.bad_words");
            }
            if (word.get_ref<const std::string&>().empty())
                throw ruleError("bad_words cannot contain an empty string.", "bad_words");
            out_.badWords.push_back(word.get<std::string>());
        }
    }

    /// `outside()` is the message for ids that are not in the vocabulary.
    template <typename Outside>
    std::vector<std::int32_t> tokenIds(const std::string& field, const Json& array, Outside outside) const {
        std::vector<std::int32_t> ids;
        for (const Json& entry : array) {
            const auto id = asInteger(entry);
            if (!id) {
                const std::string path = "body." + field;
                throw schemaError(path + ": expected token ids, found " + kindOf(entry), path);
            }
            if (*id < 0 || *id >= model_.vocabSize) throw ruleError(outside(), field);
            ids.push_back(static_cast<std::int32_t>(*id));
        }
        return ids;
    }

    const Fields& body_;
    const ServedModel& model_;
    sampling::SamplingParams out_;
};

void checkSalt(const Fields& body) {
    const Json* given = body.find("cache_salt");
    if (given == nullptr) return;
    const std::string salt = given->is_string() ? given->get<std::string>() : std::string();
    const bool clean = salt.find_first_of(std::string_view("@/\\\0", 4)) == std::string::npos;
    if (salt.empty() || characterCount(salt) > kMaxSaltLength || !clean) {
        throw ruleError("cache_salt must have 1 to 128 characters, none of them @ / \\ or NUL", "cache_salt");
    }
}

}  // namespace

ApiError outOfRange(const char* field, const std::string& range, const Json& found, const std::string& param) {
    const std::string value = found.dump();
    return ruleError(std::string(field) + " must be " + range + ", got " + value + ". (parameter=" + field +
                         ", value=" + value + ")",
                     param);
}

sampling::SamplingParams readSampling(const Fields& body, const ServedModel& model, const char* lengthField,
                                      std::int32_t defaultTokens) {
    return Reader(body, model).read(lengthField, defaultTokens);
}

std::size_t readChoices(const Fields& body, sampling::SamplingParams& sampling) {
    const std::int64_t n = body.integer("n").value_or(1);
    if (n < 1) throw ruleError("n must be at least 1, got " + std::to_string(n) + ".");
    if (n > kMaxChoices) {
        throw ruleError("n must be at most " + std::to_string(kMaxChoices) + ", got " + std::to_string(n) + ".");
    }
    if (n > 1 && body.find("temperature") == nullptr && sampling.temperature < sampling::kGreedyBelow) {
        sampling.temperature = 1;
    }
    if (n > 1 && sampling.temperature < sampling::kGreedyBelow) {
        throw ruleError("n must be 1 when using greedy sampling, got " + std::to_string(n) + ".");
    }
    return static_cast<std::size_t>(n);
}

void readLengths(const Fields& body, const ServedModel& model, Request& request) {
    request.roomForMaxTokens = true;
    const auto tokens = body.integer("truncate_prompt_tokens");
    if (!tokens) return;
    const std::int64_t most = model.maxContext - std::max(1, request.sampling.maxTokens);
    if (*tokens < -1) {
        throw schemaError("body.truncate_prompt_tokens: expected -1 or more, found " + std::to_string(*tokens),
                          "body.truncate_prompt_tokens");
    }
    if (*tokens == 0 || *tokens > most) {
        throw outOfRange("truncate_prompt_tokens", "in [1, " + std::to_string(most) + "], or -1 for what fits",
                         *body.find("truncate_prompt_tokens"), "truncate_prompt_tokens");
    }
    request.truncatePrompt = static_cast<std::int32_t>(*tokens);
}

void readCommon(const Fields& body, Request& request) {
    const std::int64_t priority = body.integer("priority").value_or(0);
    if (priority != static_cast<std::int32_t>(priority)) {
        throw outOfRange("priority", "an integer of 32 bits", *body.find("priority"), "priority");
    }
    request.priority = static_cast<std::int32_t>(priority);
    request.skipSpecialTokens = body.boolean("skip_special_tokens").value_or(true);
    static_cast<void>(body.boolean("spaces_between_special_tokens"));  // the tokenizer puts none
    request.tokenIds = body.boolean("return_token_ids").value_or(false);
    for (const char* label : {"user", "session_id"}) static_cast<void>(body.text(label));  // they change nothing
    if (const auto count = body.integer("prompt_logprobs")) {
        if (*count < 0) {
            throw outOfRange("prompt_logprobs", "at least 0", *body.find("prompt_logprobs"), "prompt_logprobs");
        }
        if (*count > kMaxLogprobs) {
            throw ruleError("Requested prompt logprobs of " + std::to_string(*count) +
                                ", which is greater than max allowed: " + std::to_string(kMaxLogprobs),
                            "prompt_logprobs");
        }
        if (*count > 0 && body.boolean("stream").value_or(false)) {
            throw ruleError("`prompt_logprobs` are not available when `stream=True`.", "prompt_logprobs");
        }
        request.promptLogprobs = static_cast<std::int32_t>(*count);
    }
}

std::string readRequestId(const Fields& body, const std::string& clientId) {
    const std::string given = body.text("request_id").value_or("");
    if (!clientId.empty()) return clientId;
    return given.empty() ? given : requestId(given);
}

std::optional<std::string> readEffort(const Fields& fields, const char* name) {
    auto effort = fields.text(name);
    constexpr std::array kEfforts{"none", "minimal", "low", "medium", "high", "xhigh", "max"};
    if (effort && std::find(kEfforts.begin(), kEfforts.end(), *effort) == kEfforts.end()) {
        throw schemaError(fields.pathOf(name) + ": expected none, minimal, low, medium, high, xhigh or max",
                          fields.pathOf(name));
    }
    return effort;
}

StreamFields readStream(const Fields& body) {
    StreamFields fields;
    fields.stream = body.boolean("stream").value_or(false);
    const auto options = body.object("stream_options");
    if (!options) return fields;
    if (!fields.stream && !options->json().empty())
        throw ruleError("Stream options can only be defined when `stream=True`.", "stream_options");
    fields.includeUsage = options->boolean("include_usage").value_or(false);
    fields.continuousUsage = options->boolean("continuous_usage_stats").value_or(false) && fields.includeUsage;
    return fields;
}

void refuseUnsupported(const Fields& body) {
    const auto refuse = [](const std::string& what, const char* field) {
        throw ruleError(what + " is not supported by this server", field);
    };
    for (const char* field : {"logprob_token_ids", "length_penalty"}) {
        const Json* value = body.find(field);
        if (value == nullptr || (value->is_array() && value->empty())) continue;
        refuse(field, field);
    }
    if (body.boolean("use_beam_search").value_or(false)) refuse("use_beam_search", "use_beam_search");
    for (const char* field : {"chat_template", "mm_processor_kwargs", "media_io_kwargs"}) {
        if (body.find(field) == nullptr) continue;
        throw ruleError(std::string(field) + " of a request is not trusted by this server", field);
    }
    checkSalt(body);
}

}  // namespace step3::serving::http
