#include "engine/text/jinja/value.h"

#include <cmath>

#include "engine/error.h"
#include "engine/text/python_json.h"
#include "engine/utf8.h"

namespace step3::text::jinja {
namespace {

std::string pythonRepr(const Json& value) {
    if (value.is_string()) {
        const std::string& content = value.get_ref<const std::string&>();
        const char quote =
            content.find('\'') != std::string::npos && content.find('"') == std::string::npos ? '"' : '\'';
        std::string out(1, quote);
        for (const char c : content) {
            if (c == quote || c == '\\') out += '\\';
            if (c == '\n') {
                out += "\\n";
            } else if (c == '\t') {
                out += "\\t";
            } else if (c == '\r') {
                out += "\\r";
            } else {
                out += c;
            }
        }
        return out + quote;
    }
    return text(value);
}

std::int64_t weightOf(const Json& value, int depth) {
    constexpr std::int64_t kNode = 16;
    if (value.is_string()) return kNode + static_cast<std::int64_t>(value.get_ref<const std::string&>().size());
    if (!value.is_structured()) return kNode;
    if (depth == kMaxNesting) return -1;
    std::int64_t total = kNode;
    for (const auto& [key, item] : value.items()) {
        const std::int64_t part = weightOf(item, depth + 1);
        if (part < 0) return -1;
        total += part + (value.is_object() ? kNode + static_cast<std::int64_t>(key.size()) : 0);
    }
    return total;
}

/// Python's floor division and modulo.
std::int64_t floorDivide(std::int64_t a, std::int64_t b) {
    const std::int64_t quotient = a / b;
    return a % b != 0 && (a < 0) != (b < 0) ? quotient - 1 : quotient;
}

std::int64_t floorModulo(std::int64_t a, std::int64_t b) {
    const std::int64_t rest = a % b;
    return rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest;
}

}  // namespace

void raise(int line, const std::string& what) {
    throw Error(ErrorCode::kInvalidData, "chat template, line " + std::to_string(line) + ": " + what);
}

void unsupported(int line, const std::string& what) {
    throw Error(ErrorCode::kUnsupported, "chat template, line " + std::to_string(line) +
                                             ": this program does not know the template construct " + what);
}

std::int64_t weight(const Json& value) {
    return weightOf(value, 0);
}

bool truthy(const Value& value) {
    if (value.kind == Value::Kind::kUndefined) return false;
    if (!value.isData()) return true;
    const Json& data = value.data;
    if (data.is_null()) return false;
    if (data.is_boolean()) return data.get<bool>();
    if (data.is_number()) return data.get<double>() != 0.0;
    if (data.is_string()) return !data.get_ref<const std::string&>().empty();
    return !data.empty();
}

std::string text(const Json& value) {
    if (value.is_null()) return "None";
    if (value.is_boolean()) return value.get<bool>() ? "True" : "False";
    if (value.is_string()) return value.get<std::string>();
    if (value.is_number_float()) return pythonFloat(value.get<double>());
    if (value.is_number()) return value.dump();
    std::string out = value.is_array() ? "[" : "{";
    bool first = true;
    for (const auto& [key, item] : value.items()) {
        if (!first) out += ", ";
        first = false;
        if (value.is_object()) out += pythonRepr(Json(key)) + ": ";
        out += pythonRepr(item);
    }
    return out + (value.is_array() ? "]" : "}");
}

std::string text(const Value& value) {
    return value.isData() ? text(value.data) : std::string();
}

std::string typeName(const Value& value) {
    switch (value.kind) {
        case Value::Kind::kUndefined:
            return value.name.empty() ? "an undefined value" : "'" + value.name + "', which is undefined";
        case Value::Kind::kMacro: return "a macro";
        case Value::Kind::kNamespace: return "a namespace";
        case Value::Kind::kMethod: return "a method";
        case Value::Kind::kData: break;
    }
    return value.data.is_object()  ? "a mapping"
           : value.data.is_array() ? "a list"
           : value.data.is_null()  ? "none"
                                   : std::string("a ") + value.data.type_name();
}

std::vector<std::string> characters(const std::string& content) {
    std::vector<std::string> out;
    std::string_view rest = content;
    while (!rest.empty()) {
        const int length = utf8Length(rest);
        const auto bytes = static_cast<std::size_t>(length > 0 ? length : 1);
        out.emplace_back(rest.substr(0, bytes));
        rest.remove_prefix(bytes);
    }
    return out;
}

Value Arguments::get(std::size_t index, const std::string& name) const {
    if (index < positional.size()) return positional[index];
    const auto it = named.find(name);
    return it == named.end() ? Value() : it->second;
}

Value binaryOperation(const std::string& op, const Value& left, const Value& right, int line) {
    if (op == "~") return Value(Json(text(left) + text(right)));
    if (op == "==" || op == "!=") {
        const bool same = left.isData() && right.isData()
                              ? left.data == right.data
                              : left.kind == right.kind && !left.isData() && left.kind == Value::Kind::kUndefined;
        return Value(Json(same == (op == "==")));
    }
    if (op == "in") {
        if (!right.isData()) raise(line, "expected a string, list or mapping behind 'in', found " + typeName(right));
        if (!left.isData()) return Value(Json(false));
        if (right.data.is_string()) {
            if (!left.data.is_string()) raise(line, "expected a string before 'in', found " + typeName(left));
            return Value(Json(right.data.get_ref<const std::string&>().find(left.data.get_ref<const std::string&>()) !=
                              std::string::npos));
        }
        if (right.data.is_object())
            return Value(Json(left.data.is_string() && right.data.contains(left.data.get<std::string>())));
        for (const Json& item : right.data)
            if (item == left.data) return Value(Json(true));
        return Value(Json(false));
    }
    const auto wrong = [&]() {
        raise(line, "expected operands that fit '" + op + "', found " + typeName(left) + " and " + typeName(right));
    };
    if (!left.isData() || !right.isData()) wrong();
    const Json& a = left.data;
    const Json& b = right.data;
    if (op == "<" || op == ">" || op == "<=" || op == ">=") {
        const bool fit = (a.is_number() && b.is_number()) || (a.is_string() && b.is_string());
        if (!fit) wrong();
        return Value(Json(op == "<" ? a < b : op == ">" ? b < a : op == "<=" ? !(b < a) : !(a < b)));
    }
    if (op == "+" && a.is_string() && b.is_string())
        return Value(Json(a.get_ref<const std::string&>() + b.get_ref<const std::string&>()));
    if (op == "+" && a.is_array() && b.is_array()) {
        Json sum = a;
        for (const Json& item : b) sum.push_back(item);
        return Value(sum);
    }
    if (op == "*" && a.is_string() && b.is_number_integer()) {
        std::string out;
        const auto times = b.get<std::int64_t>();
        if (times > 0 && a.get_ref<const std::string&>().size() > (1U << 20) / static_cast<std::size_t>(times))
            raise(line, "expected a text below 1 MiB from '*', found more");
        for (std::int64_t i = 0; i < times; ++i) out += a.get_ref<const std::string&>();
        return Value(Json(out));
    }
    if (!a.is_number() || !b.is_number()) wrong();
    const bool whole = a.is_number_integer() && b.is_number_integer();
    if ((op == "/" || op == "//" || op == "%") && b.get<double>() == 0.0)
        raise(line, "expected a divisor other than 0, found 0");
    if (op == "/") return Value(Json(a.get<double>() / b.get<double>()));
    if (whole) {
        const auto x = a.get<std::int64_t>();
        const auto y = b.get<std::int64_t>();
        std::int64_t result = 0;
        bool overflow = false;
        if (op == "+") overflow = __builtin_add_overflow(x, y, &result);
        if (op == "-") overflow = __builtin_sub_overflow(x, y, &result);
        if (op == "*") overflow = __builtin_mul_overflow(x, y, &result);
        if ((op == "//" || op == "%") && y == -1) {
            overflow = op == "//" && __builtin_sub_overflow(std::int64_t{0}, x, &result);
        } else if (op == "//") {
            result = floorDivide(x, y);
        } else if (op == "%") {
            result = floorModulo(x, y);
        }
        if (overflow) raise(line, "expected a number below 2^63 from '" + op + "', found more");
        return Value(Json(result));
    }
    const double x = a.get<double>();
    const double y = b.get<double>();
    if (op == "+") return Value(Json(x + y));
    if (op == "-") return Value(Json(x - y));
    if (op == "*") return Value(Json(x * y));
    if (op == "//") return Value(Json(std::floor(x / y)));
    return Value(Json(x - std::floor(x / y) * y));
}

}  // namespace step3::text::jinja
