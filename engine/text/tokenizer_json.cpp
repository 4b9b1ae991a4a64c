#include "engine/text/tokenizer_json.h"

#include <utility>

#include "engine/text/tokenizer_fields.h"

namespace step3::text {
namespace {

/// Receives the parser's events. A document node for each of 128 000 tokens and as many merges would cost most of the
/// loading time; they go into a block of text instead.
class Reader final : public nlohmann::json_sax<Json> {
public:
    Reader(TokenizerJson& result, const std::string& file, std::size_t size) : result_(result), file_(file) {
        result_.block.reserve(size);  // what is kept is a part of the file, so that the views stay valid
    }

    bool null() override { return scalar(nullptr); }
    bool boolean(bool value) override { return scalar(value); }
    bool number_integer(number_integer_t value) override { return integer(value, value); }
    bool number_unsigned(number_unsigned_t value) override {
        return integer(value, value > INT64_MAX ? INT64_MAX : static_cast<std::int64_t>(value));
    }
    bool number_float(number_float_t value, const string_t& /*text*/) override { return scalar(value); }
    bool binary(binary_t& /*value*/) override { return true; }  // JSON text has none
    bool string(string_t& value) override {
        if (list_ == List::kMerges) return mergePart(value);
        return scalar(std::move(value));
    }
    bool key(string_t& name) override {
        if (list_ == List::kVocab)
            entryText_ = keep(name);
        else
            key_ = std::move(name);
        return true;
    }

    bool start_object(std::size_t /*elements*/) override {
        if (list_ != List::kNone) wrongElement("an object");
        if (inModel() && key_ == "vocab") {
            list_ = List::kVocab;
            result_.vocab = true;
            return true;
        }
        return open(Json::object());
    }
    bool start_array(std::size_t /*elements*/) override {
        if (list_ == List::kMerges && !inPair_) {
            inPair_ = true;
            parts_ = 0;
            return true;
        }
        if (list_ != List::kNone) wrongElement("a list");
        if (inModel() && key_ == "merges") {
            list_ = List::kMerges;
            result_.merges = true;
            return true;
        }
        return open(Json::array());
    }
    bool end_object() override { return close(); }
    bool end_array() override {
        if (!inPair_) return close();
        inPair_ = false;
        if (parts_ != 2) wrongElement("a list of " + std::to_string(parts_));
        result_.rules.push_back({pair_[0], pair_[1]});
        return true;
    }
    bool parse_error(std::size_t position, const std::string& /*token*/,
                     const nlohmann::detail::exception& /*error*/) override {
        throw Error(ErrorCode::kInvalidData,
                    file_ + ": expected JSON, found a syntax error at byte " + std::to_string(position));
    }

private:
    enum class List { kNone, kVocab, kMerges };

    std::string_view keep(std::string_view text) {
        const std::size_t begin = result_.block.size();
        result_.block.append(text);
        return std::string_view(result_.block).substr(begin);
    }

    [[nodiscard]] bool inModel() const { return open_.size() == 2 && modelDepth_ == 2; }

    [[noreturn]] void wrongElement(const std::string& found) const {
        if (list_ == List::kVocab) failField(file_, "model.vocab." + std::string(entryText_), "an integer", found);
        failField(file_, "model.merges[" + std::to_string(result_.rules.size()) + "]", "two tokens", found);
    }

    template <typename Number>
    bool integer(Number value, std::int64_t id) {
        if (list_ != List::kVocab) return scalar(value);
        result_.entries.push_back({entryText_, id});
        return true;
    }

    bool mergePart(const std::string& text) {
        if (inPair_) {
            if (parts_ < 2) pair_[parts_] = keep(text);
            ++parts_;
            return true;
        }
        const auto space = text.find(' ');
        if (space == std::string::npos) wrongElement(shownValue(text));
        const std::string_view kept = keep(text);
        result_.rules.push_back({kept.substr(0, space), kept.substr(space + 1)});
        return true;
    }

    Json& place(Json&& value) {
        if (open_.empty()) return result_.document = std::move(value);
        Json& parent = *open_.back();
        if (parent.is_array()) {
            parent.push_back(std::move(value));
            return parent.back();
        }
        return parent[key_] = std::move(value);
    }
    bool scalar(Json value) {
        if (list_ != List::kNone) wrongElement(shownValue(value));
        place(std::move(value));
        return true;
    }
    bool open(Json&& value) {
        if (open_.size() >= kMaxJsonDepth)
            throw Error(ErrorCode::kInvalidData, file_ + ": expected JSON, found more than " +
                                                     std::to_string(kMaxJsonDepth) + " levels of nesting");
        const bool model = open_.size() == 1 && key_ == "model" && value.is_object();
        open_.push_back(&place(std::move(value)));
        if (model) modelDepth_ = open_.size();
        return true;
    }
    bool close() {
        if (list_ != List::kNone) {
            list_ = List::kNone;
            return true;
        }
        if (open_.size() == modelDepth_) modelDepth_ = 0;
        open_.pop_back();
        return true;
    }

    TokenizerJson& result_;
    const std::string& file_;
    std::vector<Json*> open_;  // the objects and lists we are in; a parent's elements move only while it is the last
    std::string key_;
    std::size_t modelDepth_ = 0;  // open_.size() inside the root's "model", else 0
    List list_ = List::kNone;
    std::string_view entryText_;
    bool inPair_ = false;  // inside one [left, right] of merges
    std::size_t parts_ = 0;
    std::string_view pair_[2];
};

}  // namespace

TokenizerJson parseTokenizerJson(std::string_view json, const std::string& file) {
    TokenizerJson result;
    Reader reader(result, file, json.size());
    Json::sax_parse(json, &reader);
    return result;
}

}  // namespace step3::text
