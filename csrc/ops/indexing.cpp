#include "ops/indexing.h"

#include <algorithm>
#include <cstring>

#include "ops/indices.h"
#include "ops/launch.h"
#include "ops/strided_copy.h"

namespace pynn {
namespace {

// --- ravel_index: dims = extents; one tensor of indices for each, all of one shape -> int64, the
// element's number in an array of those extents.

Launch prepare_ravel(const Attrs& a, std::span<const View> in, std::span<const View> out) {
  return [extents = a.dims, indices = std::vector<Indices>(in.begin(), in.end()),
          to = out[0].as<std::int64_t>(),
          chunks =
              Chunks(out[0].size(), kItemWork * static_cast<double>(in.size()))](const RunState&) {
    chunks.run([&](std::size_t, std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) {
        std::int64_t at = 0;
        for (std::size_t k = 0; k < indices.size(); ++k) {
          const std::int64_t extent = extents[static_cast<int>(k)];
          at = at * extent + indices[k].within(extent, i, "indexing");
        }
        to[i] = at;
      }
    });
  };
}

// --- slice_put: x, values; starts, stops, steps of a slice -> x with the values there

Launch prepare_slice_put(const Attrs& a, std::span<const View> in, std::span<const View> out) {
  static const Op& slice = op("slice");
  return [all = strided_copy(in[0], out[0]),
          part = strided_copy(in[1], slice.view(a, out[0]))](const RunState& state) {
    all(state);
    part(state);
  };
}

Tensor slice_put(const Tensor& x, const Tensor& values, const Attrs& slice) {
  static const Op& row = op("slice_put");
  return apply1(row, slice, {x, values});
}

// --- put: dims = {axis}, flag = whether to add; x (outer..., n, inner...), indices (i...), values
// (outer..., i..., inner...) -> x with the values there. The result may be the memory of x.

Launch prepare_put(const Attrs& a, std::span<const View> in, std::span<const View> out) {
  const TakeSizes s(in[0].shape, in[1].shape, a.dims[0]);
  const DType dtype = in[0].dtype;
  const auto bytes = static_cast<std::size_t>(s.inner) * item_size(dtype);
  if (in[0].size() == 0) return [](const RunState&) {};
  const auto add =
      a.flag ? kernels::table().pointwise[static_cast<int>(kernels::Pointwise::add)][index(dtype)]
             : nullptr;
  const bool in_place = in[0].data == out[0].data;
  // An outer index is one thread's, so that of equal indices the last one wins.
  const std::int64_t moved = s.count + (in_place ? 0 : s.n);
  const Chunks chunks(s.outer, kItemWork * static_cast<double>(moved * s.inner));
  return [=, x = in[0].as<const char>(), values = in[2].as<const char>(), y = out[0].as<char>(),
          indices = Indices(in[1])](const RunState&) {
    // Before something is overwritten that there is no copy of.
    for (std::int64_t i = 0; in_place && i < s.count; ++i) indices.within(s.n, i, "indexing");
    chunks.run([&](std::size_t, std::int64_t begin, std::int64_t end) {
      for (std::int64_t o = begin; o < end; ++o) {
        char* const base = y + static_cast<std::size_t>(o * s.n) * bytes;
        if (!in_place)
          std::memcpy(base, x + static_cast<std::size_t>(o * s.n) * bytes,
                      static_cast<std::size_t>(s.n) * bytes);
        for (std::int64_t i = 0; i < s.count; ++i) {
          char* const to =
              base + static_cast<std::size_t>(indices.within(s.n, i, "indexing")) * bytes;
          const char* const from = values + static_cast<std::size_t>(o * s.count + i) * bytes;
          const void* const operands[] = {to, from};
          if (add != nullptr)
            add(static_cast<std::size_t>(s.inner), to, operands, nullptr);
          else
            std::memcpy(to, from, bytes);
        }
      }
    });
  };
}

Tensor put(const Tensor& x, const Tensor& indices, const Tensor& values, std::int64_t axis) {
  static const Op& row = op("put");
  Attrs attrs;
  attrs.dims = {axis};
  return apply1(row, attrs, {x, indices, values});
}

}  // namespace

