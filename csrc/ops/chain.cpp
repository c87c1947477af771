#include "ops/chain.h"

#include <algorithm>

#include "ops/chain_plan.h"

namespace pynn {

namespace {

using namespace chains;

// bfloat16 values are held as float32 between the nodes of a chain.
DType compute_type(DType d) { return d == DType::bf16 ? DType::f32 : d; }

constexpr std::int64_t kMaxTile = 1024;
constexpr std::int64_t kMinTile = 64;
constexpr std::int64_t kFewElements = 128;  // up to which calls of kernels cost less than stages
constexpr std::int64_t kLongRun = 128;      // inner extent from which runs are tiled one by one

// Drops extents of 1 and joins neighbours that every operand walks as one.
void collapse(Shape& shape, std::vector<Operand>& operands) {
  for (int i = shape.rank() - 1; i >= 0; --i) {
    if (shape[i] != 1) continue;
    shape.erase(i);
    for (Operand& o : operands) o.strides.erase(i);
  }
  for (int i = shape.rank() - 2; i >= 0; --i) {
    const bool joins = std::all_of(operands.begin(), operands.end(), [&](const Operand& o) {
      return o.strides[i] == o.strides[i + 1] * shape[i + 1];
    });
    if (!joins) continue;
    shape[i] *= shape[i + 1];
    shape.erase(i + 1);
    for (Operand& o : operands) o.strides.erase(i);
  }
  if (shape.empty()) {
    shape.push_back(1);
    for (Operand& o : operands) o.strides.push_back(0);
  }
}

// Turns a specification into registers and instructions.
class Builder {
 public:
  explicit Builder(const ChainSpec& spec) : spec_(spec), chain_(std::make_shared<Chain>()) {}

  // `often`: it will run so many times that making code for it pays.
  std::shared_ptr<Chain> build(bool often) {
    lay_out();
    for (std::size_t i = 0; i < spec_.sources.size(); ++i) add_source(i);
    plan_sinks();
    for (std::size_t i = 0; i < spec_.nodes.size(); ++i) add_node(i);
    for (const auto& [value, operand] : late_) store(values_[value], operand);
    const bool few = chain_->elements <= kFewElements;
    if (often && (!few || chain_->one_run)) compile(*chain_);
    if (chain_->loop == nullptr && !few) thread(*chain_);
    place_buffers();
    return chain_;
  }

 private:
  std::size_t value_count() const { return spec_.sources.size() + spec_.nodes.size(); }

  void lay_out() {
    Chain& c = *chain_;
    c.shape = spec_.shape;
    c.elements = element_count(c.shape);
    for (std::size_t i = 0; i < spec_.sources.size(); ++i)
      c.operands.push_back(
          operand(spec_.sources[i], spec_.shifts.empty() ? Shift{} : spec_.shifts[i]));
    for (const ChainSpec::Sink& s : spec_.sinks) c.operands.push_back(operand(s.target, s.shift));
    if (spec_.product < 0) collapse(c.shape, c.operands);
    const Strides flat = contiguous_strides(c.shape);
    for (Operand& o : c.operands) {
      o.scalar = c.elements > 1;
      for (int i = 0; i < c.shape.rank(); ++i) o.scalar &= c.shape[i] == 1 || o.strides[i] == 0;
      for (int i = 0; i < c.shape.rank(); ++i)
        if (c.shape[i] == 1) o.strides[i] = o.scalar ? 0 : flat[i];
      o.flat = o.strides == flat || c.elements <= 1;
    }
    c.one_run = std::all_of(c.operands.begin(), c.operands.end(),
                            [](const Operand& o) { return o.scalar || o.flat; });
    c.by_runs = c.shape.rank() > 1 && (c.shape.back() >= kLongRun || spec_.product >= 0);
    for (std::size_t i = spec_.sources.size(); i < c.operands.size(); ++i)
      if (!c.operands[i].flat && c.operands[i].strides.back() != 1)
        fail<RuntimeError>("a chain cannot write to memory of this layout");
    // A sink that is not flat is written in place run by run.
    for (std::size_t i = spec_.sources.size(); i < c.operands.size(); ++i)
      if (!c.operands[i].flat) c.by_runs = true;
  }

  Operand operand(const View& v, const Shift& shift) const {
    const View b = broadcast_view(v, spec_.shape);
    return {static_cast<char*>(b.data), item_size(v.dtype), b.strides, false, false, shift};
  }

