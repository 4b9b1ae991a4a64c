#include "engine/json.h"

#include <unordered_set>
#include <utility>
#include <vector>

#include "engine/error.h"

namespace step3 {
namespace {

/// Builds the value from the parser's events. The library's own builder searches an object for every member it adds,
/// which takes minutes for a vocabulary; this one appends and keeps the names of open objects in hash sets.
class Builder final : public nlohmann::json_sax<Json> {
public:
    explicit Builder(Json& root) : root_(root) {}

    bool null() override { return add(nullptr); }
    bool boolean(bool value) override { return add(value); }
    bool number_integer(number_integer_t value) override { return add(value); }
    bool number_unsigned(number_unsigned_t value) override { return add(value); }
    bool number_float(number_float_t value, const string_t&) override { return add(value); }
    bool string(string_t& value) override { return add(std::move(value)); }
    bool binary(binary_t&) override { return false; }
    bool start_object(std::size_t) override { return open(Json::object()); }
    bool end_object() override { return close(); }
    bool start_array(std::size_t) override { return open(Json::array()); }
    bool end_array() override { return close(); }
    bool key(string_t& name) override {
        if (!open_.back().names.insert(name).second) {
            defect_ = JsonDefect{JsonDefect::Kind::kDuplicateMember, 0, std::move(name)};
            return false;
        }
        name_ = std::move(name);
        return true;
    }
    bool parse_error(std::size_t byte, const std::string&, const Json::exception& error) override {
        const bool range = dynamic_cast<const Json::out_of_range*>(&error) != nullptr;
        defect_ = JsonDefect{range ? JsonDefect::Kind::kNumberOutOfRange : JsonDefect::Kind::kSyntax, byte, {}};
        return false;
    }
    [[nodiscard]] std::optional<JsonDefect> takeDefect() { return std::move(defect_); }

private:
    struct Open {
        Json* value;
        std::unordered_set<std::string> names;
    };

    Json* place(Json value) {
        if (open_.empty()) return &(root_ = std::move(value));
        Json& parent = *open_.back().value;
        if (parent.is_array()) return &parent.get_ref<Json::array_t&>().emplace_back(std::move(value));
        // The vector below the ordered map: its own emplace would search for the name.
        std::vector<std::pair<const std::string, Json>>& members = parent.get_ref<Json::object_t&>();
        return &members.emplace_back(std::move(name_), std::move(value)).second;
    }
    bool add(Json value) {
        place(std::move(value));
        return true;
    }
    bool open(Json value) {
        if (open_.size() >= kMaxJsonDepth) {
            defect_ = JsonDefect{JsonDefect::Kind::kTooDeep, 0, {}};
            return false;
        }
        open_.push_back({place(std::move(value)), {}});
        return true;
    }
    bool close() {
        open_.pop_back();
        return true;
    }

    Json& root_;
    std::vector<Open> open_;  // a parent does not grow while a child is open, so the pointers stay
    std::string name_;
    std::optional<JsonDefect> defect_;
};

}  // namespace

std::optional<JsonDefect> readJson(std::string_view text, Json& value) {
    value = Json();
    Builder builder(value);
    if (Json::sax_parse(text, &builder)) return std::nullopt;
    return builder.takeDefect();
}

Json parseJson(std::string_view text, const std::string& name) {
    Json value;
    const auto defect = readJson(text, value);
    if (!defect) return value;
    std::string found = "a syntax error at byte " + std::to_string(defect->byte);
    switch (defect->kind) {
        case JsonDefect::Kind::kSyntax: break;
        case JsonDefect::Kind::kTooDeep:
            found = "more than " + std::to_string(kMaxJsonDepth) + " levels of nesting";
            break;
        case JsonDefect::Kind::kNumberOutOfRange: found = "a number beyond double precision"; break;
        case JsonDefect::Kind::kDuplicateMember: found = "\"" + defect->member + "\" twice in one object"; break;
    }
    throw Error(ErrorCode::kInvalidData, name + ": expected JSON, found " + found);
}

}  // namespace step3