void register_indexing(OpTable& table) {
  Op ravel;
  ravel.name = "ravel_index";
  ravel.arity = -1;
  ravel.traits = kContiguous;
  ravel.infer = [](const Attrs&, std::span<const TensorType> in) {
    for (const TensorType& t : in) check_indices("indexing", t.dtype);
    return std::vector<TensorType>{{DType::i64, in[0].shape}};
  };
  ravel.prepare = prepare_ravel;
  ravel.gradient = [](const GradientArgs& g) { return std::vector<Tensor>(g.inputs.size()); };
  table.add(std::move(ravel));

  Op slice;
  slice.name = "slice_put";
  slice.arity = 2;
  slice.infer = [](const Attrs&, std::span<const TensorType> in) {
    return std::vector<TensorType>{in[0]};
  };
  slice.prepare = prepare_slice_put;
  slice.gradient = [](const GradientArgs& g) {
    const Tensor& dy = g.doutputs[0];
    return std::vector<Tensor>{slice_put(dy, ops::zeros_like(g.inputs[1]), g.attrs),
                               ops::slice(dy, g.attrs.dims, g.attrs.more, g.attrs.steps)};
  };
  table.add(std::move(slice));

  Op row;
  row.name = "put";
  row.arity = 3;
  row.traits = kContiguous;
  row.infer = [](const Attrs&, std::span<const TensorType> in) {
    check_indices("indexing", in[1].dtype);
    return std::vector<TensorType>{in[0]};
  };
  row.prepare = prepare_put;
  row.gradient = [](const GradientArgs& g) {
    const Tensor &dy = g.doutputs[0], &indices = g.inputs[1];
    const std::int64_t axis = g.attrs.dims[0];
    return std::vector<Tensor>{put(dy, indices, ops::zeros_like(g.inputs[2]), axis), Tensor(),
                               ops::take(dy, indices, axis)};
  };
  table.add(std::move(row));
}

namespace ops {
namespace {

// What is left of x when ints, slices and None are done: a view.
Tensor basic(const Tensor& x, const Index& key) {
  Tensor y = key.partial ? slice(x, key.start, key.stop, key.step) : x;
  for (int i = key.squeezed.rank() - 1; i >= 0; --i) y = squeeze(y, key.squeezed[i]);
  for (const std::int64_t axis : key.inserted) y = expand_dims(y, axis);
  return y;
}

// The arrays of a key as one array of indices into one axis of x, whose axes are first brought
// together, in `order`, and merged.
struct Merged {
  Dims order;   // of the axes; empty where they lie right already
  Shape apart;  // the shape in that order, before merging
  Shape shape;  // with the picked axes as one
  int axis;     // that one
  Tensor indices;

  Merged(const Shape& x, const Index& key) : axis(key.in_front ? 0 : key.arrays[0].first) {
    Dims picked, extents;
    for (const auto& [at, unused] : key.arrays) {
      picked.push_back(at);
      extents.push_back(x[at]);
    }
    apart = x;
    if (key.in_front) {
      order = picked;
      for (int i = 0; i < x.rank(); ++i)
        if (!std::binary_search(picked.begin(), picked.end(), i)) order.push_back(i);
      for (int i = 0; i < x.rank(); ++i) apart[i] = x[static_cast<int>(order[i])];
    }
    shape = apart;
    for (int i = 1; i < picked.rank(); ++i) shape.erase(axis + 1);
    shape[axis] = element_count(extents);
    indices = as_indices(key.arrays[0].second);
    if (picked.rank() > 1) merge(key, extents);
  }

  Tensor applied(const Tensor& x) const {
    return reshape(order.empty() ? x : transpose(x, order), shape);
  }
  Tensor undone(const Tensor& x) const {
    const Tensor y = reshape(x, apart);
    if (order.empty()) return y;
    Dims inverse = order;
    for (int i = 0; i < order.rank(); ++i) inverse[static_cast<int>(order[i])] = i;
    return transpose(y, inverse);
  }

