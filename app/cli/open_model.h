#pragma once

#include <filesystem>
#include <memory>
#include <stop_token>
#include <string>

#include "engine/engine.h"

namespace step3::cli {

/// The folder to open: `asked`, or the shipped model if it is empty. Throws Error kNotFound if there is none.
std::filesystem::path modelFolder(const std::filesystem::path& asked);

/// The model's name: that of its folder.
std::string folderName(const std::filesystem::path& folder);

/// Opens the engine; on a terminal a line on standard error shows how far it is and is gone afterwards. Throws Error;
/// kCancelled if `stop` is requested.
std::unique_ptr<Engine> openModel(const OpenOptions& options, std::stop_token stop = {});

}  // namespace step3::cli
