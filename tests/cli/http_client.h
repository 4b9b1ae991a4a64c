#pragma once

#include <map>
#include <string>

namespace step3::test {

struct HttpReply {
    int status = 0;
    std::map<std::string, std::string> headers;  // names in lower case
    std::string body;                            // chunks joined
};

/// One request to 127.0.0.1 on a connection of its own, read to its end. `headers` are whole lines, each with its end.
/// Throws if nothing that looks like HTTP comes back.
HttpReply httpRequest(int port, const std::string& method, const std::string& target, const std::string& headers = {},
                      const std::string& body = {});

/// The port in a line such as "... http://127.0.0.1:8000/v1 ...". Throws if there is none.
int portIn(const std::string& text);

}  // namespace step3::test
