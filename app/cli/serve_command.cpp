#include "app/cli/serve_command.h"

#include <exception>
#include <filesystem>
#include <iostream>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <sys/resource.h>

#include "app/cli/command.h"
#include "app/cli/config_file.h"
#include "app/cli/draft_choice.h"
#include "app/cli/kv_choice.h"
#include "app/cli/open_model.h"
#include "app/cli/serve_keys.h"
#include "app/cli/weight_choice.h"
#include "engine/serving/http/server.h"

namespace step3::cli {

namespace {

namespace fs = std::filesystem;

constexpr const char* kName = "step3 serve";
constexpr const char* kKeyVariable = "STEP3_API_KEY";
constexpr std::size_t kFilesBesideConnections = 64;

struct ServeOptions {
    fs::path config;
    OpenOptions open;
    DraftChoice draft;
    serving::http::ServerOptions server;
    std::vector<std::string> keys;
    fs::path keyFile;
    bool noKey = false;
    WeightChoice weights;
    KvChoice kv;
    std::uint64_t bodyMegabytes = 32;
    std::int64_t graceSeconds = 10, idleSeconds = 60;
};

std::vector<std::string> collectKeys(const ServeOptions& options) {
    if (options.noKey && !(options.keyFile.empty() && options.keys.empty()))
        throw UsageError("--no-api-key and --api-key or --api-key-file exclude each other");
    if (!options.keyFile.empty() && !options.keys.empty())  // one of them may stand in the file of options
        throw UsageError("--api-key and --api-key-file exclude each other");
    if (options.noKey) return {};
    if (!options.keys.empty()) {
        printWarning(kName, std::string("a key on the command line is visible in the process list; use ") +
                                kKeyVariable + " or --api-key-file");
        return options.keys;
    }
    return options.keyFile.empty() ? keysOf(kKeyVariable) : readKeyFile(options.keyFile, kName);
}

/// Every connection is an open file: asks for as many as the limits of this process allow.
void allowOpenFiles(std::size_t connections) {
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
    const rlim_t wanted = connections + kFilesBesideConnections;
    if (limit.rlim_cur >= wanted) return;
    limit.rlim_cur = std::min<rlim_t>(wanted, limit.rlim_max);
    ::setrlimit(RLIMIT_NOFILE, &limit);
}

void complete(ServeOptions& options) {
    serving::http::ServerOptions& server = options.server;
    options.open.model = modelFolder(options.open.model);
    options.open.draft = options.draft.options();
    options.open.weights = options.weights.options();
    options.open.kvMemoryBytes = options.kv.memoryBytes();
    options.open.kvFormat = options.kv.kvFormat();
    options.open.prefixCache = !options.kv.noPrefixCache;
    server.limits.bodyBytes = options.bodyMegabytes << 20U;
    server.limits.stopGrace = std::chrono::seconds(options.graceSeconds);
    server.limits.idle = std::chrono::seconds(options.idleSeconds);
    server.apiKeys = collectKeys(options);
    server.handleSignals = true;
    server.log = [](const std::string& line) { std::cerr << line + "\n"; };
    if (!server.apiKeys.empty() || onlyThisMachine(server.host)) return;
    if (!options.noKey) {
        throw UsageError("--host " + server.host + " can be reached from other machines and there is no API key; set " +
                         kKeyVariable + " or --api-key-file, or let everybody in with --no-api-key");
    }
    printWarning(kName, "everybody who reaches " + server.host + " can use this server: there is no API key");
}

int serve(CLI::App& command, ServeOptions& options) {
    if (!options.config.empty()) applyConfigFile(command, options.config);
    complete(options);
    allowOpenFiles(options.server.limits.connections);

    std::unique_ptr<Engine> engine;  // before the server, which uses it to its end
    serving::http::Server server(options.server);
    std::exception_ptr failed;
    std::jthread loader([&](const std::stop_token& stop) {
        try {
            engine = openModel(options.open, stop);
            server.attach(*engine);
            const std::string& name = options.server.modelName;
            std::cout << "Serving " + (name.empty() ? engine->info().name : name) + " on " + server.url() +
                             "/v1 (Ctrl-C stops)\n"
                      << std::flush;
        } catch (...) {
            failed = std::current_exception();
            server.stop();
        }
    });
    server.run();
    loader.request_stop();
    loader.join();
    try {
        if (failed) std::rethrow_exception(failed);
    } catch (const Error& error) {
        if (error.code() != ErrorCode::kCancelled) throw;
    }
    std::cout << "Stopped\n" << std::flush;
    return kSuccess;
}

void addModelOptions(CLI::App& command, ServeOptions& options) {
    const char* group = "Model";
    OpenOptions& open = options.open;
    command.add_option("--model", open.model, "Model folder (default: the model that ships)")
        ->type_name("DIR")
        ->group(group);
    command.add_option("--name", options.server.modelName, "Name that clients ask for (default: the folder's)")
        ->type_name("NAME")
        ->group(group);
    command.add_option("--threads", open.threads, "CPU threads (default: 0, all there are)")
        ->type_name("N")
        ->check(wholeNumber(0, 4096))
        ->group(group);
    addWeightOptions(command, options.weights, group);
    addKvOptions(command, options.kv, group);
    command.add_option("--max-running", open.maxRunning, "Requests decoded together (default: 32)")
        ->type_name("N")
        ->check(wholeNumber(1, 4096))
        ->group(group);
    command
        .add_option("--max-waiting", open.maxWaiting, "Requests that wait beyond those; more get 503 (default: 256)")
        ->type_name("N")
        ->check(wholeNumber(0, 1'000'000))
        ->group(group);
    command
        .add_option("--prefill-chunk", open.prefillChunk,
                    "Prompt tokens read in one step, fewer while answers go on (default: 256)")
        ->type_name("N")
        ->check(wholeNumber(1, 1'000'000))
        ->group(group);
    addDraftOptions(command, options.draft, group);
}

void addNetworkOptions(CLI::App& command, ServeOptions& options) {
    const char* group = "Network";
    serving::http::ServerOptions& server = options.server;
    command.add_option("--host", server.host, "Address or name to listen on (default: 127.0.0.1, this machine only)")
        ->type_name("HOST")
        ->group(group);
    command.add_option("--port", server.port, "Port (default: 8000); 0 takes a free one and prints it")
        ->type_name("N")
        ->check(wholeNumber(0, 65535))
        ->group(group);
    command
        .add_option("--tls-certificate", server.certificate, "PEM file with the certificate and its chain: HTTPS only")
        ->type_name("FILE")
        ->group(group);
    command.add_option("--tls-key", server.privateKey, "PEM file with the certificate's private key")
        ->type_name("FILE")
        ->group(group);
    command
        .add_option("--allowed-origin", server.allowedOrigins,
                    "Origin whose web pages may use this server, such as https://chat.example, or *; may be repeated "
                    "(default: none)")
        ->type_name("ORIGIN")
        ->group(group);
    command.add_option("--max-connections", server.limits.connections, "Connections at once (default: 2048)")
        ->type_name("N")
        ->check(wholeNumber(1, 1'000'000))
        ->group(group);
    command.add_option("--idle-timeout", options.idleSeconds, "Seconds a connection may be idle (default: 60)")
        ->type_name("S")
        ->check(wholeNumber(1, 86'400))
        ->group(group);
    command
        .add_option("--stop-grace", options.graceSeconds,
                    "Seconds that answers may go on for after a signal to stop (default: 10)")
        ->type_name("S")
        ->check(wholeNumber(0, 86'400))
        ->group(group);
}

void addRequestOptions(CLI::App& command, ServeOptions& options) {
    const char* group = "Requests";
    serving::http::ServerOptions& server = options.server;
    auto* file =
        command.add_option("--api-key-file", options.keyFile, "File with the keys that clients may show, one a line");
    file->type_name("FILE")->group(group);
    command
        .add_option("--api-key", options.keys,
                    "Such keys themselves, one or more; other users of the machine can see them")
        ->type_name("KEY")
        ->excludes(file)
        ->group(group);
    command.add_flag("--no-api-key", options.noKey, "Let everybody in who reaches the server")
        ->excludes(file)
        ->group(group);
    command.add_option("--max-body", options.bodyMegabytes, "MiB of one request, pictures included (default: 32)")
        ->type_name("MIB")
        ->check(wholeNumber(1, 4096))
        ->group(group);
    command.add_option("--max-images", server.pictures.maxPictures, "Pictures in one request (default: 64)")
        ->type_name("N")
        ->check(wholeNumber(0, 4096))
        ->group(group);
    command.add_option("--max-image-tokens", options.open.maxImageTokens, "Tokens of one picture (default: 8192)")
        ->type_name("N")
        ->check(wholeNumber(1, 1'000'000))
        ->group(group);
    command
        .add_flag("--fetch-images", server.pictures.fetch.enabled,
                  "Get pictures that requests name by http(s) URL, from public addresses only")
        ->group(group);
    command
        .add_option("--fetch-host", server.pictures.fetch.hosts,
                    "Host that pictures may come from; may be repeated (default: any)")
        ->type_name("HOST")
        ->group(group);
    command
        .add_flag("--expert-metrics", server.expertMetrics,
                  "Count at /metrics the tokens of each expert of each layer: as many series as experts")
        ->group(group);
    command
        .add_flag("--log-prompts", server.logPrompts,
                  "Write what is asked into the log, the first 8 KiB of each request")
        ->group(group);
}

constexpr const char* kManual = R"(
Answers over HTTP in the forms of the OpenAI API, so that its clients work unchanged:
  client = openai.OpenAI(base_url="http://127.0.0.1:8000/v1", api_key="none")

Routes
  POST /v1/chat/completions  answers a conversation with text, pictures and tools
  POST /v1/completions       goes on with a text
  POST /v1/responses         the same in the form of the Responses API; nothing is stored
  GET  /v1/models            the model that is served
  POST /tokenize, /detokenize
  GET  /health, /ready       200 once the model is loaded, else 503
  GET  /metrics              counters for Prometheus, with vLLM's names
  GET  /v1/step3/stats       the same reading as JSON, with exact times per token
  GET  /version, /load, /openapi.json (every field of every route)

Keys
  With keys, requests to /v1 need "Authorization: Bearer KEY". Keys come from --api-key-file or
  the environment variable STEP3_API_KEY (several apart by commas); on the command line other
  users would see them. An address that other machines reach needs keys or --no-api-key.

Configuration file
  Every option can stand in a file: its name without the dashes, "=" and its value; the command
  line goes before it.
    port = 9000
    allowed-origin = ["https://chat.example"]
    log-prompts = false

Log
  Standard error gets a line of JSON for each request: id, route, status, times, tokens; nothing of
  what was said unless --log-prompts is set.

Stopping
  On SIGTERM or Ctrl-C no new requests are taken and answers may go on for the time of grace; until
  they have ended /health and new requests get 503. A second signal ends them.
  Exit status: 0 stopped, 1 failed, 2 wrong usage.)";

}  // namespace

void addServeCommand(CLI::App& app, int& exitCode) {
    const auto options = std::make_shared<ServeOptions>();
    CLI::App* command = app.add_subcommand("serve", "Answer over HTTP as an OpenAI-compatible server");
    command->add_option("--config", options->config, "File with any of these options")->type_name("FILE");
    addModelOptions(*command, *options);
    addNetworkOptions(*command, *options);
    addRequestOptions(*command, *options);
    command->footer(kManual);
    command->callback(
        [command, options, &exitCode] { exitCode = runGuarded(kName, [&] { return serve(*command, *options); }); });
}

}  // namespace step3::cli
