// What max pooling picks is all that later steps need: the images before a pool
// are not stored, and its gradient stays as sparse as it is.
#include <algorithm>

#include "program/passes.h"

namespace pynn {

namespace {

constexpr std::size_t at(SlotId slot) { return static_cast<std::size_t>(slot); }

class Pooling {
 public:
  explicit Pooling(Program& program) : program_(program) {}

  void run() {
    for (std::size_t i = 0; i < program_.steps.size(); ++i)
      if (program_.steps[i].op->is(kUnpool)) move_behind_reader(i);
    for (std::size_t i = 0; i < program_.steps.size(); ++i)
      if (program_.steps[i].op->is(kUnpool)) feed_readers(program_.steps[i]);
    remove_dead_steps(program_);
    for (Step& step : program_.steps)
      if (step.op->is(kPool)) join_producer(step);
    remove_dead_steps(program_);
  }

 private:
  Slot& slot(SlotId id) { return program_.slots[at(id)]; }

  // The steps that read a slot; an output or a store counts as one that is
  // null.
  std::vector<Step*> readers(SlotId id) {
    std::vector<Step*> found;
    for (Step& step : program_.steps)
      if (std::find(step.inputs.begin(), step.inputs.end(), id) != step.inputs.end())
        found.push_back(&step);
    for (const SlotId out : program_.outputs)
      if (out == id) found.push_back(nullptr);
    for (const Store& store : program_.stores)
      if (store.value == id) found.push_back(nullptr);
    return found;
  }
  Step* pool_of(SlotId winners) {
    const std::int32_t step = slot(winners).step;
    return step < 0 ? nullptr : &program_.steps[static_cast<std::size_t>(step)];
  }

  // f(unpool(dy), x) = unpool(f(dy, pool(x))), where f maps element by element
  // and 0 to 0.
  void move_behind_reader(std::size_t i) {
    Step& unpool = program_.steps[i];
    const SlotId image = unpool.outputs[0];
    const std::vector<Step*> readers = this->readers(image);
    const Step* pool = pool_of(unpool.inputs[1]);
    if (readers.size() != 1 || readers[0] == nullptr || pool == nullptr || !pool->op->is(kPool))
      return;
    Step& map = *readers[0];
    if (!map.op->is(kLinear) || map.inputs[0] != image || map.inputs[1] != pool->inputs[0]) return;
    std::swap(unpool.op, map.op);
    std::swap(unpool.attrs, map.attrs);
    map.inputs = {image, unpool.inputs[1]};
    unpool.inputs[1] = pool->outputs[0];
    Slot& pooled = slot(image);
    pooled.type = slot(unpool.inputs[0]).type;
    pooled.layout = contiguous_view(Slot::origin(), pooled.type.dtype, pooled.type.shape);
  }

  // Sums and products take the winners instead of the image.
  void feed_readers(const Step& unpool) {
    const SlotId image = unpool.outputs[0], values = unpool.inputs[0], winners = unpool.inputs[1];
    const Shape shape = slot(image).type.shape;
    const Step* pool = pool_of(winners);
    if (pool == nullptr || !pool->op->is(kPool)) return;
    for (Step* reader : readers(image)) {
      if (reader == nullptr || std::count(reader->inputs.begin(), reader->inputs.end(), image) != 1)
        continue;
      const auto operand = std::find(reader->inputs.begin(), reader->inputs.end(), image);
      if (reader->op->is(kSum)) {
        const Dims& axes = reader->attrs.dims;  // sorted and next to each other
        if (axes.empty() || (axes[0] == 0 && axes.back() >= shape.rank() - 2)) *operand = values;
      } else if (!reader->op->unpooling.empty() &&
                 reader->op->merge_pool(reader->attrs, pool->attrs, shape)) {
        *operand = values;
        reader->inputs.push_back(winners);
        reader->op = &op(reader->op->unpooling);
      }
    }
  }

  // A product whose result only the pool reads computes the pool itself.
  void join_producer(Step& pool) {
    const SlotId image = pool.inputs[0];
    if (slot(image).step < 0 || slot(image).root != image || readers(image).size() != 1) return;
    const Step& product = program_.steps[static_cast<std::size_t>(slot(image).step)];
    if (product.op->pooled.empty()) return;
    Attrs attrs = product.attrs;
    if (!product.op->merge_pool(attrs, pool.attrs, slot(image).type.shape)) return;
    pool.op = &op(product.op->pooled);
    pool.attrs = attrs;
    pool.inputs = product.inputs;
  }

  Program& program_;
};

}  // namespace

void keep_winners(Program& program) { Pooling(program).run(); }

}  // namespace pynn
