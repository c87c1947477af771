// Steps that run programs: a condition, a loop over rows.
#include <cstring>
#include <numeric>
#include <utility>

#include "ops/body.h"
#include "ops/ops.h"
#include "runtime/rng.h"
#include "runtime/thread_pool.h"

namespace pynn {

std::uint32_t traits_of(const Op& op, const Attrs& attrs) {
  return op.traits | (attrs.body ? attrs.body->traits() : 0) |
         (attrs.otherwise ? attrs.otherwise->traits() : 0);
}

// The random numbers of a step: a key for each step with programs inside (an odd multiplier of good
// spectrum: Steele, Vigna, 2021). `steps` = {key, run} where a call at once has fixed them.
RunState inner_state(const Attrs& a, const RunState& state) {
  const bool fixed = !a.steps.empty();
  const std::uint64_t key = fixed ? static_cast<std::uint64_t>(a.steps[0]) : state.key;
  const std::uint64_t run = fixed ? static_cast<std::uint64_t>(a.steps[1]) : state.run;
  return {key ^ ((a.stream + 1) * 0xD1342543DE82EF95), run, state.call};
}

void fix_numbers(Attrs& attrs, const Op& row) {
  if (active_recorder() != nullptr || (traits_of(row, attrs) & kRandom) == 0) return;
  const auto [key, stream] = next_stream();
  attrs.steps = {static_cast<std::int64_t>(key), static_cast<std::int64_t>(stream)};
}

void check_inputs(const char* op, const Body& body, std::span<const TensorType> in) {
  const std::vector<TensorType>& expected = body.inputs();
  if (in.size() != expected.size())
    fail<TypeError>(op, ": the program takes ", expected.size(), " tensors, got ", in.size());
  for (std::size_t i = 0; i < in.size(); ++i)
    if (!(in[i] == expected[i]))
      fail<ValueError>(op, ": input ", i, " was recorded as ", name(expected[i].dtype), ' ',
                       expected[i].shape, ", got ", name(in[i].dtype), ' ', in[i].shape);
}

std::vector<char> seeded(const GradientArgs& g) {
  std::vector<char> out;
  for (const Tensor& d : g.doutputs) out.push_back(d.defined());
  return out;
}

namespace {

void copy_bytes(const View& from, const View& to) { std::memcpy(to.data, from.data, to.bytes()); }

std::vector<char> marked(std::size_t count, bool value) { return std::vector<char>(count, value); }

// --- cond: condition, inputs -> outputs

Launch prepare_cond(const Attrs& a, std::span<const View> in, std::span<const View> out) {
  const std::span<const View> inputs = in.subspan(1);
  return [yes = std::shared_ptr(a.body->instance(inputs)),
          no = std::shared_ptr(a.otherwise->instance(inputs)), attrs = a,
          results = std::vector<View>(out.begin(), out.end()),
          condition = in[0].as<const bool>()](const RunState& state) {
    Body::Instance& branch = *condition ? *yes : *no;
    branch.run(inner_state(attrs, state));
    for (std::size_t i = 0; i < results.size(); ++i) copy_bytes(branch.output(i), results[i]);
  };
}

// The gradient's branches compute again what they need.
std::vector<Tensor> gradient_cond(const GradientArgs& g) {
  const std::span<const Tensor> inputs = g.inputs.subspan(1);
  BodyGradientArgs args;
  args.seeded = seeded(g);
  for (std::size_t i = 0; i < inputs.size(); ++i)
    args.wanted.push_back(g.wanted[i + 1] && is_float(inputs[i].dtype()));
  args.shared = inputs.size();

  Attrs attrs = g.attrs;
  attrs.body = g.attrs.body->differentiate(args).backward;
  attrs.otherwise = g.attrs.otherwise->differentiate(args).backward;
  std::vector<Tensor> in{g.inputs[0]};
  for (const Tensor& d : g.doutputs)
    if (d.defined()) in.push_back(d);
  in.insert(in.end(), inputs.begin(), inputs.end());
  const std::vector<Tensor> found = apply(op("cond"), attrs, in);
  std::vector<Tensor> out(g.inputs.size());
  for (std::size_t i = 0, next = 0; i < inputs.size(); ++i)
    if (args.wanted[i]) out[i + 1] = found[next++];
  return out;
}

void add_cond(OpTable& table) {
  Op row;
  row.name = "cond";
  row.traits = kContiguous;
  row.arity = -1;
  row.infer = [](const Attrs& a, std::span<const TensorType> in) {
    if (!(in[0] == TensorType{DType::boolean, {}}))
      fail<TypeError>("cond: the condition must be one bool, got ", name(in[0].dtype), " of shape ",
                      in[0].shape);
    check_inputs("cond", *a.body, in.subspan(1));
    return a.body->outputs();
  };
  row.prepare = prepare_cond;
  row.gradient = gradient_cond;
  table.add(std::move(row));
}

// --- scan: dims = {carries, xs, length, Trips}, flag: from the last row to the first;
// ([count,] carries..., xs..., shared...) -> (carries..., ys...)

// How many of the rows there is a run for: all; those until carry 0, a bool, is false, which carry
// 1 counts; those that the first input counts. The ys of the others are zero.
enum class Trips : std::uint8_t { all, conditional, counted };

struct Counts {
  std::size_t carries, xs, shared_from;
  std::int64_t length;
  Trips trips;
  explicit Counts(const Attrs& a)
      : carries(static_cast<std::size_t>(a.dims[0])),
        xs(static_cast<std::size_t>(a.dims[1])),
        shared_from(carries + xs),
        length(a.dims[2]),
        trips(static_cast<Trips>(a.dims[3])) {}
  // What the body knows of the inputs.
  template <class T>
  std::span<const T> inputs(std::span<const T> all) const {
    return all.subspan(trips == Trips::counted ? 1 : 0);
  }
};

TensorType row_of(const TensorType& stacked) {
  TensorType row = stacked;
  row.shape.erase(0);
  return row;
}

std::vector<TensorType> infer_scan(const Attrs& a, std::span<const TensorType> in) {
  const Counts n(a);
  in = n.inputs(in);
  std::vector<TensorType> rows(in.begin(), in.end());
  for (std::size_t i = n.carries; i < n.shared_from; ++i) rows[i] = row_of(in[i]);
  check_inputs("scan", *a.body, rows);
  std::vector<TensorType> out = a.body->outputs();
  for (std::size_t i = n.carries; i < out.size(); ++i) out[i].shape.insert(0, n.length);
  return out;
}

// A part of a loop, bound to its rows of what the loop reads and writes.
class LoopPart {
 public:
  LoopPart(const Body::Loop::Part& part, const Counts& n, std::span<const View> in,
           std::span<const View> out)
      : body_(*part.body), length_(n.length), run_(part.run.get()) {
    // What has rows of the batch has fewer here: they lie together.
    const auto start = [&](const View& inside, const View& whole, std::size_t count) {
      const std::size_t bytes = inside.bytes();
      const std::size_t skipped =
          bytes / static_cast<std::size_t>(part.rows) * static_cast<std::size_t>(part.first);
      return whole.as<char>() + (bytes * count == whole.bytes() ? 0 : skipped);
    };
    const auto length = static_cast<std::size_t>(n.length);
    for (std::size_t i = 0; i < n.carries; ++i)
      carries_.push_back({start(body_.input(i), in[i], 1), body_.input(i), body_.output(i),
                          start(body_.output(i), out[i], 1)});
    for (std::size_t i = n.carries; i < n.shared_from; ++i)
      xs_.push_back({body_.input(i), start(body_.input(i), in[i], length), row_of(in[i])});
    for (std::size_t i = n.carries; i < out.size(); ++i)
      ys_.push_back({body_.output(i), start(body_.output(i), out[i], length), row_of(out[i])});
  }

