// What this CPU has, and how many of its cores this process may use.
#pragma once

#include <array>
#include <string>

namespace pynn {

struct CpuFeatures {
  bool avx2;    // AVX2, FMA, F16C, BMI2 and the operating system saves YMM
  bool avx512;  // AVX-512 F, BW, DQ, VL, CD and the operating system saves ZMM
  bool avx512_bf16;
  bool neon;
};
const CpuFeatures& cpu_features();
const char* cpu_name();

// CPUs granted by the affinity mask, capped by the cgroup (v1 or v2) CPU quota, at least 1.
int available_cpus();

// The CPU that the calling thread runs on right now, -1 where the system doesn't tell.
int current_cpu();
// Keeps the calling thread off one CPU, where its affinity mask has another, and then gives the
// mask back, unless somebody else has changed it since.
class AwayFrom {
 public:
  explicit AwayFrom(int cpu);
  ~AwayFrom();
  AwayFrom(const AwayFrom&) = delete;
  AwayFrom& operator=(const AwayFrom&) = delete;

 private:
  using Mask = std::array<unsigned long, 16>;  // 1024 CPUs: on larger machines nothing happens
  bool moved_ = false;
  Mask before_{}, away_{};
};

namespace detail {
// The tightest CPU quota, in CPUs, on the way from the process's cgroups to the root; infinity
// where there is none. `membership` is the text of /proc/self/cgroup, `mount` is /sys/fs/cgroup.
double cgroup_cpu_quota(const std::string& membership, const std::string& mount);
}  // namespace detail

// The calling thread's floating-point mode: rounding, traps and the treatment of denormals.
unsigned long float_mode();
void set_float_mode(unsigned long mode);

// Sets flush-to-zero and denormals-are-zero for the calling thread and restores what was there.
class FlushDenormals {
 public:
  FlushDenormals();
  ~FlushDenormals() {
    if (sets_) set_float_mode(saved_);
  }
  FlushDenormals(const FlushDenormals&) = delete;
  FlushDenormals& operator=(const FlushDenormals&) = delete;

 private:
  unsigned long saved_;
  bool sets_;
};

}  // namespace pynn
