#include <algorithm>
#include <cctype>
#include <cmath>
#include <set>

#include "engine/text/jinja/value.h"
#include "engine/text/python_json.h"
#include "engine/text/tool_call_parser.h"
#include "engine/utf8.h"

namespace step3::text::jinja {
namespace {

std::string needString(const Value& value, const std::string& user, int line) {
    if (!value.isData() || !value.data.is_string())
        raise(line, "expected a string for '" + user + "', found " + typeName(value));
    return value.data.get<std::string>();
}

Json needList(const Value& value, const std::string& user, int line) {
    if (value.isData() && value.data.is_array()) return value.data;
    Json list = Json::array();
    if (value.isData() && value.data.is_string()) {
        for (const std::string& c : characters(value.data.get<std::string>())) list.push_back(c);
        return list;
    }
    if (value.isData() && value.data.is_object()) {
        for (const auto& [key, item] : value.data.items()) list.push_back(key);
        return list;
    }
    raise(line, "expected a list for '" + user + "', found " + typeName(value));
}

std::string mapped(std::string content, int (*convert)(int)) {
    for (char& c : content)
        if (static_cast<unsigned char>(c) < 0x80) c = static_cast<char>(convert(static_cast<unsigned char>(c)));
    return content;
}

void checkText(const std::string& out, const std::string& user, int line) {
    if (out.size() > kMaxText)
        raise(line, "expected at most " + std::to_string(kMaxText) + " bytes of text from '" + user + "', found more");
}

std::string replaced(const std::string& content, const std::string& from, const std::string& to, int line) {
    if (from.empty()) return content;
    std::string out;
    std::size_t at = 0;
    for (std::size_t hit; (hit = content.find(from, at)) != std::string::npos; at = hit + from.size()) {
        out.append(content, at, hit - at).append(to);
        checkText(out, "replace", line);
    }
    return out.append(content, at);
}

std::string stripped(const std::string& content, const Value& set, bool left, bool right) {
    const std::string characterSet = set.isData() && set.data.is_string() ? set.data.get<std::string>() : " \t\n\r\f\v";
    std::string_view rest = content;
    const auto belongs = [&](std::string_view character) { return characterSet.find(character) != std::string::npos; };
    while (left && !rest.empty()) {
        const auto bytes = static_cast<std::size_t>(std::max(1, utf8Length(rest)));
        if (!belongs(rest.substr(0, bytes))) break;
        rest.remove_prefix(bytes);
    }
    while (right && !rest.empty()) {
        std::size_t begin = rest.size() - 1;
        while (begin > 0 && (static_cast<unsigned char>(rest[begin]) & 0xC0U) == 0x80) --begin;
        if (!belongs(rest.substr(begin))) break;
        rest.remove_suffix(rest.size() - begin);
    }
    return std::string(rest);
}

Json pairs(const Json& object) {
    Json list = Json::array();
    for (const auto& [key, item] : object.items()) list.push_back(Json::array({key, item}));
    return list;
}

/// select, reject, selectattr, rejectattr
Value selected(const std::string& name, const Value& value, const Arguments& arguments, int line) {
    const bool byAttribute = name.ends_with("attr");
    const bool keep = name.starts_with("select");
    const std::string attribute = byAttribute ? needString(arguments.get(0, "attribute"), name, line) : "";
    const std::size_t first = byAttribute ? 1 : 0;
    Json out = Json::array();
    for (const Json& item : needList(value, name, line)) {
        Value subject = Value(item);
        if (byAttribute)
            subject =
                item.is_object() && item.contains(attribute) ? Value(item[attribute]) : Value::undefined(attribute);
        bool hit = truthy(subject);
        if (arguments.positional.size() > first) {
            Arguments rest;
            rest.positional.assign(arguments.positional.begin() + static_cast<std::ptrdiff_t>(first) + 1,
                                   arguments.positional.end());
            hit = applyTest(needString(arguments.positional[first], name, line), subject, rest, line);
        }
        if (hit == keep) out.push_back(item);
    }
    return Value(out);
}

Value mapFilter(const Value& value, const Arguments& arguments, int line) {
    Json out = Json::array();
    const auto attribute = arguments.named.find("attribute");
    for (const Json& item : needList(value, "map", line)) {
        if (attribute != arguments.named.end()) {
            const std::string key = needString(attribute->second, "map", line);
            out.push_back(item.is_object() && item.contains(key) ? item[key] : Json());
        } else {
            Arguments rest;
            if (arguments.positional.size() > 1)
                rest.positional.assign(arguments.positional.begin() + 1, arguments.positional.end());
            out.push_back(
                applyFilter(needString(arguments.get(0, "filter"), "map", line), Value(item), rest, line).data);
        }
    }
    return Value(out);
}

}  // namespace

Value applyFilter(const std::string& name, const Value& value, const Arguments& arguments, int line) {
    if (name == "default" || name == "d") {
        const bool alsoFalse = truthy(arguments.get(1, "boolean"));
        return value.kind == Value::Kind::kUndefined || (alsoFalse && !truthy(value))
                   ? arguments.get(0, "default_value")
                   : value;
    }
    if (name == "tojson") {
        if (!value.isData()) raise(line, "expected a value for 'tojson', found " + typeName(value));
        const Value indent = arguments.get(0, "indent");
        const bool spaced = indent.isData() && indent.data.is_number_integer() &&
                            indent.data.get<std::int64_t>() >= 0 && indent.data.get<std::int64_t>() <= 16;
        const Value ascii =
            arguments.named.count("ensure_ascii") > 0 ? arguments.named.at("ensure_ascii") : Value(Json(false));
        return Value(Json(pythonJson(value.data, truthy(ascii), spaced ? indent.data.get<int>() : -1)));
    }
    if (name == "items") {
        if (!value.isData() || !value.data.is_object())
            raise(line, "expected a mapping for 'items', found " + typeName(value));
        return Value(pairs(value.data));
    }
    if (name == "length" || name == "count")
        return Value(Json(static_cast<std::int64_t>(needList(value, name, line).size())));
    if (name == "list") return Value(needList(value, name, line));
    if (name == "string") return Value(Json(text(value)));
    if (name == "safe" || name == "e" || name == "escape") return value;
    if (name == "trim") return Value(Json(stripped(text(value), arguments.get(0, "chars"), true, true)));
    if (name == "upper") return Value(Json(mapped(text(value), std::toupper)));
    if (name == "lower") return Value(Json(mapped(text(value), std::tolower)));
    if (name == "replace")
        return Value(Json(replaced(text(value), needString(arguments.get(0, "old"), name, line),
                                   needString(arguments.get(1, "new"), name, line), line)));
    if (name == "capitalize") {
        std::string out = mapped(text(value), std::tolower);
        if (!out.empty()) out.front() = static_cast<char>(std::toupper(static_cast<unsigned char>(out.front())));
        return Value(Json(out));
    }
    if (name == "first" || name == "last") {
        const Json list = needList(value, name, line);
        return list.empty() ? Value::undefined(name) : Value(name == "first" ? list.front() : list.back());
    }
    if (name == "reverse") {
        Json list = needList(value, name, line);
        std::reverse(list.begin(), list.end());
        return Value(list);
    }
    if (name == "unique") {
        constexpr std::size_t kMost = 1000;  // every item is compared with every other
        const Json list = needList(value, name, line);
        if (list.size() > kMost)
            raise(line, "expected at most " + std::to_string(kMost) + " items for 'unique', found more");
        Json out = Json::array();
        for (const Json& item : list)
            if (std::find(out.begin(), out.end(), item) == out.end()) out.push_back(item);
        return Value(out);
    }
    if (name == "join") {
        const Value separator = arguments.get(0, "d");
        std::string out;
        bool first = true;
        for (const Json& item : needList(value, name, line)) {
            if (!first) out += text(separator);
            first = false;
            out += text(item);
            checkText(out, name, line);
        }
        return Value(Json(out));
    }
    if (name == "int" || name == "float" || name == "abs") {
        if (!value.isData() || !value.data.is_number())
            raise(line, "expected a number for '" + name + "', found " + typeName(value));
        if (name == "float") return Value(Json(value.data.get<double>()));
        if (value.data.is_number_float() && name == "abs") return Value(Json(std::abs(value.data.get<double>())));
        constexpr double kBeyond = 9223372036854775808.0;  // 2^63
        if (value.data.is_number_float() && !(std::abs(value.data.get<double>()) < kBeyond))
            raise(line, "expected a number below 2^63 for 'int', found " + text(value));
        const auto whole = value.data.get<std::int64_t>();
        if (name == "int" || whole >= 0) return Value(Json(whole));
        return binaryOperation("-", Value(Json(0)), Value(Json(whole)), line);
    }
    if (name == "select" || name == "reject" || name == "selectattr" || name == "rejectattr")
        return selected(name, value, arguments, line);
    if (name == "map") return mapFilter(value, arguments, line);
    unsupported(line, "filter '" + name + "'");
}

bool applyTest(const std::string& name, const Value& value, const Arguments& arguments, int line) {
    const Json& data = value.data;
    const bool isData = value.isData();
    if (name == "defined") return value.kind != Value::Kind::kUndefined;
    if (name == "undefined") return value.kind == Value::Kind::kUndefined;
    if (name == "none") return isData && data.is_null();
    if (name == "string") return isData && data.is_string();
    if (name == "mapping") return isData && data.is_object();
    if (name == "sequence" || name == "iterable")
        return isData && (data.is_array() || data.is_string() || data.is_object());
    if (name == "number") return isData && data.is_number();
    if (name == "integer") return isData && data.is_number_integer();
    if (name == "float") return isData && data.is_number_float();
    if (name == "boolean") return isData && data.is_boolean();
    if (name == "true") return isData && data == true;
    if (name == "false") return isData && data == false;
    if (name == "callable") return value.kind == Value::Kind::kMacro || value.kind == Value::Kind::kMethod;
    if (name == "even" || name == "odd") {
        if (!isData || !data.is_number_integer())
            raise(line, "expected an integer for '" + name + "', found " + typeName(value));
        return (data.get<std::int64_t>() % 2 == 0) == (name == "even");
    }
    if (name == "equalto" || name == "eq" || name == "sameas")
        return truthy(binaryOperation("==", value, arguments.get(0, "other"), line));
    if (name == "ne") return truthy(binaryOperation("!=", value, arguments.get(0, "other"), line));
    if (name == "in") return truthy(binaryOperation("in", value, arguments.get(0, "seq"), line));
    unsupported(line, "test '" + name + "'");
}

bool isMethod(const std::string& name, const Json& object) {
    static const std::set<std::string> kString{"strip",      "lstrip", "rstrip", "split",   "startswith",
                                               "endswith",   "upper",  "lower",  "replace", "title",
                                               "capitalize", "find",   "join",   "count"};
    static const std::set<std::string> kObject{"items", "keys", "values", "get"};
    if (object.is_string()) return kString.count(name) > 0;
    if (object.is_object()) return kObject.count(name) > 0;
    return object.is_array() && name == "append";
}

Value callMethod(const std::string& name, const Json& object, const Arguments& arguments, int line) {
    if (object.is_object()) {
        if (name == "items") return Value(pairs(object));
        if (name == "keys") return Value(needList(Value(object), name, line));
        if (name == "values") {
            Json list = Json::array();
            for (const auto& [key, item] : object.items()) list.push_back(item);
            return Value(list);
        }
        const std::string key = needString(arguments.get(0, "key"), name, line);
        if (object.contains(key)) return Value(object[key]);
        const Value fallback = arguments.get(1, "default");
        return fallback.kind == Value::Kind::kUndefined ? Value(Json()) : fallback;
    }
    if (!object.is_string()) unsupported(line, "method '" + name + "'");
    const std::string content = object.get<std::string>();
    if (name == "strip" || name == "lstrip" || name == "rstrip")
        return Value(Json(stripped(content, arguments.get(0, "chars"), name != "rstrip", name != "lstrip")));
    if (name == "upper" || name == "lower" || name == "replace" || name == "capitalize")
        return applyFilter(name, Value(object), arguments, line);
    if (name == "startswith")
        return Value(Json(content.starts_with(needString(arguments.get(0, "prefix"), name, line))));
    if (name == "endswith") return Value(Json(content.ends_with(needString(arguments.get(0, "suffix"), name, line))));
    if (name == "find") {
        const auto at = content.find(needString(arguments.get(0, "sub"), name, line));
        return Value(Json(at == std::string::npos
                              ? std::int64_t{-1}
                              : static_cast<std::int64_t>(characters(content.substr(0, at)).size())));
    }
    if (name == "join") {
        Arguments separator;
        separator.positional.push_back(Value(object));
        return applyFilter("join", arguments.get(0, "iterable"), separator, line);
    }
    if (name == "split") {
        const Value separator = arguments.get(0, "sep");
        const Value limit = arguments.get(1, "maxsplit");
        auto left = limit.isData() && limit.data.is_number_integer() ? limit.data.get<std::int64_t>() : -1;
        Json parts = Json::array();
        if (!separator.isData() || separator.data.is_null()) {
            std::size_t at = 0;
            while ((at = content.find_first_not_of(" \t\n\r\f\v", at)) != std::string::npos) {
                const auto end = content.find_first_of(" \t\n\r\f\v", at);
                parts.push_back(content.substr(at, end - at));
                if (end == std::string::npos) break;
                at = end;
            }
            return Value(parts);
        }
        const std::string mark = needString(separator, name, line);
        if (mark.empty()) raise(line, "expected a separator for 'split', found an empty string");
        std::size_t at = 0;
        for (std::size_t hit; left != 0 && (hit = content.find(mark, at)) != std::string::npos;
             at = hit + mark.size(), --left)
            parts.push_back(content.substr(at, hit - at));
        parts.push_back(content.substr(at));
        return Value(parts);
    }
    unsupported(line, "method '" + name + "'");
}

}  // namespace step3::text::jinja
