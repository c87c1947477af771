// Executable: a program that has been cut to what its outputs need, fused, laid out in one arena
// and bound to kernels. Replaying it computes and nothing else.
#pragma once

#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "program/program.h"

namespace pynn {

// Rows [begin, begin + count) of the batch whose axes `row_steps` gave for a program; else all. In
// a loop `run` says at which of their rows the slots are that have row_bytes.
struct BatchRows {
  std::vector<int> axes;
  std::int64_t begin = 0, count = 0;
  const std::int64_t* run = nullptr;
};

class Executable {
 public:
  // What may be assumed of captures: that they change between replays and are stored to, or that
  // nobody ever writes to them.
  enum class Captures : std::uint8_t { variable, constant };

  // Compiles `program`. `outputs` are kept; steps that neither an output nor a store needs are
  // dropped. With `rows`, these are all that is computed, and inputs and outputs are their parts.
  explicit Executable(Program program, Captures captures = Captures::variable, BatchRows rows = {});
  ~Executable();
  Executable(const Executable&) = delete;
  Executable& operator=(const Executable&) = delete;

  // Where replay reads input i and leaves output i: contiguous memory in the arena.
  const View& input(std::size_t i) const;
  const View& output(std::size_t i) const;
  std::size_t input_count() const;
  std::size_t output_count() const;

  // Whether replays can read input i outside the arena: it is large, and chains alone read it.
  bool reads_anywhere(std::size_t i) const;
  // From here on they read it at `data`, where its values lie in order; null: in the arena again.
  // False, and nothing done, where they cannot, or would change what lies there.
  bool read_at(std::size_t i, const void* data);

  // What a replay changes outside the arena.
  const std::vector<View>& written() const;

  // Replays the steps on this thread and the pool. One replay at a time: `lock` guards it. The same
  // state draws the same random numbers.
  void run(const RunState& state);
  std::mutex& lock() { return lock_; }

  // The program as the passes left it. Another executable of it has an arena of its own: the two
  // can run at the same time.
  const Program& program() const;

  // Whether a replay runs outside code, in the float mode that its process chose.
  bool calls_out() const;

  std::size_t arena_bytes() const;
  std::size_t step_count() const;                    // launches per replay
  const std::vector<std::string>& launches() const;  // a line for each, for people and tests

  // Replays and adds the seconds that each launch took.
  void profile(const RunState& state, std::vector<double>& seconds);

 private:
  struct Plan;
  std::unique_ptr<Plan> plan_;
  std::mutex lock_;
};

}  // namespace pynn