  int add_register(Register::Kind kind, DType dtype, int operand = -1) {
    Chain& c = *chain_;
    if (c.registers.size() == kMaxRegisters) fail<RuntimeError>("a chain holds too many values");
    c.registers.push_back({kind, dtype, 0, operand});
    const int r = static_cast<int>(c.registers.size()) - 1;
    if (kind == Register::Kind::splat) c.constants.push_back(r);
    if (kind == Register::Kind::direct || kind == Register::Kind::gather) c.fills.push_back(r);
    return r;
  }

  void add_source(std::size_t i) {
    const Operand& o = chain_->operands[i];
    const bool direct = o.flat || (chain_->by_runs && o.strides.back() == 1);
    const auto kind = o.scalar ? Register::Kind::splat
                      : direct ? Register::Kind::direct
                               : Register::Kind::gather;
    const DType dtype = spec_.sources[i].dtype;
    if (spec_.product == static_cast<int>(i)) {
      chain_->product = add_register(Register::Kind::block, dtype);
      values_.push_back(chain_->product);
      return;
    }
    int r = add_register(kind, dtype, static_cast<int>(i));
    if (dtype == DType::bf16) r = cast_to(r, DType::f32);
    values_.push_back(r);
  }

  int cast_to(int from, DType to, int out = -1) {
    if (out < 0) out = add_register(Register::Kind::buffer, to);
    const DType held = chain_->registers[static_cast<std::size_t>(from)].dtype;
    chain_->instructions.push_back({kernels::Pointwise::count,
                                    nullptr,
                                    kernels::table().cast[index(to)][index(held)],
                                    {},
                                    out,
                                    1,
                                    {from, from, from}});
    return out;
  }

  // A node may compute straight into its sink, unless a later node still reads a source that lies
  // there.
  void plan_sinks() {
    early_.assign(value_count(), -1);
    for (std::size_t s = 0; s < spec_.sinks.size(); ++s) {
      const ChainSpec::Sink& sink = spec_.sinks[s];
      const auto value = static_cast<std::size_t>(sink.value);
      const int operand = static_cast<int>(spec_.sources.size() + s);
      const bool computed = value >= spec_.sources.size();
      const bool same_type = sink.target.dtype != DType::bf16;
      if (computed && same_type && early_[value] < 0 && !read_later(sink))
        early_[value] = operand;
      else
        late_.emplace_back(value, operand);
    }
  }

  bool read_later(const ChainSpec::Sink& sink) const {
    for (std::size_t i = 0; i < spec_.sources.size(); ++i) {
      if (spec_.sources[i].data != sink.target.data) continue;
      for (std::size_t n = 0; n < spec_.nodes.size(); ++n) {
        if (spec_.sources.size() + n <= static_cast<std::size_t>(sink.value)) continue;
        const auto& in = spec_.nodes[n].inputs;
        const int arity = spec_.nodes[n].op->arity;
        if (std::find(in.begin(), in.begin() + arity, static_cast<int>(i)) != in.begin() + arity)
          return true;
      }
      for (const ChainSpec::Sink& other : spec_.sinks)
        if (other.value == static_cast<int>(i)) return true;
    }
    return false;
  }

  void add_node(std::size_t i) {
    const ChainSpec::Node& node = spec_.nodes[i];
    const std::size_t value = spec_.sources.size() + i;
    const auto in = [&](int k) {
      return values_[static_cast<std::size_t>(node.inputs[static_cast<std::size_t>(k)])];
    };
    const auto out_register = [&](DType dtype) {
      return early_[value] >= 0 ? add_register(Register::Kind::direct, dtype, early_[value])
                                : add_register(Register::Kind::buffer, dtype);
    };
    if (node.op->pointwise == kernels::Pointwise::count) {  // a cast
      const DType to = node.attrs->dtype;
      int from = in(0);
      if (to == DType::bf16) from = cast_to(from, DType::bf16);  // rounds, then is held as float32
      values_.push_back(cast_to(from, compute_type(to), out_register(compute_type(to))));
      return;
    }
    const int last = in(node.op->arity - 1);
    const DType dtype = chain_->registers[static_cast<std::size_t>(last)].dtype;
    const PointwiseFn kernel =
        kernels::table().pointwise[static_cast<std::size_t>(node.op->pointwise)][index(dtype)];
    if (kernel == nullptr)
      fail<TypeError>(node.op->name, " does not take ", name(dtype), " tensors");
    const DType result = node.op->is(kBoolean) ? DType::boolean : dtype;
    const int out = out_register(result);
    chain_->instructions.push_back(
        {node.op->pointwise,
         kernel,
         nullptr,
         node.attrs->reals,
         out,
         node.op->arity,
         {in(0), in(std::min(1, node.op->arity - 1)), in(node.op->arity - 1)}});
    values_.push_back(out);
  }

