// Rows that belong to equal indices, summed without an array of all the rows that there could be.
#include <cstring>
#include <vector>

#include "ops/indices.h"
#include "ops/launch.h"

namespace pynn {
namespace {

// --- sum_equal: as scatter_add, along axis 0; (dy, indices) -> (i..., inner...), for each index
// what scatter_add has at it. Threads share columns, as there.

// For each index the position of the first equal one.
class Leaders {
 public:
  Leaders(std::int64_t extent, std::int64_t count)
      : first_(static_cast<std::size_t>(extent), -1), leader_(static_cast<std::size_t>(count)) {}

  const std::int64_t* find(const Indices& indices) {
    const auto extent = static_cast<std::int64_t>(first_.size());
    const auto count = static_cast<std::int64_t>(leader_.size());
    for (std::int64_t i = 0; i < count; ++i)
      leader_[static_cast<std::size_t>(i)] = indices.within(extent, i, "scatter_add");
    for (std::int64_t i = 0; i < count; ++i) {
      std::int64_t& first = first_[static_cast<std::size_t>(leader_[static_cast<std::size_t>(i)])];
      if (first < 0) first = i;
      leader_[static_cast<std::size_t>(i)] = first;
    }
    for (std::int64_t i = 0; i < count; ++i)
      first_[static_cast<std::size_t>(indices.within(extent, i, "scatter_add"))] = -1;
    return leader_.data();
  }

 private:
  std::vector<std::int64_t> first_;  // by row; -1 between runs
  std::vector<std::int64_t> leader_;
};

Launch prepare_sum_equal(const Attrs& a, std::span<const View> in, std::span<const View> out) {
  const TakeSizes s(a.more, in[1].shape, 0);
  const DType dtype = in[0].dtype;
  const auto item = static_cast<std::int64_t>(item_size(dtype));
  const auto add =
      kernels::table().pointwise[static_cast<int>(kernels::Pointwise::add)][index(dtype)];
  const std::int64_t bag = a.flag ? std::max<std::int64_t>(in[1].shape.back(), 1) : 1;
  const std::int64_t width = kAlignment / item, row = s.inner * item;  // row: bytes
  const Chunks chunks((s.inner + width - 1) / width,
                      kItemWork * static_cast<double>(s.count * width));
  return [=, from = in[0].as<const char>(), to = out[0].as<char>(), indices = Indices(in[1]),
          leaders = std::make_shared<Leaders>(s.n, s.count)](const RunState&) {
    const std::int64_t* const leader = leaders->find(indices);
    chunks.run([&](std::size_t, std::int64_t begin, std::int64_t end) {
      const std::int64_t column = begin * width * item;
      const auto columns = static_cast<std::size_t>(std::min(end * width, s.inner) - begin * width);
      const std::size_t bytes = columns * static_cast<std::size_t>(item);
      for (std::int64_t i = 0; i < s.count; ++i) {
        const void* const operands[] = {to + leader[i] * row + column,
                                        from + i / bag * row + column};
        if (leader[i] == i)
          std::memcpy(to + i * row + column, operands[1], bytes);
        else
          add(columns, to + leader[i] * row + column, operands, nullptr);
      }
      for (std::int64_t i = 0; i < s.count; ++i)
        if (leader[i] != i)
          std::memcpy(to + i * row + column, to + leader[i] * row + column, bytes);
    });
  };
}

}  // namespace

void register_equal_rows(OpTable& table) {
  Op row;
  row.name = "sum_equal";
  row.traits = kContiguous;
  row.arity = 2;
  row.infer = [](const Attrs& a, std::span<const TensorType> in) {
    check_indices("sum_equal", in[1].dtype);
    return std::vector<TensorType>{{in[0].dtype, taken_shape(a.more, in[1].shape, 0)}};
  };
  row.prepare = prepare_sum_equal;
  table.add(std::move(row));
}

}  // namespace pynn
