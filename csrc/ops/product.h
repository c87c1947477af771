// Matrix products ready to run: a batch of them, cut into blocks for threads, each block handed on
// to a chain where one follows.
#pragma once

#include <vector>

#include "ops/launch.h"
#include "ops/op.h"

namespace pynn {

inline Shape batch_of(const Shape& shape) {
  return Shape(std::span(shape.begin(), static_cast<std::size_t>(shape.rank() - 2)));
}

// Where the matrices of a batch begin in `x`, in elements from its start.
std::vector<std::int64_t> matrix_offsets(const View& x, const Shape& batch);

// Sizes and strides of the first product of a batch.
kernels::Gemm first_product(const View& a, const View& b, const View& c);

struct Extent {
  std::int64_t rows, columns;
};

// The blocks in which threads share `products` products. `whole_rows`: rows are not cut.
Extent choose_block(const kernels::Gemm& g, std::int64_t products, std::size_t item,
                    bool whole_rows);

// The row that computes an activation, null for none.
const Op* activation_op(kernels::Activation activation);
// The kernel of an activation that follows a product whose kernel applies relu only; null for relu
// and where there is none.
kernels::PointwiseFn activation_after(kernels::Activation activation, DType dtype);

// C = A B at once, on several threads where that pays. Without bias, activation and workspace.
void multiply_now(const kernels::Gemm& g, DType dtype);

class Product {
 public:
  // c = activation(a b + bias), bias null or contiguous; activation and its parameters from
  // `attrs`. With a consumer, c is a matrix and may lack memory.
  Product(const View& a, const View& b, const View& c, const View* bias, const Attrs& attrs,
          std::shared_ptr<const BlockConsumer> consumer = nullptr);
  Product(const Product&) = delete;  // whole_.attr points into this object
  Product& operator=(const Product&) = delete;

  void run() const;

 private:
  kernels::Gemm block(std::int64_t i) const;
  kernels::Gemm part(const kernels::Gemm& g, std::int64_t row, std::int64_t rows,
                     std::int64_t column, std::int64_t columns) const;
  const void* moved(const void* p, std::int64_t elements) const;
  void compute(std::int64_t i, std::size_t chunk) const;
  void compute_whole(std::int64_t begin, std::int64_t end, std::size_t chunk) const;

  DType dtype_;
  std::int64_t item_;
  kernels::GemmFn gemm_;
  kernels::Gemm whole_;
  std::array<double, 2> parameters_;
  std::vector<std::int64_t> a_at_, b_at_;
  Extent block_{};
  Extent piece_{};  // of a block, as handed to the consumer
  std::int64_t down_ = 0, across_ = 0;
  Chunks chunks_;
  std::size_t workspace_bytes_ = 0, piece_bytes_ = 0;  // per chunk
  std::shared_ptr<void> workspace_;
  bool at_once_ = false;  // one product in one piece, all of it set up in `whole_`
  View result_;           // of that
  std::shared_ptr<const BlockConsumer> consumer_;
};

}  // namespace pynn
