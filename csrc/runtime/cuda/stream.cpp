#include "runtime/cuda/stream.h"

#include <cstdint>
#include <limits>
#include <utility>

#include "runtime/cuda/error.h"

namespace pynn::cuda {
namespace {

// By default a pool returns its memory to the driver at every synchronization.
void keep_freed_memory(int device) {
  cudaMemPool_t pool;
  check(cudaDeviceGetDefaultMemPool(&pool, device), "cudaDeviceGetDefaultMemPool");
  auto threshold = std::numeric_limits<std::uint64_t>::max();
  check(cudaMemPoolSetAttribute(pool, cudaMemPoolAttrReleaseThreshold, &threshold),
        "cudaMemPoolSetAttribute");
}

void copy(void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind,
          const Stream& stream) {
  if (bytes == 0) return;
  check(cudaMemcpyAsync(to, from, bytes, kind, stream.handle()), "cudaMemcpyAsync");
}

}  // namespace

OnDevice::OnDevice(int device) {
  check(cudaGetDevice(&previous_), "cudaGetDevice");
  check(cudaSetDevice(device), "cudaSetDevice");
}

OnDevice::~OnDevice() { cudaSetDevice(previous_); }

Stream::Stream(int device) : device_(device) {
  const OnDevice current(device);
  keep_freed_memory(device);
  check(cudaStreamCreateWithFlags(&handle_, cudaStreamNonBlocking), "cudaStreamCreateWithFlags");
}

Stream::~Stream() { cudaStreamDestroy(handle_); }

void Stream::synchronize() const { check(cudaStreamSynchronize(handle_), "cudaStreamSynchronize"); }

DeviceMemory::DeviceMemory(std::size_t bytes, const Stream& stream)
    : bytes_(bytes), stream_(stream.handle()) {
  if (bytes > 0) check(cudaMallocAsync(&data_, bytes, stream_), "cudaMallocAsync");
}

DeviceMemory::~DeviceMemory() {
  if (data_ != nullptr) cudaFreeAsync(data_, stream_);
}

DeviceMemory::DeviceMemory(DeviceMemory&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)),
      bytes_(std::exchange(other.bytes_, 0)),
      stream_(other.stream_) {}

void copy_to_device(void* device, const void* host, std::size_t bytes, const Stream& stream) {
  copy(device, host, bytes, cudaMemcpyHostToDevice, stream);
}

void copy_to_host(void* host, const void* device, std::size_t bytes, const Stream& stream) {
  copy(host, device, bytes, cudaMemcpyDeviceToHost, stream);
}

void copy_on_device(void* to, const void* from, std::size_t bytes, const Stream& stream) {
  copy(to, from, bytes, cudaMemcpyDeviceToDevice, stream);
}

}  // namespace pynn::cuda
