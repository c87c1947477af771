// Arrays on the device for the tests.
#pragma once

#include "kernels/cuda/table.h"
#include "runtime/cuda/stream.h"
#include "tests/kernels.h"

namespace pynn::test {

inline const kernels::cuda::Table& device_table() { return kernels::cuda::table(); }

inline const cuda::Stream& stream() {
  static const cuda::Stream stream;
  return stream;
}
inline cudaStream_t queue() { return stream().handle(); }

// A copy of host values. Behind them lies a guard that no kernel may touch.
template <class T>
class DeviceArray {
 public:
  explicit DeviceArray(const Array<T>& host)
      : size_(host.size()), memory_(bytes() + kGuard, stream()) {
    Bytes all(bytes() + kGuard, kUntouched);
    if (size_ > 0) std::memcpy(all.data(), host.data(), bytes());
    cuda::copy_to_device(memory_.data(), all.data(), all.size(), stream());
    stream().synchronize();
  }
  explicit DeviceArray(std::size_t n) : DeviceArray(Array<T>(n)) {}

  void* data() const { return memory_.data(); }

  Array<T> fetch() const {
    Bytes all(bytes() + kGuard);
    cuda::copy_to_host(all.data(), memory_.data(), all.size(), stream());
    stream().synchronize();
    CHECK(std::count(all.begin() + static_cast<std::ptrdiff_t>(bytes()), all.end(), kUntouched) ==
          kGuard);
    Array<T> host(size_);
    if (size_ > 0) std::memcpy(host.data(), all.data(), bytes());
    return host;
  }

 private:
  using Bytes = std::vector<unsigned char>;
  static constexpr std::size_t kGuard = 64;
  static constexpr unsigned char kUntouched = 0xa5;

  std::size_t bytes() const { return size_ * sizeof(T); }

  std::size_t size_;
  cuda::DeviceMemory memory_;
};

// kSizes, and some more blocks than one.
inline std::vector<std::size_t> device_sizes() {
  std::vector<std::size_t> sizes(kSizes.begin(), kSizes.end());
  sizes.insert(sizes.end(), {255, 256, 257, 70001});
  return sizes;
}

}  // namespace pynn::test
