// Whole slices by index: take along an axis, scatter_add, which carries its gradient back, and
// one-hot rows.
#include <cstring>
#include <iomanip>
#include <limits>
#include <type_traits>
#include <utility>

#include "ops/axes.h"
#include "ops/indices.h"
#include "ops/launch.h"

namespace pynn {
namespace {

// --- take: dims = {axis}; x (outer..., n, inner...), indices (i...) -> (outer..., i..., inner...)

// Single elements: copied as what they are, and found without a division for each.
template <class T>
Launch prepare_take_items(const TakeSizes& s, const View& x_view, const View& index_view,
                          const View& y_view) {
  return [=, chunks = Chunks(s.outer * s.count, 2 * kItemWork), x = x_view.as<const T>(),
          y = y_view.as<T>(), indices = Indices(index_view)](const RunState&) {
    chunks.run([&](std::size_t, std::int64_t begin, std::int64_t end) {
      std::int64_t k = begin % s.count;
      const T* row = x + begin / s.count * s.n;
      for (std::int64_t i = begin; i < end; ++i) {
        y[i] = row[indices.within(s.n, k, "take")];
        if (++k < s.count) continue;
        k = 0;
        row += s.n;
      }
    });
  };
}

Launch prepare_take(const Attrs& a, std::span<const View> in, std::span<const View> out) {
  const TakeSizes s(in[0].shape, in[1].shape, a.dims[0]);
  if (s.inner == 0) return [](const RunState&) {};
  if (s.inner == 1)
    return with_item(item_size(in[0].dtype), [&](auto item) {
      return prepare_take_items<decltype(item)>(s, in[0], in[1], out[0]);
    });
  const auto row_bytes = static_cast<std::size_t>(s.inner) * item_size(in[0].dtype);
  const Chunks chunks(s.outer * s.count, 16 + kItemWork * static_cast<double>(s.inner));
  return [=, x = in[0].as<const char>(), y = out[0].as<char>(),
          indices = Indices(in[1])](const RunState&) {
    chunks.run([&](std::size_t, std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) {
        const std::int64_t from = i / s.count * s.n + indices.within(s.n, i % s.count, "take");
        std::memcpy(y + static_cast<std::size_t>(i) * row_bytes,
                    x + static_cast<std::size_t>(from) * row_bytes, row_bytes);
      }
    });
  };
}

// --- take_sum: x (n, inner...), indices (i..., k) -> (i..., inner...), the sums of k rows each

Shape bags(const Shape& indices) {
  Shape out = indices;
  out.erase(out.rank() - 1);
  return out;
}

Launch prepare_take_sum(std::span<const View> in, std::span<const View> out) {
  const TakeSizes s(in[0].shape, in[1].shape, 0);
  const std::int64_t k = in[1].shape.back();
  const DType dtype = in[0].dtype;
  const auto add =
      kernels::table().pointwise[static_cast<int>(kernels::Pointwise::add)][index(dtype)];
  const auto row_bytes = static_cast<std::size_t>(s.inner) * item_size(dtype);
  const Chunks chunks(element_count(bags(in[1].shape)),
                      16 + static_cast<double>(k) * (16 + 2 * static_cast<double>(s.inner)));
  return [=, x = in[0].as<const char>(), y = out[0].as<char>(),
          indices = Indices(in[1])](const RunState&) {
    chunks.run([&](std::size_t, std::int64_t begin, std::int64_t end) {
      for (std::int64_t bag = begin; bag < end; ++bag) {
        char* const sum = y + static_cast<std::size_t>(bag) * row_bytes;
        std::memset(sum, 0, row_bytes);
        for (std::int64_t i = bag * k; i < (bag + 1) * k; ++i) {
          const std::int64_t from = indices.within(s.n, i, "take_sum");
          const void* const operands[] = {sum, x + static_cast<std::size_t>(from) * row_bytes};
          add(static_cast<std::size_t>(s.inner), sum, operands, nullptr);
        }
      }
    });
  };
}

void add_take_sum(OpTable& table) {
  Op row;
  row.name = "take_sum";
  row.traits = kContiguous;
  row.arity = 2;
  row.infer = [](const Attrs&, std::span<const TensorType> in) {
    check_indices("take_sum", in[1].dtype);
    if (in[0].dtype != DType::f32 && in[0].dtype != DType::f64)
      fail<TypeError>("take_sum: expected float32 or float64, got ", name(in[0].dtype));
    if (in[0].shape.empty() || in[1].shape.empty())
      fail<ValueError>("take_sum: expected rows and bags of indices, got shapes ", in[0].shape,
                       " and ", in[1].shape);
    return std::vector<TensorType>{{in[0].dtype, taken_shape(in[0].shape, bags(in[1].shape), 0)}};
  };
  row.prepare = [](const Attrs&, std::span<const View> in, std::span<const View> out) {
    return prepare_take_sum(in, out);
  };
  row.gradient = [](const GradientArgs& g) {
    static const Op& scatter = op("scatter_add");
    Attrs attrs;
    attrs.dims = {0};
    attrs.more = g.inputs[0].shape();
    attrs.flag = true;
    return std::vector<Tensor>{apply1(scatter, attrs, {g.doutputs[0], g.inputs[1]}), Tensor()};
  };
  table.add(std::move(row));
}

// --- scatter_add: dims = {axis}, more = shape of dx, flag = whether dy has one row for all indices
// along the last axis; (dy, indices) -> dx, dx[indices] += dy. Threads share columns (of a
// cache line), never rows: each element is added up in the order of the indices.

template <class T>
Launch prepare_scatter(const Attrs& a, const View& dy, const View& index_view, const View& dx) {
  const TakeSizes s(a.more, index_view.shape, a.dims[0]);
  const std::int64_t bag = a.flag ? std::max<std::int64_t>(index_view.shape.back(), 1) : 1;
  const std::int64_t width = std::min<std::int64_t>(s.inner, kAlignment / sizeof(T));
  const std::int64_t across = s.inner == 0 ? 0 : (s.inner + width - 1) / width;
  // A thread clears the columns that it adds to, where they then stay in its cache; else all
  // threads clear everything first, which writes whole rows.
  constexpr std::int64_t kNear = 1 << 20;
  const bool near = s.n * width * static_cast<std::int64_t>(sizeof(T)) <= kNear;
  const Chunks clearing(near ? 0 : dx.size(), 1);
  const Chunks chunks(s.outer * across,
                      kItemWork * static_cast<double>((s.count + (near ? s.n : 0)) * width));
  return [=, from = dy.as<const T>(), to = dx.as<T>(),
          indices = Indices(index_view)](const RunState&) {
    clearing.run([&](std::size_t, std::int64_t begin, std::int64_t end) {
      std::memset(to + begin, 0, static_cast<std::size_t>(end - begin) * sizeof(T));
    });
    chunks.run([&](std::size_t, std::int64_t begin, std::int64_t end) {
      for (std::int64_t task = begin; task < end; ++task) {
        const std::int64_t column = task % across * width;
        const std::int64_t columns = std::min(width, s.inner - column);
        T* const base = to + task / across * s.n * s.inner + column;
        const T* source = from + task / across * (s.count / bag) * s.inner + column;
        if (near)
          for (std::int64_t i = 0; i < s.n; ++i) std::fill_n(base + i * s.inner, columns, T{0});
        for (std::int64_t first = 0; first < s.count; first += bag, source += s.inner)
          for (std::int64_t i = first; i < first + bag; ++i) {
            T* target = base + indices.within(s.n, i, "scatter_add") * s.inner;
            for (std::int64_t j = 0; j < columns; ++j) target[j] += source[j];
          }
      }
    });
  };
}

void add_take(OpTable& table) {
  Op take;
  take.name = "take";
  take.traits = kContiguous;
  take.arity = 2;
  take.infer = [](const Attrs& a, std::span<const TensorType> in) {
    check_indices("take", in[1].dtype);
    return std::vector<TensorType>{{in[0].dtype, taken_shape(in[0].shape, in[1].shape, a.dims[0])}};
  };
  take.prepare = prepare_take;
  take.gradient = [](const GradientArgs& g) {
    return std::vector<Tensor>{
        ops::scatter_add(g.doutputs[0], g.inputs[1], g.attrs.dims[0], g.inputs[0].shape()),
        Tensor()};
  };
  table.add(std::move(take));

  Op scatter;
  scatter.name = "scatter_add";
  scatter.traits = kContiguous | kScatter;
  scatter.summing = "sum_equal";
  scatter.picking = "take";
  scatter.putting = "put";
  scatter.arity = 2;
  scatter.infer = [](const Attrs& a, std::span<const TensorType> in) {
    check_indices("scatter_add", in[1].dtype);
    const Shape expected = taken_shape(a.more, a.flag ? bags(in[1].shape) : in[1].shape, a.dims[0]);
    if (!(in[0].shape == expected))
      fail<ValueError>("scatter_add: expected values of shape ", expected, ", got ", in[0].shape);
    return std::vector<TensorType>{{in[0].dtype, a.more}};
  };
  scatter.prepare = [](const Attrs& a, std::span<const View> in, std::span<const View> out) {
    return with_addable(in[0].dtype, [&](auto item) {
      return prepare_scatter<decltype(item)>(a, in[0], in[1], out[0]);
    });
  };
  scatter.gradient = [](const GradientArgs& g) {
    return std::vector<Tensor>{g.attrs.flag
                                   ? ops::take_sum(g.doutputs[0], g.inputs[1])
                                   : ops::take(g.doutputs[0], g.inputs[1], g.attrs.dims[0]),
                               Tensor()};
  };
  table.add(std::move(scatter));
}

// --- one_hot: dims = {depth}, dtype; labels (rows...) -> (rows..., depth)

Launch prepare_one_hot(const Attrs& a, std::span<const View> in, std::span<const View> out) {
  const auto item = static_cast<std::int64_t>(item_size(a.dtype));
  const double one = 1;
  std::array<char, 8> one_item{};
  kernels::table().cast[index(a.dtype)][index(DType::f64)](1, one_item.data(), &one);
  return
      [=, depth = a.dims[0], y = out[0].as<char>(), labels = Indices(in[0]),
       chunks = Chunks(in[0].size(), kItemWork + static_cast<double>(a.dims[0]))](const RunState&) {
        chunks.run([&](std::size_t, std::int64_t begin, std::int64_t end) {
          std::memset(y + begin * depth * item, 0,
                      static_cast<std::size_t>((end - begin) * depth * item));
          for (std::int64_t i = begin; i < end; ++i) {
            if (labels[i] < 0 || labels[i] >= depth)
              fail<IndexError>("one_hot: label ", labels[i], " is out of range for depth ", depth);
            std::memcpy(y + (i * depth + labels[i]) * item, one_item.data(),
                        static_cast<std::size_t>(item));
          }
        });
      };
}

void add_one_hot(OpTable& table) {
  Op row;
  row.name = "one_hot";
  row.traits = kContiguous;
  row.infer = [](const Attrs& a, std::span<const TensorType> in) {
    check_indices("one_hot", in[0].dtype);
    Shape shape = in[0].shape;
    shape.push_back(a.dims[0]);
    return std::vector<TensorType>{{a.dtype, shape}};
  };
  row.prepare = prepare_one_hot;
  table.add(std::move(row));
}

// --- checked_indices: dims = {extent}, host = who asks, a name alone; int32, int64 or float64 x ->
// int32 or int64, refusing what is not whole and from 0 to extent - 1

template <class T>
Launch prepare_checked(const Attrs& a, const View& x_view, const View& y_view) {
  using Whole = std::conditional_t<std::is_integral_v<T>, T, std::int64_t>;
  return [=, chunks = Chunks(x_view.size(), 2), extent = a.dims[0], host = a.host,
          x = x_view.as<const T>(), y = y_view.as<Whole>()](const RunState&) {
    chunks.run([&](std::size_t, std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) {
        const bool inside = x[i] >= 0 && x[i] < static_cast<T>(extent);
        y[i] = inside ? static_cast<Whole>(x[i]) : Whole{0};
        if (!inside || static_cast<T>(y[i]) != x[i])
          fail<IndexError>(host->name, " expects whole numbers from 0 to ", extent - 1, ", got ",
                           std::setprecision(15), static_cast<double>(x[i]));
      }
    });
  };
}

