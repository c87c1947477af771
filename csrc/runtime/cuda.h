// The CUDA devices of this machine, as any build may ask for them: a build without CUDA sees none.
#pragma once

#include <cstddef>
#include <string>

namespace pynn::cuda {

// Whether this build was made with CUDA (PYNN_CUDA in CMakeLists.txt).
bool built();

// 0 also where there is no driver, or one too old. The first call initialises the driver, which
// does not survive a fork.
int device_count();

struct Device {
  std::string name;
  std::size_t memory;  // bytes
  int major, minor;    // compute capability
};
// Throws RuntimeError in a build without CUDA, IndexError where there is no such device.
Device device(int index);

}  // namespace pynn::cuda
