// GradientTape: remembers the op calls of its thread, computed or recorded, as far as values that
// it follows enter them, and walks them backwards.
#pragma once

#include <atomic>
#include <memory>
#include <thread>
#include <unordered_map>

#include "program/backward.h"

namespace pynn {

class GradientTape : public std::enable_shared_from_this<GradientTape> {
 public:
  // With `follows_variables` trainable variables are followed as soon as an op reads them.
  explicit GradientTape(bool follows_variables) : follows_variables_(follows_variables) {}
  ~GradientTape();
  GradientTape(const GradientTape&) = delete;
  GradientTape& operator=(const GradientTape&) = delete;

  // Between start and stop ops of this thread are remembered: those of the recording that was
  // active at the start, or, where none was, those that are computed at once.
  void start();
  void stop();
  bool running() const { return running_; }

  // Follows a floating-point tensor that has an id.
  void watch(const Tensor& x);
  // The trainable variables that ops have read, in order.
  const std::vector<ValueId>& variables() const { return variables_; }

  // d(sum of targets times seeds)/d(each source), computed by ops that other tapes see, and this
  // one if it runs. Undefined for a source that no target depends on; an undefined seed is 1.
  std::vector<Tensor> gradient(std::span<const Tensor> targets, std::span<const Tensor> seeds,
                               std::span<const Tensor> sources);

  // Forgets everything and lets go of the memory.
  void clear();

  // Whether some tape remembers what this thread does now.
  static bool active();
  // Which of these values such a tape follows. A concrete one that has no id, being a copy from
  // before somebody watched it, gets it here.
  static std::vector<char> followed(std::span<Tensor> values);
  // Keeps old values for this thread's tapes where `memory` is about to be overwritten.
  static void before_store(const View& memory);

 private:
  class Calls;

  static void observe(const Op& op, const Attrs& attrs, std::span<const Tensor> inputs,
                      std::span<Tensor> outputs);
  bool follows(const Recorder* recorder) const { return running_ && recorder_ == recorder; }
  NodeId node(const Tensor& x);  // negative: not followed
  NodeId add_node(const Tensor& x);
  void recognize(Tensor& x) const;
  void remember(const Op& op, const Attrs& attrs, std::span<const Tensor> inputs,
                std::span<Tensor> outputs);
  void keep_values(const View& memory);

  bool follows_variables_;
  std::atomic<bool> running_{false};    // another thread may stop it, as the garbage collector does
  const Recorder* recorder_ = nullptr;  // of the recording that it follows
  std::thread::id thread_;              // that started it last
  std::vector<Call> calls_;
  std::unordered_map<ValueId, NodeId> nodes_;
  std::vector<Tensor> watched_;
  std::vector<ValueId> variables_;
};

}  // namespace pynn
