#include "ops/product.h"

#include <limits>
#include <utility>

#include "runtime/thread_pool.h"

namespace pynn {

using kernels::Gemm;

// The blocks that take the least time by a count of multiply-adds. A block also reads its rows and
// columns once, at some 8 multiply-adds an element, and must be handed out. The bits of a product
// do not depend on its blocks.
Extent choose_block(const Gemm& g, std::int64_t products, std::size_t item, bool whole_rows) {
  const int threads = most_threads();
  const auto m = static_cast<double>(g.m), n = static_cast<double>(g.n),
             k = static_cast<double>(g.k);
  Extent best{g.m, g.n};
  if (threads == 1 || products >= 4 * threads ||
      2 * m * n * k * static_cast<double>(products) <= kParallelWork)
    return best;
  constexpr double kHandOut = 1e4;
  // The widest kernel tile; a row has none, only vectors.
  const auto unit = static_cast<std::int64_t>((g.m == 1 ? 64 : 256) / item);
  double least = std::numeric_limits<double>::infinity();
  for (std::int64_t down = 1; down <= 2 * threads; ++down) {
    for (std::int64_t across = 1; down * across <= 2 * threads; ++across) {
      if (whole_rows && across > 1) break;
      const std::int64_t rows = (g.m + down - 1) / down;
      const std::int64_t columns =
          std::min(((g.n + across - 1) / across + unit - 1) / unit * unit, g.n);
      const std::int64_t blocks =
          ((g.m + rows - 1) / rows) * ((g.n + columns - 1) / columns) * products;
      const auto r = static_cast<double>(rows), c = static_cast<double>(columns);
      const double cost = static_cast<double>((blocks + threads - 1) / threads) *
                          (r * c + 8 * (r + c) + kHandOut / k);
      if (cost < least) {
        least = cost;
        best = {rows, columns};
      }
    }
  }
  return best;
}

namespace {

// One row that its own kernel computes faster: from columns, or from rows that stay in L1 or L2,
// which it reads out of order.
bool runs_as_row(const Gemm& g, std::int64_t item) {
  constexpr std::int64_t kNear = 128 * 1024;
  return g.m == 1 && (g.b_col == 1 ? g.n * g.k * item <= kNear : g.b_row == 1 && g.a_col == 1);
}

// Pieces of a block that stay in cache until their consumer has read them, wide enough for it to
// run along rows. A right operand that is not row-major is transposed once per piece: then pieces
// are tall.
Extent choose_piece(const Gemm& block, std::size_t item) {
  const bool row_major = block.b_col == 1;
  const auto width = static_cast<std::int64_t>((row_major ? 2048 : 1024) / item);
  const std::int64_t most = row_major ? 64 : 512;
  const std::int64_t parts = (block.m + most - 1) / most;
  return {(block.m + parts - 1) / parts, std::min(block.n, width)};
}

}  // namespace

const Op* activation_op(kernels::Activation activation) {
  if (activation == kernels::Activation::linear) return nullptr;
  const auto rows = all_ops();
  const auto row = std::find_if(rows.begin(), rows.end(), [&](const Op& r) {
    return r.is(kActivation) && r.activation == activation;
  });
  return &*row;
}

kernels::PointwiseFn activation_after(kernels::Activation activation, DType dtype) {
  if (activation == kernels::Activation::relu) return nullptr;
  const Op* const row = activation_op(activation);
  if (row == nullptr) return nullptr;
  return kernels::table().pointwise[static_cast<std::size_t>(row->pointwise)][index(dtype)];
}

std::vector<std::int64_t> matrix_offsets(const View& x, const Shape& batch) {
  View matrices{x.data, x.dtype, batch_of(x.shape), batch_of(x.strides)};
  matrices = broadcast_view(matrices, batch);
  std::vector<std::int64_t> offsets{0};
  for (int axis = 0; axis < batch.rank(); ++axis) {
    std::vector<std::int64_t> outer = std::exchange(offsets, {});
    offsets.reserve(outer.size() * static_cast<std::size_t>(batch[axis]));
    for (const std::int64_t start : outer)
      for (std::int64_t i = 0; i < batch[axis]; ++i)
        offsets.push_back(start + i * matrices.strides[axis]);
  }
  return offsets;
}

Gemm first_product(const View& a, const View& b, const View& c) {
  const int i = a.shape.rank() - 2, j = b.shape.rank() - 2;
  Gemm g{};
  g.m = a.shape[i];
  g.k = a.shape[i + 1];
  g.n = b.shape[j + 1];
  g.a = a.data;
  g.a_row = a.strides[i];
  g.a_col = a.strides[i + 1];
  g.b = b.data;
  g.b_row = b.strides[j];
  g.b_col = b.strides[j + 1];
  g.c = c.data;
  g.c_row = g.n;
  return g;
}

Product::Product(const View& a, const View& b, const View& c, const View* bias, const Attrs& attrs,
                 std::shared_ptr<const BlockConsumer> consumer)
    : dtype_(c.dtype),
      item_(static_cast<std::int64_t>(item_size(c.dtype))),
      gemm_(kernels::table().gemm[index(c.dtype)]),
      whole_(first_product(a, b, c)),
      parameters_(attrs.reals),
      consumer_(std::move(consumer)) {
  const Shape batch = batch_of(c.shape);
  a_at_ = matrix_offsets(a, batch);
  b_at_ = matrix_offsets(b, batch);
  const auto products = static_cast<std::int64_t>(a_at_.size());
  whole_.bias = bias == nullptr ? nullptr : bias->data;
  whole_.activation = attrs.activation;
  whole_.attr = parameters_.data();
  if (c.size() == 0) return;
  if (attrs.flag && runs_as_row(whole_, item_)) gemm_ = kernels::table().gemv[index(c.dtype)];
  // A chain streams through memory best along whole rows.
  const bool whole_rows = consumer_ && whole_.b_col == 1 && whole_.m >= whole_.n / 4;
  block_ = choose_block(whole_, products, item_size(c.dtype), whole_rows);
  down_ = (whole_.m + block_.rows - 1) / block_.rows;
  across_ = (whole_.n + block_.columns - 1) / block_.columns;
  chunks_ = Chunks(products * down_ * across_, 2.0 * static_cast<double>(block_.rows) *
                                                   static_cast<double>(block_.columns) *
                                                   static_cast<double>(whole_.k));
  const auto workspace = kernels::table().gemm_workspace[index(c.dtype)];
  for (std::int64_t i = 0; i < down_ * across_; ++i)
    workspace_bytes_ = std::max(workspace_bytes_, workspace(block(i)));
  if (consumer_) {
    piece_ = choose_piece(block(0), item_size(c.dtype));
    workspace_bytes_ =
        std::max(workspace_bytes_, workspace(part(block(0), 0, piece_.rows, 0, piece_.columns)));
    if (c.data == nullptr)
      piece_bytes_ = static_cast<std::size_t>(piece_.rows * piece_.columns * item_);
  }
  const auto aligned = [](std::size_t n) { return (n + kAlignment - 1) / kAlignment * kAlignment; };
  workspace_bytes_ = aligned(workspace_bytes_);
  piece_bytes_ = aligned(piece_bytes_);
  workspace_ =
      scratch((workspace_bytes_ + piece_bytes_) * static_cast<std::size_t>(chunks_.count()));
  whole_.workspace = workspace_.get();
  const bool one_piece = !consumer_ || (piece_.rows == whole_.m && piece_.columns == whole_.n);
  at_once_ = products == 1 && down_ * across_ == 1 && one_piece;
  if (at_once_ && whole_.c == nullptr)
    whole_.c = static_cast<char*>(workspace_.get()) + workspace_bytes_;
  result_ = {whole_.c, dtype_, {whole_.m, whole_.n}, {whole_.c_row, 1}};
}

void Product::run() const {
  if (at_once_) {
    gemm_(whole_);
    if (consumer_) consumer_->consume({0, whole_.m, 0, whole_.n}, result_);
    return;
  }
  chunks_.run([&](std::size_t chunk, std::int64_t begin, std::int64_t end) {
    if (!consumer_ && down_ * across_ == 1) return compute_whole(begin, end, chunk);
    for (std::int64_t i = begin; i < end; ++i) compute(i, chunk);
  });
}

// Products in one block each: small ones, so what they share is set up once.
void Product::compute_whole(std::int64_t begin, std::int64_t end, std::size_t chunk) const {
  Gemm g = whole_;
  g.workspace = static_cast<char*>(workspace_.get()) + chunk * (workspace_bytes_ + piece_bytes_);
  for (std::int64_t i = begin; i < end; ++i) {
    const auto at = static_cast<std::size_t>(i);
    g.a = moved(whole_.a, a_at_[at]);
    g.b = moved(whole_.b, b_at_[at]);
    g.c = const_cast<void*>(moved(whole_.c, i * whole_.m * whole_.c_row));
    gemm_(g);
  }
}

// Block i counted through every product, along its columns last.
Gemm Product::block(std::int64_t i) const {
  const std::int64_t product = i / (down_ * across_);
  const std::int64_t row = i / across_ % down_ * block_.rows;
  const std::int64_t column = i % across_ * block_.columns;
  const auto at = static_cast<std::size_t>(product);
  Gemm g = whole_;
  g.a = moved(g.a, a_at_[at]);
  g.b = moved(g.b, b_at_[at]);
  g.c = const_cast<void*>(moved(g.c, product * whole_.m * whole_.c_row));
  return part(g, row, std::min(block_.rows, whole_.m - row), column,
              std::min(block_.columns, whole_.n - column));
}

const void* Product::moved(const void* p, std::int64_t elements) const {
  return p == nullptr ? p : static_cast<const char*>(p) + elements * item_;
}

// Rows and columns of a product's result.
Gemm Product::part(const Gemm& g, std::int64_t row, std::int64_t rows, std::int64_t column,
                   std::int64_t columns) const {
  Gemm out = g;
  out.m = rows;
  out.n = columns;
  out.a = moved(g.a, row * g.a_row);
  out.b = moved(g.b, column * g.b_col);
  out.c = const_cast<void*>(moved(g.c, row * g.c_row + column));
  out.bias = moved(g.bias, column);
  return out;
}

void Product::compute(std::int64_t i, std::size_t chunk) const {
  char* memory = static_cast<char*>(workspace_.get()) + chunk * (workspace_bytes_ + piece_bytes_);
  Gemm g = block(i);
  g.workspace = memory;
  if (!consumer_) return gemm_(g);
  const std::int64_t top = i / across_ % down_ * block_.rows;
  const std::int64_t left = i % across_ * block_.columns;
  for (std::int64_t row = 0; row < g.m; row += piece_.rows) {
    for (std::int64_t column = 0; column < g.n; column += piece_.columns) {
      Gemm p = part(g, row, std::min(piece_.rows, g.m - row), column,
                    std::min(piece_.columns, g.n - column));
      if (p.c == nullptr) {
        p.c = memory + workspace_bytes_;
        p.c_row = p.n;
      }
      gemm_(p);
      consumer_->consume({top + row, p.m, left + column, p.n},
                         {p.c, dtype_, {p.m, p.n}, {p.c_row, 1}});
    }
  }
}

}  // namespace pynn
