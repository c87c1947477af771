// Indexing: take along an axis, one element of each row, one-hot rows, and what carries gradients
// back. Indices are known only when a launch runs, so launches check them.
#include <cstring>
#include <type_traits>
#include <utility>

#include "ops/axes.h"
#include "ops/launch.h"

namespace pynn {
namespace {

constexpr double kItemWork = 8;  // of an element moved from or to anywhere

bool is_index(DType d) { return d == DType::i32 || d == DType::i64; }

void check_indices(const char* op, DType d) {
  if (!is_index(d)) fail<TypeError>(op, ": indices must be int32 or int64, got ", name(d));
}

// Reads int32 and int64 alike.
class Indices {
 public:
  explicit Indices(const View& x) : data_(x.data), wide_(x.dtype == DType::i64) {}
  std::int64_t operator[](std::int64_t i) const {
    return wide_ ? static_cast<const std::int64_t*>(data_)[i]
                 : static_cast<const std::int32_t*>(data_)[i];
  }
  // Counted from the front of an axis of `extent`; negative ones count from its end. Throws
  // IndexError where there is no such element.
  std::int64_t within(std::int64_t extent, std::int64_t i, const char* op) const {
    const std::int64_t value = (*this)[i];
    if (value < -extent || value >= extent)
      fail<IndexError>(op, ": index ", value, " is out of range for an axis of extent ", extent);
    return value < 0 ? value + extent : value;
  }

 private:
  const void* data_;
  bool wide_;
};

// --- take: dims = {axis}; x (outer..., n, inner...), indices (i...) -> (outer..., i..., inner...)

struct TakeSizes {
  std::int64_t outer = 1, n, count, inner = 1;
  TakeSizes(const Shape& x, const Shape& indices, std::int64_t axis)
      : n(x[static_cast<int>(axis)]), count(element_count(indices)) {
    for (int i = 0; i < x.rank(); ++i)
      if (i != axis) (i < axis ? outer : inner) *= x[i];
  }
};

Shape taken_shape(const Shape& x, const Shape& indices, std::int64_t axis) {
  Shape out;
  for (int i = 0; i < x.rank(); ++i) {
    if (i == axis)
      for (const std::int64_t extent : indices) out.push_back(extent);
    else
      out.push_back(x[i]);
  }
  return out;
}

Launch prepare_take(const Attrs& a, std::span<const View> in, std::span<const View> out) {
  const TakeSizes s(in[0].shape, in[1].shape, a.dims[0]);
  if (s.inner == 0) return [](const RunState&) {};
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

// --- scatter_add: dims = {axis}, more = shape of dx; (dy, indices) -> dx, dx[indices] += dy.
// Threads share columns (of a cache line), never rows: each element is added up in the order of the
// indices.

template <class T>
Launch prepare_scatter(const Attrs& a, const View& dy, const View& index_view, const View& dx) {
  const TakeSizes s(a.more, index_view.shape, a.dims[0]);
  const std::int64_t width = std::min<std::int64_t>(s.inner, kAlignment / sizeof(T));
  const std::int64_t across = s.inner == 0 ? 0 : (s.inner + width - 1) / width;
  const Chunks chunks(s.outer * across, kItemWork * static_cast<double>((s.count + s.n) * width));
  return [=, from = dy.as<const T>(), to = dx.as<T>(),
          indices = Indices(index_view)](const RunState&) {
    chunks.run([&](std::size_t, std::int64_t begin, std::int64_t end) {
      for (std::int64_t task = begin; task < end; ++task) {
        const std::int64_t column = task % across * width;
        const std::int64_t columns = std::min(width, s.inner - column);
        T* const base = to + task / across * s.n * s.inner + column;
        const T* source = from + task / across * s.count * s.inner + column;
        for (std::int64_t i = 0; i < s.n; ++i) std::fill_n(base + i * s.inner, columns, T{0});
        for (std::int64_t i = 0; i < s.count; ++i, source += s.inner) {
          T* target = base + indices.within(s.n, i, "scatter_add") * s.inner;
          for (std::int64_t j = 0; j < columns; ++j) target[j] += source[j];
        }
      }
    });
  };
}

Tensor scatter_add(const Tensor& dy, const Tensor& indices, std::int64_t axis, const Shape& shape) {
  static const Op& row = op("scatter_add");
  const DType dtype = dy.dtype() == DType::f64 ? DType::f64 : DType::f32;
  Attrs attrs;
  attrs.dims = {axis};
  attrs.more = shape;
  return ops::cast(apply1(row, attrs, {ops::cast(dy, dtype), indices}), dy.dtype());
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
        scatter_add(g.doutputs[0], g.inputs[1], g.attrs.dims[0], g.inputs[0].shape()), Tensor()};
  };
  table.add(std::move(take));