  // Runs for the first `rows` rows, as long as `more` is true if there is such a value.
  void run(RunState state, std::int64_t rows, const bool* more, bool reverse) const {
    for (const Carry& c : carries_) std::memcpy(c.before.data, c.first, c.before.bytes());
    std::int64_t t = 0;
    for (; t < rows && (more == nullptr || *more); ++t, ++state.run) {
      *run_ = reverse ? rows - 1 - t : t;
      const auto row = static_cast<std::size_t>(*run_);
      for (const Rows& x : xs_)
        if (!x.in_place()) std::memcpy(x.inside.data, x.memory + row * x.step, x.inside.bytes());
      body_.run(state);
      for (const Rows& y : ys_)
        if (!y.in_place()) std::memcpy(y.memory + row * y.step, y.inside.data, y.inside.bytes());
      for (const Carry& c : carries_) copy_bytes(c.after, c.before);
    }
    for (const Rows& y : ys_)
      for (std::int64_t i = t; i < length_; ++i)
        std::memset(y.memory + static_cast<std::size_t>(i) * y.step, 0, y.inside.bytes());
    for (const Carry& c : carries_) std::memcpy(c.last, c.before.data, c.before.bytes());
  }

 private:
  struct Carry {
    char* first;
    View before, after;
    char* last;
  };
  // Memory that the loop copies from or to, `step` bytes further with each run, unless the body
  // does that in place.
  struct Rows {
    View inside;
    char* memory;
    std::size_t step;
    bool in_place() const { return inside.data == memory; }
  };
  std::size_t row_of(const View& stacked) const {
    return length_ == 0 ? 0 : stacked.bytes() / static_cast<std::size_t>(length_);
  }

