#include "app/cli/serve_keys.h"

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <sstream>

#include <netdb.h>
#include <netinet/in.h>
#include <sys/stat.h>

#include "app/cli/command.h"
#include "engine/error.h"

namespace step3::cli {

namespace fs = std::filesystem;

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

std::vector<std::string> readKeyFile(const fs::path& file, const std::string& name) {
    std::ifstream stream(file);
    if (!stream || fs::is_directory(file)) {
        throw Error(ErrorCode::kIo,
                    file.string() + ": cannot be read; --api-key-file takes a file with one key a line");
    }
    struct stat status {};
    if (::stat(file.c_str(), &status) == 0 && S_ISREG(status.st_mode) && (status.st_mode & (S_IRGRP | S_IROTH)) != 0) {
        printWarning(name, file.string() + ": other users can read the keys; chmod 600 keeps them to you");
    }
    std::vector<std::string> keys;
    for (std::string line; std::getline(stream, line);) {
        while (!line.empty() && (line.back() == '\r' || line.back() == ' ' || line.back() == '\t')) line.pop_back();
        if (!line.empty() && line.front() != '#') keys.push_back(line);
    }
    if (keys.empty()) throw Error(ErrorCode::kInvalidData, file.string() + ": expected one key a line, found none");
    return keys;
}

std::vector<std::string> keysOf(const char* variable) {
    const char* value = std::getenv(variable);
    if (value == nullptr) return {};
    std::string list = value;
    std::replace(list.begin(), list.end(), ',', ' ');
    std::istringstream words(list);
    std::vector<std::string> keys;
    for (std::string key; words >> key;) keys.push_back(key);
    return keys;
}

}  // namespace step3::cli