  Op scatter;
  scatter.name = "scatter_add";
  scatter.traits = kContiguous;
  scatter.arity = 2;
  scatter.infer = [](const Attrs& a, std::span<const TensorType> in) {
    check_indices("scatter_add", in[1].dtype);
    const Shape expected = taken_shape(a.more, in[1].shape, a.dims[0]);
    if (!(in[0].shape == expected))
      fail<ValueError>("scatter_add: expected values of shape ", expected, ", got ", in[0].shape);
    return std::vector<TensorType>{{in[0].dtype, a.more}};
  };
  scatter.prepare = [](const Attrs& a, std::span<const View> in, std::span<const View> out) {
    return in[0].dtype == DType::f64 ? prepare_scatter<double>(a, in[0], in[1], out[0])
                                     : prepare_scatter<float>(a, in[0], in[1], out[0]);
  };
  scatter.gradient = [](const GradientArgs& g) {
    return std::vector<Tensor>{ops::take(g.doutputs[0], g.inputs[1], g.attrs.dims[0]), Tensor()};
  };
  table.add(std::move(scatter));
}

// --- take_along_last: x (rows..., n), indices (rows...) -> (rows...), and back: put_along_last,
// dims = {n}, values and indices (rows...) -> (rows..., n), zero elsewhere.

template <class T>
Launch prepare_take_last(const View& x, const View& index_view, const View& y) {
  const std::int64_t n = x.shape.back();
  return [=, chunks = Chunks(y.size(), 2 * kItemWork), from = x.as<const char>(), to = y.as<char>(),
          indices = Indices(index_view)](const RunState&) {
    chunks.run([&](std::size_t, std::int64_t begin, std::int64_t end) {
      constexpr auto item = static_cast<std::int64_t>(sizeof(T));
      for (std::int64_t i = begin; i < end; ++i)
        std::memcpy(to + i * item, from + (i * n + indices.within(n, i, "take_along_last")) * item,
                    sizeof(T));
    });
  };
}

template <class T>
Launch prepare_put_last(const View& values, const View& index_view, const View& y) {
  const std::int64_t n = y.shape.back();
  return [=, chunks = Chunks(values.size(), kItemWork + static_cast<double>(n)),
          from = values.as<const char>(), to = y.as<char>(),
          indices = Indices(index_view)](const RunState&) {
    chunks.run([&](std::size_t, std::int64_t begin, std::int64_t end) {
      constexpr auto item = static_cast<std::int64_t>(sizeof(T));
      std::memset(to + begin * n * item, 0, static_cast<std::size_t>((end - begin) * n * item));
      for (std::int64_t i = begin; i < end; ++i)
        std::memcpy(to + (i * n + indices.within(n, i, "put_along_last")) * item, from + i * item,
                    sizeof(T));
    });
  };
}

Tensor put_along_last(const Tensor& values, const Tensor& indices, std::int64_t n) {
  static const Op& row = op("put_along_last");
  Attrs attrs;
  attrs.dims = {n};
  return apply1(row, attrs, {values, indices});
}

void check_rows(const char* op, const Shape& x, const TensorType& indices) {
  check_indices(op, indices.dtype);
  if (!(x == indices.shape))
    fail<ValueError>(op, ": expected one index for each row, of shape ", x, ", got ",
                     indices.shape);
}

void add_take_along_last(OpTable& table) {
  Op take;
  take.name = "take_along_last";
  take.traits = kContiguous;
  take.arity = 2;
  take.infer = [](const Attrs&, std::span<const TensorType> in) {
    if (in[0].shape.empty())
      fail<ValueError>("take_along_last: expected at least one axis, got a scalar");
    TensorType out = in[0];
    out.shape.erase(out.shape.rank() - 1);
    check_rows("take_along_last", out.shape, in[1]);
    return std::vector<TensorType>{out};
  };
  take.prepare = [](const Attrs&, std::span<const View> in, std::span<const View> out) {
    return with_item(item_size(in[0].dtype), [&](auto item) {
      return prepare_take_last<decltype(item)>(in[0], in[1], out[0]);
    });
  };
  take.gradient = [](const GradientArgs& g) {
    return std::vector<Tensor>{
        put_along_last(g.doutputs[0], g.inputs[1], g.inputs[0].shape().back()), Tensor()};
  };
  table.add(std::move(take));

  Op put;
  put.name = "put_along_last";
  put.traits = kContiguous;
  put.arity = 2;
  put.infer = [](const Attrs& a, std::span<const TensorType> in) {
    check_rows("put_along_last", in[0].shape, in[1]);
    TensorType out = in[0];
    out.shape.push_back(a.dims[0]);
    return std::vector<TensorType>{out};
  };
  put.prepare = [](const Attrs&, std::span<const View> in, std::span<const View> out) {
    return with_item(item_size(in[0].dtype), [&](auto item) {
      return prepare_put_last<decltype(item)>(in[0], in[1], out[0]);
    });
  };
  put.gradient = [](const GradientArgs& g) {
    return std::vector<Tensor>{ops::take_along_last(g.doutputs[0], g.inputs[1]), Tensor()};
  };
  table.add(std::move(put));
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
  row.gradient = [](const GradientArgs&) { return std::vector<Tensor>(1); };
  table.add(std::move(row));
}

}  // namespace

void register_gather(OpTable& table) {
  add_take(table);
  add_take_along_last(table);
  add_one_hot(table);
}

namespace ops {
namespace {

// Bytes count too; floats and bool are mistakes.
Tensor as_indices(const Tensor& x) { return x.dtype() == DType::u8 ? cast(x, DType::i32) : x; }

}  // namespace

Tensor take(const Tensor& x, const Tensor& indices, std::int64_t axis) {
  static const Op& row = op("take");
  Attrs attrs;
  attrs.dims = {checked_axis("take", axis, x.shape())};
  return apply1(row, attrs, {x, as_indices(indices)});
}

Tensor take_along_last(const Tensor& x, const Tensor& indices) {
  static const Op& row = op("take_along_last");
  return apply1(row, {}, {x, as_indices(indices)});
}

Tensor one_hot(const Tensor& indices, std::int64_t depth, DType dtype) {
  static const Op& row = op("one_hot");
  if (depth < 1) fail<ValueError>("one_hot: depth must be positive, got ", depth);
  Attrs attrs;
  attrs.dims = {depth};
  attrs.dtype = dtype;
  return apply1(row, attrs, {as_indices(indices)});
}

}  // namespace ops
}  // namespace pynn
