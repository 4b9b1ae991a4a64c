#include "app/cli/config_file.h"

#include <algorithm>
#include <fstream>

#include "engine/error.h"

namespace step3::cli {

namespace {

void apply(CLI::App& command, const CLI::ConfigItem& item, const std::string& where) {
    if (item.name == "++") {  // CLI11's mark for the line [name]
        throw Error(ErrorCode::kInvalidData, where + "[" + item.parents.back() + "]: there are no sections");
    }
    std::string name = item.name;
    std::replace(name.begin(), name.end(), '_', '-');
    CLI::Option* option = item.parents.empty() ? command.get_option_no_throw("--" + name) : nullptr;
    if (option == nullptr || name == "config" || name == "help") {
        throw Error(ErrorCode::kInvalidData, where + item.fullname() + ": there is no such setting");
    }
    if (option->count() > 0) return;
    try {
        if (option->get_expected_min() == 0) {
            const bool known = item.inputs.size() == 1 && (item.inputs[0] == "true" || item.inputs[0] == "false");
            if (!known) throw CLI::ValidationError("expected true or false");
            if (item.inputs[0] == "false") return;
            option->add_result("true");
        } else {
            if (const auto found = static_cast<int>(item.inputs.size()); found > option->get_items_expected_max()) {
                throw CLI::ValidationError("expected one value, found " + std::to_string(found));
            }
            option->add_result(item.inputs);
        }
        option->run_callback();
    } catch (const CLI::Error& error) {
        throw Error(ErrorCode::kInvalidData, where + item.fullname() + ": " + error.what());
    }
}

}  // namespace

void applyConfigFile(CLI::App& command, const std::filesystem::path& file) {
    std::ifstream stream(file);
    if (!stream || std::filesystem::is_directory(file)) {
        throw Error(ErrorCode::kIo, file.string() + ": cannot be read; --config takes a file of lines name = value");
    }
    const std::string where = file.string() + ": ";
    std::vector<CLI::ConfigItem> items;
    try {
        items = CLI::ConfigBase().from_config(stream);
    } catch (const CLI::Error& error) {
        throw Error(ErrorCode::kInvalidData, where + error.what());
    }
    for (const CLI::ConfigItem& item : items) apply(command, item, where);
}

}  // namespace step3::cli
