#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

#include <sys/resource.h>
#include <unistd.h>

#include "engine/metrics/http_metrics.h"

namespace step3::metrics {

namespace {

double secondsOf(const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) * 1e-6;
}

/// When this process began, in Unix time; 0 if /proc does not tell.
double startTime() {
    std::ifstream self("/proc/self/stat");
    std::ifstream machine("/proc/stat");
    std::string text;
    std::getline(self, text);
    // The program's name, in brackets, may hold anything. After it come the fields from the third on.
    std::istringstream fields(text.substr(std::min(text.size(), text.rfind(')') + 1)));
    constexpr int kStart = 22;
    std::string field;
    for (int i = 3; i <= kStart; ++i) fields >> field;
    double boot = 0;
    for (std::string name; machine >> name && name != "btime";) machine.ignore(1 << 16, '\n');
    machine >> boot;
    if (!fields || boot <= 0) return 0;
    return boot + std::stod(field) / static_cast<double>(::sysconf(_SC_CLK_TCK));
}

double openFiles() {
    std::error_code error;
    double count = 0;
    for (std::filesystem::directory_iterator files("/proc/self/fd", error), end; !error && files != end;
         files.increment(error)) {
        ++count;
    }
    return count;
}

}  // namespace

void writeProcessMetrics(PrometheusWriter& out) {
    const auto gauge = [&](const char* name, const char* help, double value) {
        out.family(name, "gauge", help);
        out.sample(name, {}, value);
    };
    std::ifstream statm("/proc/self/statm");
    double pages = 0;
    double resident = 0;
    if (statm >> pages >> resident) {
        const auto pageBytes = static_cast<double>(::sysconf(_SC_PAGESIZE));
        gauge("process_virtual_memory_bytes", "Address space in use.", pages * pageBytes);
        gauge("process_resident_memory_bytes", "Memory in use.", resident * pageBytes);
    }
    static const double kStarted = startTime();
    if (kStarted > 0) gauge("process_start_time_seconds", "When the process began, in Unix time.", kStarted);
    rusage usage{};
    if (::getrusage(RUSAGE_SELF, &usage) == 0) {
        out.family("process_cpu_seconds_total", "counter", "CPU time spent, the system's part included.");
        out.sample("process_cpu_seconds_total", {}, secondsOf(usage.ru_utime) + secondsOf(usage.ru_stime));
    }
    gauge("process_open_fds", "Open files and sockets.", openFiles());
    rlimit files{};
    if (::getrlimit(RLIMIT_NOFILE, &files) == 0) {
        gauge("process_max_fds", "The most that may be open.", static_cast<double>(files.rlim_cur));
    }
}

}  // namespace step3::metrics
