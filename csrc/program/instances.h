// Bodies compiled: bound to memory, and kept for the next time.
#pragma once

#include <memory>
#include <mutex>
#include <span>
#include <utility>
#include <vector>

#include "ops/body.h"
#include "program/executable.h"

namespace pynn {

// The program with those of its inputs as captures that have memory in `bound`.
Program with_memory(Program program, std::span<const View> bound);

// A program bound to memory outside for some of its inputs.
class BodyInstance : public Body::Instance {
 public:
  explicit BodyInstance(Program program, BatchRows rows = {})
      : executable_(std::move(program), Executable::Captures::variable, std::move(rows)) {}
  const View& input(std::size_t i) const override { return executable_.input(i); }
  const View& output(std::size_t i) const override { return executable_.output(i); }
  void run(const RunState& state) override { executable_.run(state); }
  const Program& program() const { return executable_.program(); }

 private:
  Executable executable_;
};

// What a body that runs at once keeps for the next time.
class Instances : public std::enable_shared_from_this<Instances> {
 public:
  // An instance bound as `bound` says. When nobody holds it any more it is idle.
  std::shared_ptr<BodyInstance> lend(const Program& program, std::span<const View> bound);

 private:
  using Key = std::vector<const void*>;  // where the inputs lie that are read in place
  std::unique_ptr<BodyInstance> take(const Key& key);
  void keep(const Key& key, std::unique_ptr<BodyInstance> instance);

  std::mutex mutex_;
  std::vector<std::pair<Key, std::unique_ptr<BodyInstance>>> idle_;  // the last used last
};

}  // namespace pynn
