#include "runtime/machine_code.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <utility>

namespace pynn {

namespace {

constexpr std::size_t kBlockBytes = 64 * 1024;  // of which only touched pages take memory
constexpr std::size_t kLine = 64;

std::atomic<bool> refused{false};
thread_local CodeBatch* current = nullptr;

}  // namespace

CodeBatch::CodeBatch() : outer_(std::exchange(current, this)) {}
CodeBatch::~CodeBatch() { current = outer_; }

std::shared_ptr<char> CodeBatch::add(std::span<const std::uint8_t> bytes) {
  if (refused.load(std::memory_order_relaxed)) return nullptr;
  if (blocks_.empty() || blocks_.back().bytes - blocks_.back().used < bytes.size()) {
    static const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
    const std::size_t size = (std::max(bytes.size(), kBlockBytes) + page - 1) / page * page;
    void* const memory =
        mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) return nullptr;
    blocks_.push_back({{static_cast<char*>(memory), [size](char* p) { munmap(p, size); }}, size});
  }
  Block& block = blocks_.back();
  std::shared_ptr<char> start(block.memory, block.memory.get() + block.used);
  std::memcpy(start.get(), bytes.data(), bytes.size());
  const std::size_t next = (block.used + bytes.size() + kLine - 1) / kLine * kLine;
  block.used = std::min(next, block.bytes);
  return start;
}

bool CodeBatch::seal() {
  bool sealed = true;
  for (const Block& block : blocks_)
    sealed &= mprotect(block.memory.get(), block.bytes, PROT_READ | PROT_EXEC) == 0;
  blocks_.clear();
  if (!sealed) refused = true;
  return sealed;
}

MachineCode::MachineCode(std::span<const std::uint8_t> bytes) {
  if (current != nullptr) {
    start_ = current->add(bytes);
    return;
  }
  CodeBatch alone;
  start_ = alone.add(bytes);
  if (!alone.seal()) start_.reset();
}

}  // namespace pynn
