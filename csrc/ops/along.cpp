// Elements by an index of their own, along the last axis: take, add and put along it, and the
// indices that sort it.
#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>

#include "ops/axes.h"
#include "ops/indices.h"
#include "ops/launch.h"

namespace pynn {
namespace {

// Calls body(row, i, at) for every index of (rows..., k): where its element lies in (rows..., n).
// Rows go to threads whole, so that equal indices of a row meet in order.
template <class Body>
auto for_each_index(const View& index_view, std::int64_t n, const char* op, Body body) {
  const std::int64_t k = index_view.shape.back();
  const std::int64_t rows = k == 0 ? 0 : index_view.size() / k;
  return [=, indices = Indices(index_view),
          chunks = Chunks(rows, 2 * kItemWork * static_cast<double>(k + n))](auto before) {
    chunks.run([&](std::size_t, std::int64_t begin, std::int64_t end) {
      for (std::int64_t row = begin; row < end; ++row) {
        before(row);
        for (std::int64_t i = row * k; i < (row + 1) * k; ++i)
          body(i, row * n + indices.within(n, i, op));
      }
    });
  };
}

constexpr auto kNothing = [](std::int64_t) {};

// take_along: x (rows..., n), indices (rows..., k) -> (rows..., k)
Launch prepare_take(std::span<const View> in, std::span<const View> out) {
  return with_item(item_size(in[0].dtype), [&]<class T>(T) -> Launch {
    return [run = for_each_index(in[1], in[0].shape.back(), "take_along_axis",
                                 [x = in[0].as<const T>(), y = out[0].as<T>()](auto i, auto at) {
                                   y[i] = x[at];
                                 })](const RunState&) { run(kNothing); };
  });
}

// add_along: dims = {n}; values, indices (rows..., k) -> (rows..., n), zero where nothing is added
Launch prepare_add(std::span<const View> in, std::span<const View> out) {
  return with_addable(in[0].dtype, [&]<class T>(T) -> Launch {
    if (in[0].size() == 0)
      return [to = out[0]](const RunState&) { std::memset(to.data, 0, to.bytes()); };
    const std::int64_t n = out[0].shape.back();
    T* const to = out[0].as<T>();
    return [=, run = for_each_index(in[1], n, "add_along",
                                    [to, values = in[0].as<const T>()](auto i, auto at) {
                                      to[at] += values[i];
                                    })](const RunState&) {
      run([&](std::int64_t row) { std::fill_n(to + row * n, n, T{0}); });
    };
  });
}

// put_along: x (rows..., n), indices, values (rows..., k) -> x with values[i] at indices[i]
Launch prepare_put(std::span<const View> in, std::span<const View> out) {
  return with_item(item_size(in[0].dtype), [&]<class T>(T) -> Launch {
    return [x = in[0], to = out[0],
            run = for_each_index(in[1], in[0].shape.back(), "put_along_axis",
                                 [y = out[0].as<T>(), values = in[2].as<const T>()](
                                     auto i, auto at) { y[at] = values[i]; })](const RunState&) {
      if (x.size() == 0) return;
      std::memcpy(to.data, x.data, x.bytes());
      run(kNothing);
    };
  });
}

// All axes but the last must agree.
void check_rows(const char* op, const Shape& x, const TensorType& indices) {
  check_indices(op, indices.dtype);
  Shape expected = x;
  if (!x.empty() && indices.shape.rank() == x.rank()) expected.back() = indices.shape.back();
  if (x.empty() || !(expected == indices.shape))
    fail<ValueError>(op, ": expected indices for the rows of shape ", x, ", got ", indices.shape);
}

Op contiguous_row(const char* name, int arity) {
  Op row;
  row.name = name;
  row.arity = arity;
  row.traits = kContiguous | kRowwise;
  return row;
}

Tensor take_along(const Tensor& x, const Tensor& indices) {
  static const Op& row = op("take_along");
  return apply1(row, {}, {x, indices});
}

Tensor add_along(const Tensor& values, const Tensor& indices, std::int64_t n) {
  static const Op& row = op("add_along");
  Attrs attrs;
  attrs.dims = {n};
  const Tensor wide = ops::cast(values, added_as(values.dtype()));
  return ops::cast(apply1(row, attrs, {wide, indices}), values.dtype());
}

Tensor put_along(const Tensor& x, const Tensor& indices, const Tensor& values) {
  static const Op& row = op("put_along");
  return apply1(row, {}, {x, indices, values});
}

void add_moves(OpTable& table) {
  Op take = contiguous_row("take_along", 2);
  take.infer = [](const Attrs&, std::span<const TensorType> in) {
    check_rows("take_along_axis", in[0].shape, in[1]);
    return std::vector<TensorType>{{in[0].dtype, in[1].shape}};
  };
  take.prepare = [](const Attrs&, std::span<const View> in, std::span<const View> out) {
    return prepare_take(in, out);
  };
  take.gradient = [](const GradientArgs& g) {
    return std::vector<Tensor>{add_along(g.doutputs[0], g.inputs[1], g.inputs[0].shape().back()),
                               Tensor()};
  };
  table.add(std::move(take));

  Op add = contiguous_row("add_along", 2);
  add.infer = [](const Attrs& a, std::span<const TensorType> in) {
    TensorType out = in[0];
    out.shape.back() = a.dims[0];
    return std::vector<TensorType>{out};
  };
  add.prepare = [](const Attrs&, std::span<const View> in, std::span<const View> out) {
    return prepare_add(in, out);
  };
  add.gradient = [](const GradientArgs& g) {
    return std::vector<Tensor>{take_along(g.doutputs[0], g.inputs[1]), Tensor()};
  };
  table.add(std::move(add));

  Op put = contiguous_row("put_along", 3);
  put.infer = [](const Attrs&, std::span<const TensorType> in) {
    check_rows("put_along_axis", in[0].shape, in[1]);
    return std::vector<TensorType>{in[0]};
  };
  put.prepare = [](const Attrs&, std::span<const View> in, std::span<const View> out) {
    return prepare_put(in, out);
  };
  put.gradient = [](const GradientArgs& g) {
    const Tensor& dy = g.doutputs[0];
    return std::vector<Tensor>{put_along(dy, g.inputs[1], ops::zeros_like(g.inputs[2])), Tensor(),
                               take_along(dy, g.inputs[1])};
  };
  table.add(std::move(put));
}

// --- argsort: dims = {k}, flag = from the greatest; x (rows..., n) -> the indices of the first k
// in order (rows..., k), int64. Equal ones keep their order; NaN counts as the greatest.

// An unsigned number that is less where x is less, and so for equal ones equal.
template <class T>
auto ordered(T x) {
  using Key = std::conditional_t<sizeof(T) == 4, std::uint32_t, std::uint64_t>;
  constexpr Key kSign = Key{1} << (8 * sizeof(Key) - 1);
  if constexpr (std::is_floating_point_v<T>) {
    if (std::isnan(x)) return std::numeric_limits<Key>::max();
    const auto bits = std::bit_cast<Key>(x + T{0});  // -0 is 0
    return static_cast<Key>((bits & kSign) != 0 ? ~bits : bits | kSign);
  } else {
    return static_cast<Key>(static_cast<Key>(x) ^ kSign);
  }
}

template <class Key>
struct Keyed {
  Key key;
  std::uint32_t at;
  bool operator<(const Keyed& o) const { return key != o.key ? key < o.key : at < o.at; }
};

// Sorts n items, byte by byte from the lowest (radix sort), leaving out bytes in which all agree.
// Returns where they lie then: in `items` or in `other`.
template <class Key>
Keyed<Key>* sorted(Keyed<Key>* items, Keyed<Key>* other, std::int64_t n) {
  constexpr std::int64_t kFew = 128;  // comparing takes less time
  if (n <= kFew) {
    std::sort(items, items + n);
    return items;
  }
  std::array<std::array<std::uint32_t, 256>, sizeof(Key)> counts{};
  for (std::int64_t i = 0; i < n; ++i)
    for (std::size_t byte = 0; byte < sizeof(Key); ++byte)
      ++counts[byte][items[i].key >> (8 * byte) & 255];
  for (std::size_t byte = 0; byte < sizeof(Key); ++byte) {
    auto& place = counts[byte];
    if (place[items[0].key >> (8 * byte) & 255] == static_cast<std::uint32_t>(n)) continue;
    std::exclusive_scan(place.begin(), place.end(), place.begin(), std::uint32_t{0});
    for (std::int64_t i = 0; i < n; ++i)
      other[place[items[i].key >> (8 * byte) & 255]++] = items[i];
    std::swap(items, other);
  }
  return items;
}

template <class T>
Launch prepare_argsort(const Attrs& a, const View& x, const View& out) {
  using Item = Keyed<decltype(ordered(T{}))>;
  const std::int64_t n = x.shape.back(), k = a.dims[0];
  if (out.size() == 0) return [](const RunState&) {};
  const Chunks chunks(x.size() / n, 16 * kItemWork * static_cast<double>(n));
  const auto memory = scratch(static_cast<std::size_t>(2 * n * chunks.count()) * sizeof(Item));
  return [=, down = a.flag, from = x.as<const T>(), to = out.as<std::int64_t>()](const RunState&) {
    chunks.run([&](std::size_t chunk, std::int64_t begin, std::int64_t end) {
      auto* const items =
          static_cast<Item*>(memory.get()) + static_cast<std::int64_t>(chunk) * 2 * n;
      for (std::int64_t row = begin; row < end; ++row) {
        for (std::int64_t i = 0; i < n; ++i) {
          const auto key = ordered(from[row * n + i]);
          items[i] = {down ? static_cast<decltype(key)>(~key) : key, static_cast<std::uint32_t>(i)};
        }
        const Item* first = items;
        if (8 * k < n)
          std::partial_sort(items, items + k, items + n);
        else
          first = sorted(items, items + n, n);
        for (std::int64_t i = 0; i < k; ++i) to[row * k + i] = first[i].at;
      }
    });
  };
}

void add_argsort(OpTable& table) {
  Op row = contiguous_row("argsort", 1);
  row.infer = [](const Attrs& a, std::span<const TensorType> in) {
    Shape shape = in[0].shape;
    if (shape.back() > std::numeric_limits<std::uint32_t>::max())
      fail<ValueError>("argsort: an axis of ", shape.back(), " elements is too long");
    shape.back() = a.dims[0];
    return std::vector<TensorType>{{DType::i64, shape}};
  };
  row.prepare = [](const Attrs& a, std::span<const View> in, std::span<const View> out) {
    return with_addable(
        in[0].dtype, [&](auto item) { return prepare_argsort<decltype(item)>(a, in[0], out[0]); });
  };
  row.gradient = [](const GradientArgs&) { return std::vector<Tensor>(1); };
  table.add(std::move(row));
}

}  // namespace

void register_along(OpTable& table) {
  add_moves(table);
  add_argsort(table);
}

namespace ops {
namespace {

// x and its indices with `axis` last, every other axis broadcast to the same extent.
std::pair<Tensor, Tensor> aligned(const char* op, const Tensor& x, const Tensor& indices,
                                  int axis) {
  if (x.rank() != indices.rank())
    fail<ValueError>(op, ": x and indices must have as many axes, got shapes ", x.shape(), " and ",
                     indices.shape());
  Shape own = x.shape(), other = indices.shape();
  own[axis] = other[axis] = 1;
  Shape shape = broadcast_shapes(own, other);
  shape[axis] = x.shape()[axis];
  const Tensor wide = broadcast_to(x, shape);
  shape[axis] = indices.shape()[axis];
  return {swap_with_last(wide, axis),
          swap_with_last(as_indices(broadcast_to(indices, shape)), axis)};
}

}  // namespace

Tensor take_along_axis(const Tensor& x, const Tensor& indices, std::int64_t axis) {
  const int at = checked_axis("take_along_axis", axis, x.shape());
  const auto [rows, chosen] = aligned("take_along_axis", x, indices, at);
  return swap_with_last(take_along(rows, chosen), at);
}

Tensor put_along_axis(const Tensor& x, const Tensor& indices, const Tensor& values,
                      std::int64_t axis) {
  const int at = checked_axis("put_along_axis", axis, x.shape());
  const auto [rows, chosen] = aligned("put_along_axis", x, indices, at);
  if (rows.size() != x.size())
    fail<ValueError>("put_along_axis: indices of shape ", indices.shape(),
                     " name other rows than shape ", x.shape(), " has");
  Shape shape = swap_with_last(chosen, at).shape();
  const Tensor wide = broadcast_to(cast(values, x.dtype()), shape);
  return swap_with_last(put_along(rows, chosen, swap_with_last(wide, at)), at);
}

Tensor take_along_last(const Tensor& x, const Tensor& indices) {
  if (x.rank() != indices.rank() + 1)
    fail<ValueError>("take_along_last: expected one index for each row of shape ", x.shape(),
                     ", got ", indices.shape());
  return squeeze(take_along(x, expand_dims(as_indices(indices), -1)), -1);
}

Tensor argsort(const Tensor& x, std::int64_t axis, bool descending, std::int64_t k) {
  static const Op& row = op("argsort");
  const int at = checked_axis("argsort", axis, x.shape());
  const std::int64_t n = x.shape()[at];
  if (k > n) fail<ValueError>("topk: k = ", k, " exceeds the ", n, " elements of axis ", at);
  Attrs attrs;
  attrs.dims = {k < 0 ? n : k};
  attrs.flag = descending;
  const Tensor keys = cast(swap_with_last(x, at), added_as(x.dtype()));
  return swap_with_last(apply1(row, attrs, {keys}), at);
}

Tensor sort(const Tensor& x, std::int64_t axis, bool descending) {
  return take_along_axis(x, argsort(x, axis, descending), axis);
}

}  // namespace ops
}  // namespace pynn
