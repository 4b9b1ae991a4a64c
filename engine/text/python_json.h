#pragma once

#include <string>

#include "engine/json.h"

namespace step3::text {

/// JSON text as Python's json.dumps writes it: ", " and ": " between items, floats in Python's shortest form. `indent`
/// < 0 means one line.
std::string pythonJson(const Json& value, bool ensureAscii = false, int indent = -1);

/// A float as Python's repr writes it: 1.0, 0.1, 1e+16, inf.
std::string pythonFloat(double value);

}  // namespace step3::text
