#include "engine/metrics/prometheus.h"

#include <charconv>
#include <cmath>

namespace step3::metrics {

namespace {

/// Shortest text that reads back as the same double, with a ".0" for whole numbers.
std::string numberText(double value) {
    if (std::isnan(value)) return "NaN";
    if (std::isinf(value)) return value > 0 ? "+Inf" : "-Inf";
    char buffer[32];
    const bool plain = value == 0 || (std::abs(value) >= 1e-4 && std::abs(value) < 1e16);
    const auto end = plain ? std::to_chars(buffer, buffer + sizeof buffer, value, std::chars_format::fixed)
                           : std::to_chars(buffer, buffer + sizeof buffer, value);
    std::string text(buffer, end.ptr);
    if (text.find_first_of(".e") == std::string::npos) text += ".0";
    return text;
}

void appendEscaped(std::string& out, std::string_view value, bool quotes) {
    for (const char c : value) {
        switch (c) {
            case '\\': out += "\\\\"; break;
            case '\n': out += "\\n"; break;
            case '"': out += quotes ? "\\\"" : "\""; break;
            default: out += c;
        }
    }
}

}  // namespace

void PrometheusWriter::family(std::string_view name, std::string_view type, std::string_view help) {
    text_.append("# HELP ").append(name).append(" ");
    appendEscaped(text_, help, false);
    text_.append("\n# TYPE ").append(name).append(" ").append(type).append("\n");
}

void PrometheusWriter::sample(std::string_view name, const Labels& labels, double value) {
    text_ += name;
    const char* before = "{";
    for (const auto& [label, content] : labels) {
        text_.append(before).append(label).append("=\"");
        appendEscaped(text_, content, true);
        text_ += '"';
        before = ",";
    }
    if (!labels.empty()) text_ += '}';
    text_.append(" ").append(numberText(value)).append("\n");
}

void PrometheusWriter::histogram(std::string_view name, const Labels& labels, const Histogram& histogram) {
    const std::string base(name);
    Labels withBound = labels;
    withBound.emplace_back("le", "");
    std::uint64_t total = 0;
    for (std::size_t i = 0; i < histogram.counts().size(); ++i) {
        total += histogram.counts()[i];
        withBound.back().second = i < histogram.bounds().size() ? numberText(histogram.bounds()[i]) : "+Inf";
        sample(base + "_bucket", withBound, static_cast<double>(total));
    }
    sample(base + "_count", labels, static_cast<double>(total));
    sample(base + "_sum", labels, histogram.sum());
}

}  // namespace step3::metrics
