#include "runtime/machine_code.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cstring>

namespace pynn {

MachineCode::MachineCode(std::span<const std::uint8_t> bytes) {
  static const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  bytes_ = (bytes.size() + page - 1) / page * page;
  void* const memory =
      mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return;
  std::memcpy(memory, bytes.data(), bytes.size());
  if (mprotect(memory, bytes_, PROT_READ | PROT_EXEC) == 0)
    memory_ = memory;
  else
    munmap(memory, bytes_);
}

MachineCode::~MachineCode() {
  if (memory_ != nullptr) munmap(memory_, bytes_);
}

}  // namespace pynn
