// Program: a flat list of steps over typed slots, recorded from tensor expressions.
#pragma once

#include <memory>
#include <span>
#include <unordered_map>
#include <utility>
#include <vector>

#include "ops/op.h"

namespace pynn {

struct Slot {
  TensorType type{DType::f32, {}};
  enum class Role : std::uint8_t { input, capture, value } role = Role::value;
  Array captured;          // capture: the memory that is read (and stored to) in place
  std::int32_t step = -1;  // value: the step that produces it
  // Where the slot lies: `layout` is a view whose address counts from origin(), the start of slot
  // `root`'s memory. Slots that are not views are their own root.
  SlotId root = -1;
  View layout;
  // Of a loop: `captured` is the first of the rows that the slot is read from or computed in, which
  // lie so many bytes apart.
  std::int64_t row_bytes = 0;

  static void* origin() { return reinterpret_cast<void*>(std::uintptr_t{1} << 40); }
  std::int64_t offset_bytes() const {
    return static_cast<const char*>(layout.data) - static_cast<const char*>(origin());
  }
};

struct Step {
  const Op* op;
  Attrs attrs;
  std::vector<SlotId> inputs;
  std::vector<SlotId> outputs;
};

// A store writes a value into a captured array after every step that reads the array's old
// contents.
struct Store {
  SlotId target;
  SlotId value;
};

struct Program {
  std::vector<Slot> slots;
  std::vector<Step> steps;
  std::vector<SlotId> inputs;
  std::vector<SlotId> outputs;
  std::vector<Store> stores;
};

// Records op calls on its thread between construction of a Scope and its end.
class ProgramRecorder : public Recorder, public std::enable_shared_from_this<ProgramRecorder> {
 public:
  // Makes `recorder` the active one of this thread; recordings nest.
  class Scope {
   public:
    explicit Scope(ProgramRecorder& recorder) : previous_(active_recorder()) {
      set_active_recorder(&recorder);
    }
    ~Scope() { set_active_recorder(previous_); }
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;

   private:
    Recorder* previous_;
  };

  enum class Kind : std::uint8_t { program, body, function };
  // A body takes what it uses of the world outside, concrete tensors and those of the recording
  // around it, as more inputs: its closures. A function is a body in which variables may be
  // assigned to, which is left to its caller.
  explicit ProgramRecorder(Kind kind = Kind::program) : kind_(kind) {}
  // Goes on recording `program`, whose first slots the tensors of `origin` name.
  explicit ProgramRecorder(Program program, std::weak_ptr<Recorder> origin = {})
      : program_(std::move(program)), origin_(std::move(origin)) {}

  Tensor input(const TensorType& type);
  const std::vector<Tensor>& closures() const { return closures_; }
  const Program& program() const { return program_; }
  std::vector<Tensor> record(const Op& op, const Attrs& attrs,
                             std::span<const Tensor> inputs) override;
  bool contiguous(const Tensor& x) const override;

  // The symbol of a concrete tensor in this program: its memory is read at every replay. After
  // `assign` the symbol is the assigned value.
  Tensor symbol(const Tensor& x) override;

  // From here on `target` (concrete, contiguous) reads as `value`; at replay it is stored.
  void assign(const Tensor& target, const Tensor& value);
  // What a function has assigned: closures and the values that they are to have after a call.
  std::vector<std::pair<Tensor, Tensor>> assigned();

  // Whether float32 products recorded from here on, and their gradients, round their operands to
  // bfloat16.
  void round_products(bool rounds) { rounds_products_ = rounds; }
  bool rounds_products() const { return rounds_products_; }

  // d(sum of target * seed)/d(each of `sources`), by emitting steps. Sources may be symbolic or
  // captured; one that target does not depend on gives an undefined tensor. An undefined seed is 1.
  std::vector<Tensor> gradient(const Tensor& target, const Tensor& seed,
                               std::span<const Tensor> sources);
  // The same of the sum over several targets.
  std::vector<Tensor> gradient(std::span<const Tensor> targets, std::span<const Tensor> seeds,
                               std::span<const Tensor> sources);

  // Gives step `index` other attributes, with which it has more outputs; returns all of them.
  std::vector<Tensor> extend(std::size_t index, const Attrs& attrs);

  // The program with these outputs, and with what was assigned unless `stores` is false. Each
  // output gets memory of its own.
  Program finish(std::span<const Tensor> outputs, bool stores = true);

  // The step that produced x, or null for inputs and captures.
  const Step* producer(const Tensor& x) const;
  Tensor tensor(SlotId slot);

 private:
  SlotId capture(const Array& array);
  SlotId closure(const Tensor& x);
  SlotId outside(const Tensor& x);  // the slot of what is not computed here, whatever was assigned
  SlotId add_slot(Slot slot);
  bool owns_memory(const Tensor& x) const;  // a computed value that is not a view

  Program program_;
  std::weak_ptr<Recorder> origin_;
  std::unordered_map<const void*, std::vector<SlotId>> captures_;  // by address
  std::unordered_map<SlotId, SlotId> assigned_;  // capture or closure -> its current value
  Kind kind_ = Kind::program;
  std::vector<Tensor> closures_;        // the tensors outside
  std::vector<SlotId> closure_inputs_;  // what they are inside
  std::uint64_t random_steps_ = 0;
  bool rounds_products_ = false;
};

}  // namespace pynn
