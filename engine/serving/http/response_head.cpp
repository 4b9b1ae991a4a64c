#include "engine/serving/http/response_head.h"

#include <ctime>
#include <ostream>

#include <boost/beast/http/status.hpp>

namespace step3::serving::http {

namespace {

/// IMF-fixdate (RFC 9110 section 5.6.7); names are English whatever the locale.
std::string httpDate(std::time_t now) {
    constexpr const char* kDays[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    constexpr const char* kMonths[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                       "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    std::tm utc{};
    ::gmtime_r(&now, &utc);
    char rest[40];
    std::strftime(rest, sizeof rest, " %Y %H:%M:%S GMT", &utc);
    char day[8];
    std::strftime(day, sizeof day, ", %d ", &utc);
    return std::string(kDays[utc.tm_wday]) + day + kMonths[utc.tm_mon] + rest;
}

}  // namespace

ResponseHead::ResponseHead(unsigned version, int status) : version_(version) {
    const auto reason = boost::beast::http::obsolete_reason(static_cast<boost::beast::http::status>(status));
    text_ = (version >= 11 ? "HTTP/1.1 " : "HTTP/1.0 ") + std::to_string(status) + " ";
    text_.append(reason.data(), reason.size());
    text_ += "\r\n";
    set("Server", "step3/" STEP3_VERSION);
    set("Date", httpDate(std::time(nullptr)));
}

void ResponseHead::set(std::string_view name, std::string_view value) {
    text_.append(name).append(": ").append(value).append("\r\n");
}

void ResponseHead::setKeepAlive(bool keepAlive) {
    if (version_ >= 11 && !keepAlive) set("Connection", "close");
    if (version_ < 11 && keepAlive) set("Connection", "keep-alive");
}

}  // namespace step3::serving::http
