// A queue of work for one CUDA device, and memory that is allocated, copied and freed in its order.
#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>

namespace pynn::cuda {

// Makes a device the calling thread's current one, which launches need; goes back at the end.
class OnDevice {
 public:
  explicit OnDevice(int device);
  ~OnDevice();
  OnDevice(const OnDevice&) = delete;
  OnDevice& operator=(const OnDevice&) = delete;

 private:
  int previous_ = 0;
};

class Stream {
 public:
  explicit Stream(int device = 0);
  ~Stream();  // work already queued goes on to its end
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  cudaStream_t handle() const { return handle_; }
  int device() const { return device_; }
  // Waits until all queued work is done. An error of that work surfaces here.
  void synchronize() const;

 private:
  int device_;
  cudaStream_t handle_ = nullptr;
};

// Uninitialised memory on the stream's device, from the device's pool, which keeps what is freed:
// after the first round of a loop no allocation reaches the driver. It must not outlive the stream.
class DeviceMemory {
 public:
  DeviceMemory(std::size_t bytes, const Stream& stream);
  ~DeviceMemory();
  DeviceMemory(DeviceMemory&& other) noexcept;
  DeviceMemory& operator=(DeviceMemory&&) = delete;

  void* data() const { return data_; }  // null for 0 bytes
  std::size_t bytes() const { return bytes_; }

 private:
  void* data_ = nullptr;
  std::size_t bytes_;
  cudaStream_t stream_;
};

// Queues a copy. Host memory must stay as it is until the stream was synchronized.
void copy_to_device(void* device, const void* host, std::size_t bytes, const Stream& stream);
void copy_to_host(void* host, const void* device, std::size_t bytes, const Stream& stream);
void copy_on_device(void* to, const void* from, std::size_t bytes, const Stream& stream);

}  // namespace pynn::cuda
