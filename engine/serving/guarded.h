#pragma once

#include <exception>
#include <new>
#include <string>

#include "engine/error.h"

namespace step3::serving {

/// Runs `body` and hands whatever it throws to `onError(code, message)`.
template <typename Body, typename OnError>
bool guarded(const Body& body, const OnError& onError) {
    try {
        body();
        return true;
    } catch (const Error& error) {
        onError(error.code(), error.what());
    } catch (const std::bad_alloc&) {
        onError(ErrorCode::kResourceExhausted, std::string("out of memory"));
    } catch (const std::exception& error) {
        onError(ErrorCode::kInternal, error.what());
    }
    return false;
}

}  // namespace step3::serving
