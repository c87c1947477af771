// The epoch loop: shuffle, gather, replay, accumulate, natively, for fit, evaluate and predict.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "program/executable.h"

namespace pynn {

// Thrown when the first output of a step (the loss) is NaN or infinite.
struct NonFiniteLoss {
  std::int64_t epoch, batch;  // counted from 0
  double value;
};

// Copies of arrays from a moment at which they were known to be good.
class Checkpoint {
 public:
  explicit Checkpoint(std::vector<Array> arrays);

  void begin();    // the arrays may be good: it shows with the next loss
  void confirm();  // they were
  // Puts back what was last confirmed, or else what the arrays were at the first `begin`.
  void restore() const;

 private:
  using Copy = std::shared_ptr<void>;
  void save(Copy& to) const;

  std::vector<Array> arrays_;
  std::vector<std::size_t> offsets_;  // of each in a copy
  std::size_t bytes_ = 0;             // of a copy
  Copy candidate_, good_;
  bool pending_ = false;  // whether the candidate may become the good one
};

struct EpochLoop {
  std::shared_ptr<Executable> full;  // a step over `batch_size` rows
  std::shared_ptr<Executable> tail;  // over the rest; null where the batch size divides the rows
  std::vector<Array> data;           // one per input, contiguous, same number of rows
  std::int64_t batch_size = 1;
  std::int64_t epochs = 1;
  bool shuffle = false;
  std::uint64_t key = 0;  // epoch e is shuffled by stream first_epoch + e
  std::int64_t first_epoch = 0;
  bool check_loss = false;      // throw NonFiniteLoss when output 0 is not finite
  std::vector<Array> gathered;  // predict: outputs by row (rows, ...); empty: accumulate
  // What a loss that is not finite puts back: it begins with every epoch and is confirmed by the
  // loss of the epoch's first batch.
  std::shared_ptr<Checkpoint> checkpoint;

  struct Progress {
    std::int64_t epoch, rows_done;
    std::span<const double> totals;  // of the running epoch
  };
  // Called about every `poll_seconds` and at the end of each epoch, from the calling thread;
  // returns false to stop after this batch.
  std::function<bool(const Progress&, bool epoch_end)> poll;
  double poll_seconds = 0.05;
  bool report_epochs = true;

  // For each epoch that ran, the last one perhaps in part, the total of each output's elements over
  // the batches.
  struct History {
    std::size_t epochs = 0, width = 0;
    std::vector<double> totals;  // (epochs, width)
  };
  History run();
};

}  // namespace pynn