  Body::Instance& body_;
  std::int64_t length_;
  std::int64_t* run_;
  std::vector<Carry> carries_;
  std::vector<Rows> xs_, ys_;
};

Launch prepare_scan(const Attrs& a, std::span<const View> in, std::span<const View> out) {
  const Counts n(a);
  const auto* count = n.trips == Trips::counted ? in[0].as<const std::int64_t>() : nullptr;
  in = n.inputs(in);
  const std::shared_ptr<Body::Loop> loop =
      a.body->loop(in, out, n.carries, n.shared_from, n.length);
  std::vector<LoopPart> parts;
  for (const Body::Loop::Part& part : loop->parts()) parts.emplace_back(part, n, in, out);
  const bool conditional = n.trips == Trips::conditional;
  const bool* first = conditional ? in[0].as<const bool>() : nullptr;
  const bool* more = conditional ? loop->parts()[0].body->input(0).as<const bool>() : nullptr;
  return [=, parts = std::move(parts), attrs = a](const RunState& state) {
    RunState inner = inner_state(attrs, state);
    const auto length = static_cast<std::uint64_t>(n.length);
    inner.run *= length;
    inner.call *= length;
    const std::int64_t rows = count != nullptr ? *count : n.length;
    if (rows > 0 && (first == nullptr || *first)) loop->start(inner);
    parallel_for(parts.size(), [&](std::size_t i) { parts[i].run(inner, rows, more, attrs.flag); });
  };
}

// The sum over all runs of a product or of a sum over leading axes, from the operands of all runs.
Tensor total(const BodyGradient::Total& t, std::span<const Tensor> operands) {
  if (operands.size() == 2) {
    // (length, rows, columns) as (length rows, columns)
    const Tensor left = ops::reshape(operands[0], {-1, t.operands[0].shape.back()});
    const Tensor right = ops::reshape(operands[1], {-1, t.operands[1].shape.back()});
    return apply1(*t.op, t.attrs, {ops::swap_last(left), right});
  }
  Shape shape = t.operands[0].shape;
  shape.insert(0, operands[0].shape()[0]);
  Attrs attrs = t.attrs;
  attrs.dims.push_back(attrs.dims.rank());
  return apply1(*t.op, attrs, {ops::reshape(operands[0], shape)});
}

// The gradient runs the other way: over the values that the forward loop gives as well.
std::vector<Tensor> gradient_scan(const GradientArgs& g) {
  const Counts n(g.attrs);
  const std::span<const Tensor> inputs = n.inputs(g.inputs);
  const std::span<const bool> wanted = n.inputs(g.wanted);
  if (n.trips == Trips::conditional && n.length == ops::kUnbounded)
    fail<RuntimeError>(
        "while_loop: the gradient needs what every iteration computed: give maximum_iterations, "
        "for "
        "which there is memory");
  BodyGradientArgs args;
  args.seeded = seeded(g);
  args.wanted = marked(inputs.size(), false);
  for (std::size_t i = 0; i < inputs.size(); ++i)
    args.wanted[i] = is_float(inputs[i].dtype()) && (i < n.carries || wanted[i]);
  for (std::size_t i = 0; i < n.carries; ++i) args.seeded[i] = args.wanted[i];
  args.replaced = n.carries;
  args.shared = n.shared_from;
  args.save = true;
  const BodyGradient d = g.attrs.body->differentiate(args);

  std::vector<Tensor> outputs(g.outputs.begin(), g.outputs.end());
  if (d.forward) {
    Attrs more = g.attrs;
    more.body = d.forward;
    if (!g.extend && outputs[0].symbolic() && (d.forward->traits() & kRandom) != 0)
      fail<RuntimeError>(
          "scan: a tape inside a recording cannot go back through random numbers; ask the "
          "recording "
          "for the gradient");
    outputs = g.extend ? g.extend(more) : apply(op("scan"), more, g.inputs);
  }

  std::vector<Tensor> in, count;
  if (n.trips == Trips::conditional) count = {outputs[1]};
  if (n.trips == Trips::counted) count = {g.inputs[0]};
  const auto seed = [&](std::size_t i) {
    return g.doutputs[i].defined() ? g.doutputs[i] : ops::zeros_like(g.outputs[i]);
  };
  for (std::size_t i = 0; i < n.carries; ++i)
    if (args.seeded[i]) in.push_back(seed(i));
  for (const std::size_t i : d.sums) in.push_back(ops::zeros_like(inputs[i]));
  const std::size_t carries = in.size();
  for (std::size_t i = n.carries; i < args.seeded.size(); ++i)
    if (args.seeded[i]) in.push_back(seed(i));
  for (const std::size_t i : d.read)
    if (i < n.shared_from) in.push_back(inputs[i]);
  for (const std::size_t i : d.saved) in.push_back(outputs[i]);
  const std::size_t shared_from = in.size();
  for (const std::size_t i : d.read)
    if (i >= n.shared_from) in.push_back(inputs[i]);

  Attrs back = g.attrs;
  back.body = d.backward;
  back.dims = {static_cast<std::int64_t>(carries), static_cast<std::int64_t>(shared_from - carries),
               n.length, count.empty() ? 0 : static_cast<std::int64_t>(Trips::counted)};
  back.flag = !g.attrs.flag;
  in.insert(in.begin(), count.begin(), count.end());
  const std::vector<Tensor> found = apply(op("scan"), back, in);

  std::vector<Tensor> out(inputs.size());
  std::size_t next = 0;
  for (std::size_t i = 0; i < n.carries; ++i)
    if (args.wanted[i]) out[i] = found[next++];
  for (const std::size_t i : d.sums) out[i] = found[next++];
  for (std::size_t i = n.carries; i < n.shared_from; ++i)
    if (args.wanted[i]) out[i] = found[next++];
  for (const BodyGradient::Total& t : d.totals) {
    std::vector<Tensor> operands;
    for (const BodyGradient::Operand& o : t.operands) {
      using From = BodyGradient::Operand::From;
      operands.push_back(o.from == From::backward  ? found[o.index]
                         : o.from == From::forward ? outputs[o.index]
                                                   : inputs[o.index]);
    }
    out[t.input] = total(t, operands);
  }
  if (n.trips == Trips::counted) out.insert(out.begin(), Tensor());
  return out;
}

void add_scan(OpTable& table) {
  Op row;
  row.name = "scan";
  row.traits = kContiguous;
  row.arity = -1;
  row.infer = infer_scan;
  row.prepare = prepare_scan;
  row.gradient = gradient_scan;
  table.add(std::move(row));
}

}  // namespace

void register_control(OpTable& table) {
  add_cond(table);
  add_scan(table);
}

namespace ops {

std::vector<Tensor> cond(const Tensor& condition, std::shared_ptr<const Body> body,
                         std::shared_ptr<const Body> otherwise, std::span<const Tensor> inputs) {
  static const Op& row = op("cond");
  Attrs attrs;
  attrs.body = std::move(body);
  attrs.otherwise = std::move(otherwise);
  fix_numbers(attrs, row);
  std::vector<Tensor> in{condition};
  in.insert(in.end(), inputs.begin(), inputs.end());
  return apply(row, attrs, in);
}

std::vector<Tensor> scan(std::shared_ptr<const Body> body, std::span<const Tensor> carries,
                         std::span<const Tensor> xs, std::span<const Tensor> shared,
                         std::int64_t length, bool reverse, bool conditional) {
  static const Op& row = op("scan");
  Attrs attrs;
  attrs.body = std::move(body);
  attrs.dims = {static_cast<std::int64_t>(carries.size()), static_cast<std::int64_t>(xs.size()),
                length, static_cast<std::int64_t>(conditional ? Trips::conditional : Trips::all)};
  attrs.flag = reverse;
  fix_numbers(attrs, row);
  std::vector<Tensor> in(carries.begin(), carries.end());
  in.insert(in.end(), xs.begin(), xs.end());
  in.insert(in.end(), shared.begin(), shared.end());
  return apply(row, attrs, in);
}

}  // namespace ops
}  // namespace pynn
