#define PCRE2_CODE_UNIT_WIDTH 8
#include "engine/text/regex_splitter.h"

#include <pcre2.h>

#include "engine/error.h"

namespace step3::text {
namespace {

constexpr std::uint32_t kMatchLimit = 10'000'000;  // a hostile pattern fails instead of running for ever

}  // namespace

struct RegexSplitter::Impl {
    ~Impl() {
        pcre2_match_context_free(context);
        pcre2_code_free(code);
    }
    pcre2_code* code = nullptr;
    pcre2_match_context* context = nullptr;
};

RegexSplitter::RegexSplitter(const std::string& pattern, bool literal, const std::string& where)
    : impl_(std::make_unique<Impl>()) {
    int number = 0;
    PCRE2_SIZE offset = 0;
    const std::uint32_t options = PCRE2_UTF | PCRE2_NO_UTF_CHECK | (literal ? PCRE2_LITERAL : PCRE2_UCP);
    impl_->code = pcre2_compile(reinterpret_cast<PCRE2_SPTR>(pattern.data()), pattern.size(),
                                options & ~PCRE2_NO_UTF_CHECK, &number, &offset, nullptr);
    if (impl_->code == nullptr) {
        PCRE2_UCHAR message[200];
        pcre2_get_error_message(number, message, sizeof message);
        throw Error(ErrorCode::kInvalidData, where + ": expected a regular expression, found at character " +
                                                 std::to_string(offset) + ": " +
                                                 reinterpret_cast<const char*>(message));
    }
    pcre2_jit_compile(impl_->code, PCRE2_JIT_COMPLETE);  // without JIT the interpreter runs
    impl_->context = pcre2_match_context_create(nullptr);
    pcre2_set_match_limit(impl_->context, kMatchLimit);
}

RegexSplitter::~RegexSplitter() = default;
RegexSplitter::RegexSplitter(RegexSplitter&&) noexcept = default;

void RegexSplitter::split(std::string_view text, std::vector<std::string_view>& out) const {
    const std::unique_ptr<pcre2_match_data, decltype(&pcre2_match_data_free)> match(pcre2_match_data_create(1, nullptr),
                                                                                    pcre2_match_data_free);
    std::size_t done = 0;   // everything before is in `out`
    std::size_t start = 0;  // where the next search begins
    while (start < text.size()) {
        const int result = pcre2_match(impl_->code, reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(), start,
                                       PCRE2_NO_UTF_CHECK, match.get(), impl_->context);
        if (result == PCRE2_ERROR_NOMATCH) break;
        if (result < 0)
            throw Error(ErrorCode::kResourceExhausted,
                        "text could not be split: regular expression error " + std::to_string(result));
        const PCRE2_SIZE* bounds = pcre2_get_ovector_pointer(match.get());
        if (bounds[1] <= bounds[0]) {  // an empty match splits nothing; go on after the next character
            ++start;
            while (start < text.size() && (static_cast<unsigned char>(text[start]) & 0xC0) == 0x80) ++start;
            continue;
        }
        if (bounds[0] > done) out.push_back(text.substr(done, bounds[0] - done));
        out.push_back(text.substr(bounds[0], bounds[1] - bounds[0]));
        done = start = bounds[1];
    }
    if (done < text.size()) out.push_back(text.substr(done));
}

}  // namespace step3::text
