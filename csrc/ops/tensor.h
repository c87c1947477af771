// Tensor: what op functions take and return. Either concrete (an Array) or symbolic (a slot of the
// program being recorded on this thread).
#pragma once

#include <span>
#include <vector>

#include "runtime/array.h"

namespace pynn {

struct Op;
struct Attrs;
class Recorder;

using SlotId = std::int32_t;
// Names a value for the tapes that follow it, whoever holds it. 0: nothing follows it.
using ValueId = std::uint64_t;
ValueId new_value_id();

struct TensorType {
  DType dtype;
  Shape shape;
  bool operator==(const TensorType&) const = default;
};

class Tensor {
 public:
  Tensor() = default;
  Tensor(Array array)  // NOLINT: an array is a concrete tensor
      : type_{array.dtype, array.shape}, array_(std::move(array)) {}
  Tensor(std::shared_ptr<Recorder> recorder, SlotId slot, TensorType type)
      : type_(std::move(type)), recorder_(std::move(recorder)), slot_(slot) {}

  bool defined() const { return symbolic() || array_.owner != nullptr; }
  bool symbolic() const { return recorder_ != nullptr; }
  const TensorType& type() const { return type_; }
  DType dtype() const { return type_.dtype; }
  const Shape& shape() const { return type_.shape; }
  int rank() const { return type_.shape.rank(); }
  std::int64_t size() const { return element_count(type_.shape); }

  // The values. Throws RuntimeError for a symbolic tensor: it has none while it is being recorded.
  const Array& array() const;
  // Whether the values lie, or will lie, in row-major order.
  bool contiguous() const;
  const std::shared_ptr<Recorder>& recorder() const { return recorder_; }
  SlotId slot() const { return slot_; }

  ValueId id() const { return id_; }
  void identify(ValueId id) { id_ = id; }
  // Whether tapes follow the value unasked: a variable that training changes.
  bool trainable() const { return trainable_; }
  void set_trainable(bool trainable) { trainable_ = trainable; }
  // The same value, seen as what lies in `other`.
  Tensor held_by(const Tensor& other) const {
    Tensor same = other;
    same.id_ = id_;
    same.trainable_ = trainable_;
    return same;
  }

 private:
  TensorType type_{DType::f32, {}};
  Array array_;
  std::shared_ptr<Recorder> recorder_;
  SlotId slot_ = -1;
  bool trainable_ = false;
  ValueId id_ = 0;
};

// What records op calls; program/ implements it.
class Recorder {
 public:
  virtual ~Recorder() = default;
  virtual std::vector<Tensor> record(const Op& op, const Attrs& attrs,
                                     std::span<const Tensor> inputs) = 0;
  // Whether the slot's memory will be in row-major order at replay.
  virtual bool contiguous(const Tensor& x) const = 0;
  // The symbol of a tensor, which for a variable is what it reads as from here on.
  virtual Tensor symbol(const Tensor& x) = 0;
};

// The recorder of this thread, or null outside recordings.
Recorder* active_recorder();
void set_active_recorder(Recorder* recorder);

// While one lives, ops of this thread run eagerly whatever records.
class Eager {
 public:
  Eager() : recorder_(active_recorder()) { set_active_recorder(nullptr); }
  ~Eager() { set_active_recorder(recorder_); }
  Eager(const Eager&) = delete;
  Eager& operator=(const Eager&) = delete;

 private:
  Recorder* recorder_;
};

// Told of every op that this thread has computed or recorded; may identify the outputs. Null, as at
// first, outside tapes.
using Observer = void (*)(const Op& op, const Attrs& attrs, std::span<const Tensor> inputs,
                          std::span<Tensor> outputs);
void set_observer(Observer observer);
void observe(const Op& op, const Attrs& attrs, std::span<const Tensor> inputs,
             std::span<Tensor> outputs);

// While one lives, an eager op of this thread whose result fits `memory` computes into it instead
// of allocating. No operand of the whole computation may lie there. Null: no such memory.
class Destination {
 public:
  explicit Destination(const Array* memory);
  ~Destination();
  Destination(const Destination&) = delete;
  Destination& operator=(const Destination&) = delete;

 private:
  const Array* previous_;
};

// Runs `op` at once, or records it where a recording is active on this thread.
std::vector<Tensor> apply(const Op& op, const Attrs& attrs, std::span<const Tensor> inputs);
Tensor apply1(const Op& op, const Attrs& attrs, std::initializer_list<Tensor> inputs);

}  // namespace pynn
