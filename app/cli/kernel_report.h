#pragma once

#include <string>
#include <vector>

#include "engine/json.h"

namespace step3::cli {

/// `step3 inspect --kernels`: the instruction sets compiled into this program, those this machine runs and the one in
/// use; and for each kernel the sets it has code of its own for and whose code runs here.
Json kernelReportJson();
std::string kernelReportText();

}  // namespace step3::cli
