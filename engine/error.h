#pragma once

#include <stdexcept>
#include <string>

namespace step3 {

/// What went wrong, as far as a caller can act on it.
enum class ErrorCode {
    kInvalidArgument,    ///< A value the caller passed is outside its documented range.
    kInvalidData,        ///< A file or message does not have the form it must have.
    kNotFound,           ///< A file, tensor or request that was named does not exist.
    kUnsupported,        ///< Well formed, but this program does not run it.
    kResourceExhausted,  ///< Memory, context length or image tokens are used up.
    kBusy,               ///< Every place is taken now; the same call may succeed later.
    kCancelled,          ///< The caller asked to stop.
    kIo,                 ///< The operating system refused to read or write.
    kInternal,           ///< A defect in this program.
};

/// The one exception type of engine and app. The message names the file or field, what was expected and what was found,
/// on one line; it is shown to users as it is. Control characters and bytes that are no UTF-8, which names from outside
/// may hold, are replaced.
class Error : public std::runtime_error {
public:
    Error(ErrorCode code, const std::string& message);
    [[nodiscard]] ErrorCode code() const noexcept { return code_; }

private:
    ErrorCode code_;
};

}  // namespace step3
