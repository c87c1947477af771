// Which steps keep the rows of a batch apart: those can be run for some rows alone.
#include <algorithm>

#include "program/passes.h"

namespace pynn {

namespace {

constexpr std::size_t at(SlotId slot) { return static_cast<std::size_t>(slot); }
constexpr int kNone = -1, kMixed = -2;  // no axis counts rows; nothing can be said

class RowAxes {
 public:
  RowAxes(const Program& program, std::int64_t rows)
      : program_(program),
        rows_(rows),
        axes_(program.slots.size(), kNone),
        complete_(program.slots.size(), 0) {}

  RowSteps run(std::span<const char> batched) {
    for (std::size_t i = 0; i < program_.inputs.size(); ++i)
      if (batched[i]) axes_[at(program_.inputs[i])] = 0;
    RowSteps found{{}, {}, true};
    for (const Step& step : program_.steps) {
      const int axis = checked(step);
      found.apart.push_back(axis >= 0);
      found.all &= axis != kMixed;
      for (const SlotId out : step.outputs) {
        axes_[at(out)] = axis == kMixed ? after(step, out) : axis;
        complete_[at(out)] = axis == kMixed && !step.op->is(kView);
      }
    }
    found.axes = std::move(axes_);
    return found;
  }

 private:
  const TensorType& type(SlotId slot) const { return program_.slots[at(slot)].type; }
  int axis(SlotId slot) const { return axes_[at(slot)]; }

  int checked(const Step& step) const {
    if ((traits_of(*step.op, step.attrs) & (kRandom | kEffect)) != 0) return kMixed;
    const int axis = of_step(step);
    const bool fits = std::all_of(step.outputs.begin(), step.outputs.end(), [&](SlotId out) {
      const Shape& shape = type(out).shape;
      return axis < 0 || (shape.rank() > axis && shape[axis] == rows_);
    });
    return fits ? axis : kMixed;
  }

  // What a step leaves that mixes rows is complete when it has run, so it can be cut like an input.
  // But a view that does so shows memory of others.
  int after(const Step& step, SlotId out) const {
    if (step.op->is(kView)) return kMixed;
    const Shape& shape = type(out).shape;
    return shape.rank() > 0 && shape[0] == rows_ ? 0 : kNone;
  }

  int of_step(const Step& step) const {
    const bool mixed = std::any_of(step.inputs.begin(), step.inputs.end(),
                                   [&](SlotId in) { return axis(in) == kMixed; });
    if (mixed) return kMixed;
    if (step.op->is(kView)) return of_view(step.outputs[0]);
    const bool any = std::any_of(step.inputs.begin(), step.inputs.end(),
                                 [&](SlotId in) { return axis(in) != kNone; });
    if (!any) return kNone;
    const Op& op = *step.op;
    if (op.is(kPointwise)) return aligned(step);
    if (op.is(kProduct)) return of_product(step);
    // The other rows want memory in order: only leading axes can be cut.
    const bool leading = std::all_of(step.inputs.begin(), step.inputs.end(), [&](SlotId in) {
      return axis(in) == 0 && type(in).shape.rank() > 1;
    });
    const bool apart = op.is(kRowwise) || (op.is(kJoin) && step.attrs.dims[0] != 0) ||
                       (op.is(kPart) && type(step.outputs[0]).shape[0] == rows_) ||
                       (op.is(kSum) && !step.attrs.dims.empty() && step.attrs.dims[0] > 0);
    return leading && apart ? 0 : kMixed;
  }

  // The axis of a view that steps from row to row of its root, if its others stay within a row. Of
  // what is complete, such as partial sums, a view by rows can be cut like an input.
  int of_view(SlotId view) const {
    const Slot& slot = program_.slots[at(view)];
    const Slot& root = program_.slots[at(slot.root)];
    const Shape& shape = slot.layout.shape;
    if (axis(slot.root) == kNone && complete_[at(slot.root)] != 0 && shape.rank() > 1 &&
        shape[0] == rows_)
      return 0;
    if (axis(slot.root) != 0) return axis(slot.root) == kNone ? kNone : kMixed;
    const std::int64_t row = root.layout.strides[0];
    std::int64_t low = slot.offset_bytes() / static_cast<std::int64_t>(item_size(root.type.dtype));
    std::int64_t high = low;
    int found = kMixed;
    for (int i = 0; i < slot.layout.shape.rank(); ++i) {
      const std::int64_t stride = slot.layout.strides[i], extent = slot.layout.shape[i];
      if (stride == row && extent == rows_ && found == kMixed)
        found = i;
      else
        (stride < 0 ? low : high) += (extent - 1) * stride;
    }
    return low >= 0 && high < row ? found : kMixed;
  }

  // Of the result; where an operand has rows they must be the same.
  int aligned(const Step& step) const {
    const int rank = type(step.outputs[0]).shape.rank();
    int found = kNone;
    for (const SlotId in : step.inputs) {
      if (axis(in) == kNone) continue;
      const int here = axis(in) + rank - type(in).shape.rank();
      if (found != kNone && here != found) return kMixed;
      found = here;
    }
    return found;
  }

  // Rows of a matrix times a matrix that all rows share.
  int of_product(const Step& step) const {
    const bool matrices = std::all_of(step.inputs.begin(), step.inputs.begin() + 2,
                                      [&](SlotId in) { return type(in).shape.rank() == 2; });
    const bool shared = std::all_of(step.inputs.begin() + 1, step.inputs.end(),
                                    [&](SlotId in) { return axis(in) == kNone; });
    return matrices && shared && axis(step.inputs[0]) == 0 ? 0 : kMixed;
  }

  const Program& program_;
  std::int64_t rows_;
  std::vector<int> axes_;
  std::vector<char> complete_;  // slots that a step left which mixes rows
};

}  // namespace

RowSteps row_steps(const Program& program, std::int64_t rows, std::span<const char> batched) {
  return RowAxes(program, rows).run(batched);
}

}  // namespace pynn
