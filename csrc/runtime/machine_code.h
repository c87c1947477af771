// Instructions made at run time, in memory that is never writable and executable at once.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace pynn {

class MachineCode {
 public:
  MachineCode() = default;
  // Empty where the system does not let a process make code.
  explicit MachineCode(std::span<const std::uint8_t> bytes);

  explicit operator bool() const { return start_ != nullptr; }
  template <class F>
  F* as() const {
    return reinterpret_cast<F*>(start_.get());
  }

 private:
  std::shared_ptr<char> start_;  // shares the ownership of its block
};

// What this thread makes while a batch lives, lies in common blocks: changing what may be done with
// memory costs more than a piece of code. It can be run once the batch is sealed.
class CodeBatch {
 public:
  CodeBatch();
  ~CodeBatch();
  CodeBatch(const CodeBatch&) = delete;
  CodeBatch& operator=(const CodeBatch&) = delete;

  // False where the system refuses: then nothing of the batch can be run, and from here on code is
  // empty.
  bool seal();

 private:
  friend class MachineCode;
  struct Block {
    std::shared_ptr<char> memory;
    std::size_t bytes, used = 0;
  };
  std::shared_ptr<char> add(std::span<const std::uint8_t> bytes);

  std::vector<Block> blocks_;
  CodeBatch* outer_;
};

}  // namespace pynn
