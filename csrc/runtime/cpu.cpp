#include "runtime/cpu.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <limits>
#include <memory>
#include <sstream>
#include <string>
#include <thread>

#if defined(__x86_64__)
#include <cpuid.h>
#include <xmmintrin.h>
#endif
#if defined(__linux__)
#include <sched.h>
#endif

namespace pynn {
namespace {

CpuFeatures detect_features() {
  CpuFeatures f{};
#if defined(__x86_64__)
  // The built-ins also ask XGETBV whether the operating system saves the registers. Not every Clang
  // knows "f16c" there.
  __builtin_cpu_init();
  unsigned eax, ebx, ecx = 0, edx;
  __get_cpuid(1, &eax, &ebx, &ecx, &edx);
  const auto all = [](auto... has) { return (... && static_cast<bool>(has)); };
  f.avx2 = all(__builtin_cpu_supports("avx2"), __builtin_cpu_supports("fma"), ecx & bit_F16C,
               __builtin_cpu_supports("bmi2"));
  f.avx512 = f.avx2 && all(__builtin_cpu_supports("avx512f"), __builtin_cpu_supports("avx512bw"),
                           __builtin_cpu_supports("avx512dq"), __builtin_cpu_supports("avx512vl"),
                           __builtin_cpu_supports("avx512cd"));
  f.avx512_bf16 = f.avx512 && __builtin_cpu_supports("avx512bf16");
#elif defined(__aarch64__)
  f.neon = true;
#endif
  return f;
}

std::string detect_name() {
#if defined(__x86_64__)
  std::array<unsigned, 12> words{};
  bool known = true;
  for (unsigned i = 0; i < 3; ++i) {
    known = known && __get_cpuid(0x80000002u + i, &words[4 * i], &words[4 * i + 1],
                                 &words[4 * i + 2], &words[4 * i + 3]);
  }
  if (known) {
    std::array<char, sizeof(words) + 1> text{};
    std::memcpy(text.data(), words.data(), sizeof(words));
    std::istringstream padded(text.data());
    std::string name;
    for (std::string word; padded >> word;) name += (name.empty() ? "" : " ") + word;
    if (!name.empty()) return name;
  }
  return "x86-64";
#elif defined(__aarch64__)
  return "AArch64";
#else
  return "unknown";
#endif
}

int affinity_cpus() {
#if defined(__linux__)
  // The kernel refuses a mask smaller than its own, which may have more than CPU_SETSIZE bits.
  for (int cpus = CPU_SETSIZE; cpus <= 1 << 20; cpus *= 2) {
    const auto release = [](cpu_set_t* set) { CPU_FREE(set); };
    const std::unique_ptr<cpu_set_t, decltype(release)> set(CPU_ALLOC(cpus), release);
    const std::size_t size = CPU_ALLOC_SIZE(cpus);
    if (set && sched_getaffinity(0, size, set.get()) == 0) return CPU_COUNT_S(size, set.get());
  }
#endif
  return static_cast<int>(std::thread::hardware_concurrency());
}

#if defined(__linux__)
template <class Mask>
bool get_affinity(Mask& mask) {
  return sched_getaffinity(0, sizeof mask, reinterpret_cast<cpu_set_t*>(mask.data())) == 0;
}
template <class Mask>
bool set_affinity(const Mask& mask) {
  return sched_setaffinity(0, sizeof mask, reinterpret_cast<const cpu_set_t*>(mask.data())) == 0;
}
#endif

std::string read_text(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

constexpr double kNoQuota = std::numeric_limits<double>::infinity();

double quota(double microseconds, double period) {
  return microseconds > 0 && period > 0 ? microseconds / period : kNoQuota;
}

// cgroup v2: cpu.max holds "quota period", where the quota may be "max".
double quota_v2(const std::string& folder) {
  std::istringstream text(read_text(folder + "/cpu.max"));
  double microseconds = 0, period = 0;
  return text >> microseconds >> period ? quota(microseconds, period) : kNoQuota;
}

// cgroup v1: two files; a quota of -1 is none.
double quota_v1(const std::string& folder) {
  std::istringstream text(read_text(folder + "/cpu.cfs_quota_us") + ' ' +
                          read_text(folder + "/cpu.cfs_period_us"));
  double microseconds = 0, period = 0;
  return text >> microseconds >> period ? quota(microseconds, period) : kNoQuota;
}

// A container may see its own group as the root of the mount while /proc names the host's path, so
// folders that do not exist are passed over on the way up.
double tightest(double (*read)(const std::string&), const std::string& mount, std::string path) {
  double least = kNoQuota;
  for (;;) {
    least = std::min(least, read(mount + path));
    if (path.empty()) return least;
    path.resize(path.rfind('/') == std::string::npos ? 0 : path.rfind('/'));
  }
}

}  // namespace

double detail::cgroup_cpu_quota(const std::string& membership, const std::string& mount) {
  double least = kNoQuota;
  std::istringstream lines(membership);
  for (std::string line; std::getline(lines, line);) {  // hierarchy:controllers:path
    const std::size_t first = line.find(':');
    const std::size_t second = first == std::string::npos ? first : line.find(':', first + 1);
    if (second == std::string::npos) continue;
    std::string controllers = line.substr(first, second - first + 1);
    std::replace(controllers.begin(), controllers.end(), ':', ',');
    const std::string path = line.substr(second + 1);
    if (controllers == ",,") {
      for (const char* at : {"", "/unified"}) {
        least = std::min(least, tightest(quota_v2, mount + at, path));
      }
    } else if (controllers.find(",cpu,") != std::string::npos) {
      for (const char* at : {"/cpu", "/cpu,cpuacct"}) {
        least = std::min(least, tightest(quota_v1, mount + at, path));
      }
    }
  }
  return least;
}

const CpuFeatures& cpu_features() {
  static const CpuFeatures features = detect_features();
  return features;
}

const char* cpu_name() {
  static const std::string name = detect_name();
  return name.c_str();
}

int available_cpus() {
  const int granted = std::max(1, affinity_cpus());
  const double quota = detail::cgroup_cpu_quota(read_text("/proc/self/cgroup"), "/sys/fs/cgroup");
  return quota < granted ? std::max(1, static_cast<int>(std::ceil(quota))) : granted;
}

int current_cpu() {
#if defined(__linux__)
  return sched_getcpu();
#else
  return -1;
#endif
}

AwayFrom::AwayFrom([[maybe_unused]] int cpu) {
#if defined(__linux__)
  constexpr int kBits = std::numeric_limits<unsigned long>::digits;
  if (cpu < 0 || !get_affinity(before_)) return;
  away_ = before_;
  away_[static_cast<std::size_t>(cpu / kBits)] &= ~(1ul << cpu % kBits);
  moved_ = away_ != before_ && set_affinity(away_);  // refuses to leave no CPU at all
#endif
}

AwayFrom::~AwayFrom() {
#if defined(__linux__)
  Mask now{};
  if (moved_ && get_affinity(now) && now == away_) set_affinity(before_);
#endif
}

#if defined(__x86_64__)
constexpr unsigned long kFlush = 0x8000 | 0x0040;  // MXCSR: flush to zero, denormals are zero
constexpr unsigned long kRaised = 0x003f;          // MXCSR: exceptions seen so far, not a mode
unsigned long float_mode() { return _mm_getcsr() & ~kRaised; }
void set_float_mode(unsigned long mode) { _mm_setcsr(static_cast<unsigned>(mode)); }
#elif defined(__aarch64__)
constexpr unsigned long kFlush = 1ul << 24;  // FPCR: FZ
unsigned long float_mode() {
  unsigned long mode;
  asm volatile("mrs %0, fpcr" : "=r"(mode));
  return mode;
}
void set_float_mode(unsigned long mode) { asm volatile("msr fpcr, %0" ::"r"(mode)); }
#else
constexpr unsigned long kFlush = 0;
unsigned long float_mode() { return 0; }
void set_float_mode(unsigned long) {}
#endif

// Setting a mode waits for all that is in flight, and is left out where nothing changes.
FlushDenormals::FlushDenormals() : saved_(float_mode()), sets_((saved_ & kFlush) != kFlush) {
  if (sets_) set_float_mode(saved_ | kFlush);
}

}  // namespace pynn
