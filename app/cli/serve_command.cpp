#include "app/cli/serve_command.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include <netdb.h>
#include <netinet/in.h>
#include <sys/stat.h>

#include "app/cli/command.h"
#include "app/cli/open_model.h"
#include "engine/serving/http/server.h"

namespace step3::cli {

namespace {

namespace fs = std::filesystem;

constexpr const char* kName = "step3 serve";
constexpr const char* kKeyVariable = "STEP3_API_KEY";

struct ServeOptions {
    fs::path model;
    std::string host = "127.0.0.1";
    std::uint16_t port = 8000;
    std::string key;
    fs::path keyFile;
    bool noKey = false;
};

/// True if every address of the name is one that only this machine reaches. A name without an address counts as such:
/// listening on it fails with the better message.
bool onlyThisMachine(const std::string& host) {
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = AI_PASSIVE;
    addrinfo* list = nullptr;
    if (::getaddrinfo(host.c_str(), nullptr, &hints, &list) != 0) return true;
    const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> owner(list, &::freeaddrinfo);
    for (const addrinfo* item = list; item != nullptr; item = item->ai_next) {
        if (item->ai_family == AF_INET) {
            const auto* address = reinterpret_cast<const sockaddr_in*>(item->ai_addr);
            if (ntohl(address->sin_addr.s_addr) >> 24U != 127) return false;
        } else if (item->ai_family == AF_INET6) {
            const auto* address = reinterpret_cast<const sockaddr_in6*>(item->ai_addr);
            const bool mapped = IN6_IS_ADDR_V4MAPPED(&address->sin6_addr) && address->sin6_addr.s6_addr[12] == 127;
            if (!mapped && !IN6_IS_ADDR_LOOPBACK(&address->sin6_addr)) return false;
        }
    }
    return true;
}

/// One key a line; empty lines and lines that begin with # are left out.
std::vector<std::string> readKeyFile(const fs::path& file) {
    std::ifstream stream(file);
    if (!stream || fs::is_directory(file)) {
        throw Error(ErrorCode::kIo,
                    file.string() + ": cannot be read; --api-key-file takes a file with one key a line");
    }
    struct stat status {};
    if (::stat(file.c_str(), &status) == 0 && S_ISREG(status.st_mode) && (status.st_mode & (S_IRGRP | S_IROTH)) != 0) {
        printWarning(kName, file.string() + ": other users can read the keys; chmod 600 keeps them to you");
    }
    std::vector<std::string> keys;
    for (std::string line; std::getline(stream, line);) {
        while (!line.empty() && (line.back() == '\r' || line.back() == ' ' || line.back() == '\t')) line.pop_back();
        if (!line.empty() && line.front() != '#') keys.push_back(line);
    }
    if (keys.empty()) throw Error(ErrorCode::kInvalidData, file.string() + ": expected one key a line, found none");
    return keys;
}

std::vector<std::string> collectKeys(const ServeOptions& options) {
    if (!options.key.empty()) {
        printWarning(kName, std::string("a key on the command line is visible in the process list; use ") +
                                kKeyVariable + " or --api-key-file");
        return {options.key};
    }
    if (!options.keyFile.empty()) return readKeyFile(options.keyFile);
    const char* variable = std::getenv(kKeyVariable);
    if (!options.noKey && variable != nullptr && *variable != '\0') return {variable};
    return {};
}

int serve(const ServeOptions& options) {
    serving::http::ServerOptions server;
    server.host = options.host;
    server.port = options.port;
    server.apiKeys = collectKeys(options);
    server.handleSignals = true;
    server.log = [](const std::string& line) { std::cerr << line + "\n"; };
    if (server.apiKeys.empty() && !onlyThisMachine(options.host)) {
        if (!options.noKey) {
            throw UsageError("--host " + options.host +
                             " can be reached from other machines and there is no API key; set " + kKeyVariable +
                             " or --api-key-file, or let everybody in with --no-api-key");
        }
        printWarning(kName, "everybody who reaches " + options.host + " can use this server: there is no API key");
    }
    OpenOptions open;
    open.model = modelFolder(options.model);
    const auto engine = openModel(open);
    serving::http::Server running(*engine, server);
    std::cout << "Serving " + engine->info().name + " on " + running.url() + "/v1 (Ctrl-C stops)\n" << std::flush;
    running.run();
    std::cout << "Stopped\n" << std::flush;
    return kSuccess;
}

}  // namespace

void addServeCommand(CLI::App& app, int& exitCode) {
    const auto options = std::make_shared<ServeOptions>();
    CLI::App* command = app.add_subcommand("serve", "Answer over HTTP as an OpenAI-compatible server");
    command->add_option("--model", options->model, "Model folder (default: the model that ships)")->type_name("DIR");
    command->add_option("--host", options->host, "Address or name to listen on (default: 127.0.0.1, this machine only)")
        ->type_name("HOST");
    command->add_option("--port", options->port, "Port (default: 8000); 0 takes a free one and prints it")
        ->type_name("N")
        ->check(wholeNumber(0, 65535));
    auto* key = command
                    ->add_option("--api-key", options->key,
                                 "Key that clients must show; better kept in STEP3_API_KEY or a file, where other "
                                 "users of this machine do not see it")
                    ->type_name("KEY");
    auto* file =
        command->add_option("--api-key-file", options->keyFile, "File with keys, one a line")->type_name("FILE");
    auto* none = command->add_flag("--no-api-key", options->noKey, "Let everybody in who reaches the server");
    key->excludes(file);
    key->excludes(none);
    file->excludes(none);
    command->callback([options, &exitCode] { exitCode = runGuarded(kName, [&] { return serve(*options); }); });
}

}  // namespace step3::cli