  void store(int from, int operand) {
    const auto sink = static_cast<std::size_t>(operand) - spec_.sources.size();
    const DType to = spec_.sinks[sink].target.dtype;
    cast_to(from, to, add_register(Register::Kind::direct, to, operand));
  }

  // Buffers are reused once their last reader has run.
  void place_buffers() {
    Chain& c = *chain_;
    std::vector<int> last_use(c.registers.size(), -1);
    for (std::size_t i = 0; i < c.instructions.size(); ++i)
      for (const int r : c.instructions[i].in)
        last_use[static_cast<std::size_t>(r)] = static_cast<int>(i);
    std::size_t slots = 0, widest = 1;
    std::vector<std::size_t> free, slot(c.registers.size());
    const auto take = [&](std::size_t r) {
      widest = std::max(widest, item_size(c.registers[r].dtype));
      if (free.empty()) {
        slot[r] = slots++;
      } else {
        slot[r] = free.back();
        free.pop_back();
      }
    };
    for (std::size_t r = 0; r < c.registers.size(); ++r)
      if (c.registers[r].kind == Register::Kind::splat ||
          c.registers[r].kind == Register::Kind::gather)
        take(r);
    for (std::size_t i = 0; i < c.instructions.size(); ++i) {
      const auto out = static_cast<std::size_t>(c.instructions[i].out);
      if (c.registers[out].kind == Register::Kind::buffer) take(out);
      for (int k = 0; k < 3; ++k) {
        const int r = c.instructions[i].in[static_cast<std::size_t>(k)];
        if (last_use[static_cast<std::size_t>(r)] != static_cast<int>(i)) continue;
        last_use[static_cast<std::size_t>(r)] = -1;
        if (c.registers[static_cast<std::size_t>(r)].kind == Register::Kind::buffer)
          free.push_back(slot[static_cast<std::size_t>(r)]);
      }
    }
    const auto fit =
        static_cast<std::int64_t>(kScratchBytes / (widest * std::max<std::size_t>(slots, 1)));
    c.tile = std::clamp(fit / kMinTile * kMinTile, kMinTile, kMaxTile);
    const auto longest =
        static_cast<std::size_t>(std::min(c.tile, std::max<std::int64_t>(c.elements, 1)));
    const std::size_t block = c.threaded != nullptr ? c.threaded->block : kAlignment / widest;
    // Apart by an odd number of blocks: where the low bits of two addresses agree, a load waits for
    // stores that it does not depend on.
    const std::size_t stride = ((longest + block - 1) / block | 1) * block * widest;
    for (std::size_t r = 0; r < c.registers.size(); ++r) c.registers[r].buffer = slot[r] * stride;
    c.pads = slots * stride;
    c.scratch = c.pads;
    if (c.threaded != nullptr) c.scratch += (c.operands.size() + 1) * block * widest;
    c.tiles_per_run = (c.shape.back() + c.tile - 1) / c.tile;
    c.tiles = c.elements == 0 ? 0
              : c.by_runs     ? c.elements / c.shape.back() * c.tiles_per_run
                              : (c.elements + c.tile - 1) / c.tile;
  }

  const ChainSpec& spec_;
  std::shared_ptr<Chain> chain_;
  std::vector<int> values_;                        // register of each value
  std::vector<int> early_;                         // sink operand a value is computed into, or -1
  std::vector<std::pair<std::size_t, int>> late_;  // values copied to a sink after the last node
};

}  // namespace

Launch prepare_chain(const ChainSpec& spec) {
  std::shared_ptr<Chain> chain = Builder(spec).build(true);
  chain->bind();
  return [chain = std::move(chain)](const RunState&) { chain->launch(); };
}

std::shared_ptr<const BlockConsumer> prepare_consumer(const ChainSpec& spec) {
  std::shared_ptr<Chain> chain = Builder(spec).build(true);
  chain->bind();
  return chain;
}

void run_chain(const ChainSpec& spec) { Builder(spec).build(false)->launch(); }

void copy_view(const View& in, const View& out) {
  ChainSpec spec;
  spec.shape = out.shape;
  spec.sources.push_back(in);
  spec.sinks.push_back({0, out});
  run_chain(spec);
}

}  // namespace pynn
