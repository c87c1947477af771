// Instructions made at run time, in memory that can be executed and no longer written.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

namespace pynn {

class MachineCode {
 public:
  MachineCode() = default;
  // Empty where the system does not let a process make code.
  explicit MachineCode(std::span<const std::uint8_t> bytes);
  MachineCode(MachineCode&& other) noexcept
      : memory_(std::exchange(other.memory_, nullptr)), bytes_(other.bytes_) {}
  MachineCode& operator=(MachineCode&& other) noexcept {
    std::swap(memory_, other.memory_);
    std::swap(bytes_, other.bytes_);
    return *this;
  }
  ~MachineCode();

  explicit operator bool() const { return memory_ != nullptr; }
  template <class F>
  F* as() const {
    return reinterpret_cast<F*>(memory_);
  }

 private:
  void* memory_ = nullptr;
  std::size_t bytes_ = 0;
};

}  // namespace pynn