 private:
  void merge(const Index& key, const Dims& extents) {
    static const Op& row = op("ravel_index");
    Shape common;
    for (const auto& [at, each] : key.arrays) common = broadcast_shapes(common, each.shape());
    std::vector<Tensor> all;
    for (const auto& [at, each] : key.arrays) all.push_back(broadcast_to(as_indices(each), common));
    Attrs attrs;
    attrs.dims = extents;
    indices = apply(row, attrs, all)[0];
  }
};

// The steps of `index` taken back: x with `part` in place of what they left of it.
Tensor put_back(const Tensor& x, const Index& key, const Tensor& part) {
  if (!key.partial) return reshape(part, x.shape());
  Attrs slice;
  slice.dims = key.start;
  slice.more = key.stop;
  slice.steps = key.step;
  static const Op& row = op("slice");
  const TensorType type = x.type();
  return slice_put(x, reshape(part, row.infer(slice, {&type, 1})[0].shape), slice);
}

template <class Combine>
Tensor updated(const Tensor& x, const Index& key, const Tensor& values, Combine combine) {
  const Tensor part = basic(x, key), own = cast(values, x.dtype());
  if (key.arrays.empty()) return put_back(x, key, combine(part, own, nullptr));
  const Merged merged(part.shape(), key);
  return put_back(x, key, merged.undone(combine(merged.applied(part), own, &merged)));
}

Shape picked_shape(const Tensor& part, const Merged* merged) {
  return merged == nullptr ? part.shape()
                           : taken_shape(part.shape(), merged->indices.shape(), merged->axis);
}

}  // namespace

Tensor index(const Tensor& x, const Index& key) {
  const Tensor part = basic(x, key);
  if (key.arrays.empty()) return part;
  const Merged merged(part.shape(), key);
  return take(merged.applied(part), merged.indices, merged.axis);
}

Tensor index_put(const Tensor& x, const Index& key, const Tensor& values) {
  return updated(x, key, values, [](const Tensor& part, const Tensor& own, const Merged* merged) {
    const Tensor wide = broadcast_to(own, picked_shape(part, merged));
    return merged == nullptr ? wide : put(part, merged->indices, wide, merged->axis);
  });
}

Tensor index_add(const Tensor& x, const Index& key, const Tensor& values) {
  return updated(x, key, values, [](const Tensor& part, const Tensor& own, const Merged* merged) {
    const Tensor wide = broadcast_to(own, picked_shape(part, merged));
    return add(part, merged == nullptr
                         ? wide
                         : scatter_add(wide, merged->indices, merged->axis, part.shape()));
  });
}

void store(const Tensor& x, const Index& key, const Tensor& values, bool adds) {
  const Eager eager;
  const Tensor part = basic(x, key), own = cast(values, x.dtype());
  const auto apart = [&](const Tensor& y) { return overlaps(y.array(), x.array()) ? copy(y) : y; };
  if (key.arrays.empty()) {
    const Tensor wide = broadcast_to(own, part.shape());
    strided_copy((adds ? add(part, wide) : apart(wide)).array(), part.array())(RunState{});
    return;
  }
  const Merged merged(part.shape(), key);
  const Tensor whole = merged.applied(part);
  const bool sums = own.dtype() != DType::bf16 && own.dtype() != DType::boolean;
  if (!whole.contiguous() || !overlaps(whole.array(), part.array()) || (adds && !sums)) {
    const Tensor y = adds ? index_add(x, key, values) : index_put(x, key, values);
    strided_copy(y.array(), x.array())(RunState{});
    return;
  }
  const Shape shape = taken_shape(whole.shape(), merged.indices.shape(), merged.axis);
  const Tensor wide = apart(contiguous(broadcast_to(own, shape)));
  static const Op& row = op("put");
  Attrs attrs;
  attrs.dims = {merged.axis};
  attrs.flag = adds;
  const Tensor indices = contiguous(merged.indices);
  const View views[] = {whole.array(), indices.array(), wide.array()};
  row.prepare(attrs, views, std::span(views, 1))(RunState{});
}

}  // namespace ops
}  // namespace pynn
