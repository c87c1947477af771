// Steps that run programs: a condition, a loop over rows.
#include <cstring>
#include <numeric>
#include <utility>

#include "ops/body.h"
#include "ops/ops.h"
#include "runtime/rng.h"

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

// A row of memory that the loop copies from or to, one row further with each run.
struct Rows {
  View inside;
  char* memory;
  std::size_t bytes;
  char* row(std::int64_t i) const { return memory + static_cast<std::size_t>(i) * bytes; }
  void clear(std::int64_t from, std::int64_t to) const {
    std::memset(row(from), 0, static_cast<std::size_t>(to - from) * bytes);
  }
};

Launch prepare_scan(const Attrs& a, std::span<const View> in, std::span<const View> out) {
  const Counts n(a);
  const auto* count = n.trips == Trips::counted ? in[0].as<const std::int64_t>() : nullptr;
  in = n.inputs(in);
  std::vector<View> bound(in.begin(), in.end());
  for (std::size_t i = 0; i < n.shared_from; ++i) bound[i].data = nullptr;
  const std::shared_ptr<Body::Instance> body = a.body->instance(bound);
  struct Carry {
    View first, before, after, last;
  };
  std::vector<Carry> carries;
  std::vector<Rows> xs, ys;
  for (std::size_t i = 0; i < n.carries; ++i)
    carries.push_back({in[i], body->input(i), body->output(i), out[i]});
  for (std::size_t i = n.carries; i < n.shared_from; ++i)
    xs.push_back({body->input(i), in[i].as<char>(), body->input(i).bytes()});
  for (std::size_t i = n.carries; i < out.size(); ++i)
    ys.push_back({body->output(i), out[i].as<char>(), body->output(i).bytes()});
  const bool* more = n.trips == Trips::conditional ? body->input(0).as<const bool>() : nullptr;
  return [=, attrs = a](const RunState& state) {
    RunState inner = inner_state(attrs, state);
    const auto length = static_cast<std::uint64_t>(n.length);
    inner.run *= length;
    inner.call *= length;
    for (const Carry& c : carries) copy_bytes(c.first, c.before);
    const std::int64_t rows = count != nullptr ? *count : n.length;
    std::int64_t t = 0;
    for (; t < rows && (more == nullptr || *more); ++t, ++inner.run) {
      const std::int64_t row = attrs.flag ? rows - 1 - t : t;
      for (const Rows& x : xs) std::memcpy(x.inside.data, x.row(row), x.bytes);
      body->run(inner);
      for (const Rows& y : ys) std::memcpy(y.row(row), y.inside.data, y.bytes);
      for (const Carry& c : carries) copy_bytes(c.after, c.before);
    }
    for (const Rows& y : ys) y.clear(t, n.length);
    for (const Carry& c : carries) copy_bytes(c.before, c.last);
  };
}

// A factor of all runs: (length, rows, columns) as (length rows, columns).
Tensor stacked(const Tensor& x, std::int64_t columns) { return ops::reshape(x, {-1, columns}); }

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
  for (const BodyGradient::Product& p : d.products) {
    const auto factor = [&](const BodyGradient::Factor& f) {
      using From = BodyGradient::Factor::From;
      const Tensor& x = f.from == From::backward  ? found[f.index]
                        : f.from == From::forward ? outputs[f.index]
                                                  : inputs[f.index];
      return stacked(x, f.columns);
    };
    out[p.input] = apply1(*p.op, p.attrs, {ops::swap_last(factor(p.left)), factor(p.right)});
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
