#include "engine/serving/http/api_error.h"

#include <new>

namespace step3::serving::http {

namespace {

ErrorCode codeOf(int status) {
    if (status == 404) return ErrorCode::kNotFound;
    if (status == 413 || status == 503) return ErrorCode::kResourceExhausted;
    if (status == 501) return ErrorCode::kUnsupported;
    return status >= 500 ? ErrorCode::kInternal : ErrorCode::kInvalidArgument;
}

}  // namespace

ApiError::ApiError(int status, std::string type, const std::string& message, std::string param)
    : Error(codeOf(status), message), status_(status), type_(std::move(type)), param_(std::move(param)) {}

Json ApiError::json() const {
    Json error;
    error["message"] = what();
    error["type"] = type_;
    error["param"] = param_.empty() ? Json(nullptr) : Json(param_);
    error["code"] = status_;
    return Json{{"error", std::move(error)}};
}

ApiError schemaError(const std::string& message, const std::string& param) {
    return {400, kSchemaErrorType, message, param};
}

ApiError ruleError(const std::string& message, const std::string& param) {
    return {400, "BadRequestError", message, param};
}

ApiError fromEngine(ErrorCode code, const std::string& message) {
    switch (code) {
        case ErrorCode::kInvalidArgument:
        case ErrorCode::kInvalidData:
        case ErrorCode::kUnsupported:
        case ErrorCode::kNotFound: return ruleError(message);
        case ErrorCode::kResourceExhausted: return ruleError(message, "input_tokens");
        case ErrorCode::kCancelled:
        case ErrorCode::kBusy: return {503, "ServiceUnavailableError", message};
        case ErrorCode::kIo:
        case ErrorCode::kInternal: break;
    }
    return {500, "InternalServerError", message};
}

ApiError fromException(const std::exception_ptr& thrown) {
    try {
        std::rethrow_exception(thrown);
    } catch (const ApiError& error) {
        return error;
    } catch (const Error& error) {
        return fromEngine(error.code(), error.what());
    } catch (const std::bad_alloc&) {
        return {503, "ServiceUnavailableError", "the server's memory is used up"};
    } catch (const std::exception&) {
        return {500, "InternalServerError", "internal error"};
    }
}

}  // namespace step3::serving::http
