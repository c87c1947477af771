// Runs what needs no device anywhere. Where there is none, the exit status says that the rest was
// skipped (CMakeLists.txt tells ctest).
#define DOCTEST_CONFIG_IMPLEMENT
#include <doctest/doctest.h>

#include <cstdio>

#include "runtime/cuda.h"

int main(int argc, char** argv) {
  constexpr int kSkipped = 77;
  doctest::Context context(argc, argv);
  const bool device = pynn::cuda::device_count() > 0;
  if (!device) context.addFilter("test-suite-exclude", "device");
  const int status = context.run();
  if (status != 0 || context.shouldExit() || device) return status;
  std::puts("skipped: the suite 'device', because there is no CUDA device");
  return kSkipped;
}
