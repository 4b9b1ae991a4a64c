#include "engine/sampling/structured/string_formats.h"

#include <array>

namespace step3::sampling::structured {

namespace {

#define STEP3_DATE                                                                                              \
    "(\\d{4}-((0[13578]|1[02])-(0[1-9]|[12]\\d|3[01])|(0[469]|11)-(0[1-9]|[12]\\d|30)|02-(0[1-9]|1\\d|2[0-8]))" \
    "|(\\d\\d(0[48]|[2468][048]|[13579][26])|([02468][048]|[13579][26])00)-02-29)"
#define STEP3_TIME "([01]\\d|2[0-3]):[0-5]\\d:[0-5]\\d(\\.\\d{1,9})?(Z|[+-]([01]\\d|2[0-3]):[0-5]\\d)"
#define STEP3_LABEL "[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
#define STEP3_HOST STEP3_LABEL "(\\." STEP3_LABEL ")*"
#define STEP3_CLOCK "T(\\d+H(\\d+M(\\d+S)?)?|\\d+M(\\d+S)?|\\d+S)"
#define STEP3_CALENDAR "(\\d+Y(\\d+M(\\d+D)?)?|\\d+M(\\d+D)?|\\d+D)"
#define STEP3_BYTE "(25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)"
#define STEP3_GROUP "[0-9A-Fa-f]{1,4}"
#define STEP3_URI_CHARACTER "[A-Za-z0-9._~:@!$&'()*+,;=-]|%[0-9A-Fa-f]{2}"

struct Format {
    std::string_view name;
    std::string_view pattern;
};

constexpr std::array<Format, 10> kFormats{{
    {"date", STEP3_DATE},
    {"time", STEP3_TIME},
    {"date-time", "(" STEP3_DATE ")T" STEP3_TIME},
    {"duration", "P(\\d+W|" STEP3_CALENDAR "(" STEP3_CLOCK ")?|" STEP3_CLOCK ")"},
    {"email", "[A-Za-z0-9_+-]+(\\.[A-Za-z0-9_+-]+)*@" STEP3_HOST},
    {"hostname", STEP3_HOST},
    {"ipv4", STEP3_BYTE "(\\." STEP3_BYTE "){3}"},
    // Eight groups, or fewer around one "::" (RFC 4291 section 2.2).
    {"ipv6", "(" STEP3_GROUP ":){7}" STEP3_GROUP "|(" STEP3_GROUP ":){6}(:" STEP3_GROUP ")|(" STEP3_GROUP
             ":){5}(:" STEP3_GROUP "){1,2}|(" STEP3_GROUP ":){4}(:" STEP3_GROUP "){1,3}|(" STEP3_GROUP
             ":){3}(:" STEP3_GROUP "){1,4}|(" STEP3_GROUP ":){2}(:" STEP3_GROUP "){1,5}|" STEP3_GROUP ":(:" STEP3_GROUP
             "){1,6}|:(:" STEP3_GROUP "){1,7}|(" STEP3_GROUP ":){1,7}:|::"},
    {"uri", "[A-Za-z][A-Za-z0-9+.-]*://" STEP3_HOST "(:\\d{1,5})?(/(" STEP3_URI_CHARACTER
            "|/)*)?(\\?(" STEP3_URI_CHARACTER "|[/?])*)?(#(" STEP3_URI_CHARACTER "|[/?])*)?"},
    {"uuid", "[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}"},
}};

}  // namespace

std::optional<std::string_view> stringFormat(std::string_view name) {
    for (const Format& format : kFormats) {
        if (format.name == name) return format.pattern;
    }
    return std::nullopt;
}

}  // namespace step3::sampling::structured
