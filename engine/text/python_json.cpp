#include "engine/text/python_json.h"

#include <array>
#include <charconv>
#include <cmath>

namespace step3::text {
namespace {

void write(std::string& out, const Json& value, bool ensureAscii, int indent, int depth) {
    const auto newline = [&](int level) {
        if (indent < 0) return;
        out += '\n';
        out.append(static_cast<std::size_t>(indent) * static_cast<std::size_t>(level), ' ');
    };
    const char* separator = indent < 0 ? ", " : ",";
    if (value.is_object()) {
        out += '{';
        bool first = true;
        for (const auto& [key, item] : value.items()) {
            if (!first) out += separator;
            first = false;
            newline(depth + 1);
            out += Json(key).dump(-1, ' ', ensureAscii, Json::error_handler_t::replace) + ": ";
            write(out, item, ensureAscii, indent, depth + 1);
        }
        if (!first) newline(depth);
        out += '}';
    } else if (value.is_array()) {
        out += '[';
        bool first = true;
        for (const Json& item : value) {
            if (!first) out += separator;
            first = false;
            newline(depth + 1);
            write(out, item, ensureAscii, indent, depth + 1);
        }
        if (!first) newline(depth);
        out += ']';
    } else if (value.is_number_float()) {
        const double number = value.get<double>();
        out += std::isnan(number)   ? "NaN"
               : std::isinf(number) ? (number > 0 ? "Infinity" : "-Infinity")
                                    : pythonFloat(number);
    } else {
        out += value.dump(-1, ' ', ensureAscii, Json::error_handler_t::replace);
    }
}

}  // namespace

std::string pythonFloat(double value) {
    if (std::isnan(value)) return "nan";
    if (std::isinf(value)) return value > 0 ? "inf" : "-inf";
    std::array<char, 32> digits{};
    const auto end =
        std::to_chars(digits.data(), digits.data() + digits.size(), value, std::chars_format::scientific).ptr;
    std::string text(digits.data(), end);  // d[.ddd]e[+-]xx, the shortest digits that read back to the same double
    const auto e = text.find('e');
    const int exponent = std::stoi(text.substr(e + 1));
    if (exponent < -4 || exponent >= 16) return text;
    std::array<char, 64> plain{};
    const auto last = std::to_chars(plain.data(), plain.data() + plain.size(), value, std::chars_format::fixed).ptr;
    std::string result(plain.data(), last);
    return result.find('.') == std::string::npos ? result + ".0" : result;
}

std::string pythonJson(const Json& value, bool ensureAscii, int indent) {
    std::string out;
    write(out, value, ensureAscii, indent, 0);
    return out;
}

}  // namespace step3::text