void add_checked_indices(OpTable& table) {
  Op row;
  row.name = "checked_indices";
  row.traits = kContiguous;
  row.infer = [](const Attrs& a, std::span<const TensorType> in) {
    const bool wide = item_size(in[0].dtype) == 8;
    if (a.dims[0] < 1 || (!wide && a.dims[0] > std::numeric_limits<std::int32_t>::max()))
      fail<ValueError>(a.host->name, ": no ", name(in[0].dtype), " below ", a.dims[0]);
    return std::vector<TensorType>{{wide ? DType::i64 : DType::i32, in[0].shape}};
  };
  row.prepare = [](const Attrs& a, std::span<const View> in, std::span<const View> out) {
    return in[0].dtype == DType::i32   ? prepare_checked<std::int32_t>(a, in[0], out[0])
           : in[0].dtype == DType::i64 ? prepare_checked<std::int64_t>(a, in[0], out[0])
                                       : prepare_checked<double>(a, in[0], out[0]);
  };
  table.add(std::move(row));
}

}  // namespace

void register_gather(OpTable& table) {
  add_take(table);
  add_take_sum(table);
  add_one_hot(table);
  add_checked_indices(table);
}

namespace ops {

Tensor take(const Tensor& x, const Tensor& indices, std::int64_t axis) {
  static const Op& row = op("take");
  Attrs attrs;
  attrs.dims = {checked_axis("take", axis, x.shape())};
  return apply1(row, attrs, {x, as_indices(indices)});
}

// bfloat16 is added up in float32.
Tensor take_sum(const Tensor& x, const Tensor& indices) {
  static const Op& row = op("take_sum");
  const DType dtype = x.dtype() == DType::f64 ? DType::f64 : DType::f32;
  const Tensor y = apply1(row, {}, {cast(x, dtype), as_indices(indices)});
  return x.dtype() == DType::bf16 ? cast(y, DType::bf16) : y;
}

Tensor scatter_add(const Tensor& values, const Tensor& indices, std::int64_t axis,
                   const Shape& shape) {
  static const Op& row = op("scatter_add");
  Attrs attrs;
  attrs.dims = {axis};
  attrs.more = shape;
  const Tensor wide = cast(values, added_as(values.dtype()));
  return cast(apply1(row, attrs, {wide, as_indices(indices)}), values.dtype());
}

Tensor one_hot(const Tensor& indices, std::int64_t depth, DType dtype) {
  static const Op& row = op("one_hot");
  if (depth < 1) fail<ValueError>("one_hot: depth must be positive, got ", depth);
  Attrs attrs;
  attrs.dims = {depth};
  attrs.dtype = dtype;
  return apply1(row, attrs, {as_indices(indices)});
}

Tensor checked_indices(const Tensor& x, std::int64_t extent, const std::string& label) {
  static const Op& row = op("checked_indices");
  Attrs attrs;
  attrs.dims = {extent};
  attrs.host = std::make_shared<const HostFunction>(HostFunction{label, {}, {}, {}});
  const DType whole = x.dtype() == DType::i64 ? DType::i64 : DType::i32;
  return apply1(row, attrs, {cast(x, is_float(x.dtype()) ? DType::f64 : whole)});
}

}  // namespace ops
}  // namespace pynn
