// TLS by certificate files.

#include <cstdio>
#include <filesystem>
#include <fstream>

#include <catch2/catch.hpp>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <unistd.h>

#include "tests/serving/http/running_server.h"

using namespace step3;
using namespace step3::serving::http;
using namespace step3::serving::http::testing;

namespace {

/// A key and a certificate that it signed itself, as files.
struct Certificate {
    explicit Certificate(const std::string& name)
        : folder(std::filesystem::temp_directory_path() / ("step3-tls-" + std::to_string(::getpid()) + name)),
          certificate(folder / "cert.pem"),
          key(folder / "key.pem") {
        std::filesystem::create_directories(folder);
        const std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> pair(EVP_EC_gen("P-256"), &EVP_PKEY_free);
        const std::unique_ptr<X509, decltype(&X509_free)> x509(X509_new(), &X509_free);
        ASN1_INTEGER_set(X509_get_serialNumber(x509.get()), 1);
        X509_gmtime_adj(X509_getm_notBefore(x509.get()), 0);
        X509_gmtime_adj(X509_getm_notAfter(x509.get()), 3600);
        X509_set_pubkey(x509.get(), pair.get());
        X509_sign(x509.get(), pair.get(), EVP_sha256());
        std::FILE* file = std::fopen(key.c_str(), "w");
        PEM_write_PrivateKey(file, pair.get(), nullptr, nullptr, 0, nullptr, nullptr);
        std::fclose(file);
        file = std::fopen(certificate.c_str(), "w");
        PEM_write_X509(file, x509.get());
        std::fclose(file);
    }
    ~Certificate() { std::filesystem::remove_all(folder); }
    std::filesystem::path folder, certificate, key;
};

}  // namespace

TEST_CASE("over TLS everything is as without") {
    const Certificate files("a");
    ServerOptions options;
    options.certificate = files.certificate;
    options.privateKey = files.key;
    RunningServer running(options);
    CHECK(running.server().url().substr(0, 8) == "https://");
    auto client = running.connect(true);
    client.get("/version");
    CHECK(client.read().status == 200);
    client.post(kChat, kHelloStream);
    CHECK(sseData(client.read().body).back() == "[DONE]");
    // Larger than a TLS record, both ways.
    running.engine.setScript(answer({std::string(300'000, 'y')}));
    client.post(kChat, R"({"messages":[{"role":"user","content":")" + std::string(300'000, 'x') + "\"}]}");
    CHECK(client.read().json()["choices"][0]["message"]["content"].get<std::string>().size() == 300'000);
    client.get("/version", "Connection: close\r\n");
    CHECK(client.read().status == 200);
    CHECK(client.ended());
    running.engine.setScript(silent());
    {
        auto leaving = running.connect(true);
        leaving.post(kChat, kHelloStream);
        running.engine.call(2);
    }
    CHECK(running.engine.waitForCancels(1));
}

TEST_CASE("who does not speak TLS to a server that does gets nothing") {
    const Certificate files("b");
    ServerOptions options;
    options.certificate = files.certificate;
    options.privateKey = files.key;
    options.limits.header = std::chrono::milliseconds(200);
    const RunningServer running(options);
    auto plain = running.connect();
    plain.get("/version");
    CHECK(plain.ended());
    auto dumb = running.connect();
    CHECK(dumb.ended());
}

TEST_CASE("bad certificate files are named") {
    const Certificate files("c");
    const Certificate other("d");
    ServerOptions options;
    options.certificate = files.certificate;
    CHECK_THROWS_WITH(RunningServer(options), "TLS needs both a certificate and its private key, found only one");
    options.privateKey = files.folder / "none.pem";
    CHECK_THROWS_WITH(RunningServer(options), Catch::Contains("none.pem: expected the private key of"));
    options.privateKey = other.key;
    CHECK_THROWS_WITH(RunningServer(options), Catch::Contains("key.pem: expected the private key of"));
    options.privateKey = files.key;
    std::ofstream(files.certificate) << "no certificate";
    CHECK_THROWS_WITH(RunningServer(options), Catch::Contains("cert.pem: expected a certificate in PEM form"));
}
