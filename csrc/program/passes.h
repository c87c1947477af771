// What happens to a program between recording and replay. Each pass is a function of the program;
// they run in the order in which they stand here.
#pragma once

#include <string>
#include <vector>

#include "program/program.h"

namespace pynn {

// Removes the steps i without keep[i]. Nothing may read their outputs.
void drop_steps(Program& program, const std::vector<char>& keep);

// The slots, by their roots, that must lie where they are: more than chains read them.
std::vector<char> read_by_others(const Program& program);

// For a program whose captures are constants: nothing is stored, and steps that depend on nothing
// else are computed here and now. Their outputs become captures.
void fold_constants(Program& program);

// Drops the steps that no output, store or effect needs. Slots keep their numbers.
void remove_dead_steps(Program& program);

// A sum of parts that lie side by side, such as the gradient of something cut to pieces, puts them
// there.
void join_parts(Program& program);

// A product of a few rows by a weight that the program updates becomes the sum of two: each thread
// multiplies by the rows of the weight that it updates.
void split_k(Program& program);

// Products take the bias and the activation that follow into their epilogue.
void fuse_epilogues(Program& program);

// What a pool picks is all that is stored of the images before it, and all that is computed of its
// gradient, where their producers and readers know how.
void keep_winners(Program& program);

// For a program whose captures are constants: products of one row may add in any order, and their
// right operands are laid out for that.
void lay_out_rows(Program& program);

// A store of what a scatter leaves as it is but for a few rows becomes a step that writes those
// rows where they lie: its output is a value whose root is a capture.
void write_touched(Program& program);
bool writes_in_place(const Program& program, const Step& step);

// Which axis of each slot counts the rows of a batch, negative for none, and which steps compute
// rows, each from the same row of what they read and from what has no rows. `batched`: the inputs
// whose first axis counts them.
struct RowSteps {
  std::vector<int> axes;    // of slots
  std::vector<char> apart;  // of steps
  bool all;                 // no step mixes rows
};
RowSteps row_steps(const Program& program, std::int64_t rows, std::span<const char> batched);

// A launch-to-be: one step, or pointwise steps over one shape with the stores that ride on them, or
// a product (the first of its steps) and the chain that consumes it block by block.
struct Cluster {
  std::vector<std::size_t> steps;   // indices into program.steps, in order
  std::vector<std::size_t> stores;  // indices into program.stores
  bool chain = false;
  bool product = false;
  std::vector<std::size_t> after;  // the clusters that must have run, by their place in the order
  int region = -1;                 // of those that `form_regions` found
};

// Groups the steps that are not views into clusters and puts these in an order that respects every
// dependency and lets stores overwrite only what nobody reads any more. Steps of `apart` stand side
// by side where they can.
std::vector<Cluster> schedule(const Program& program, std::span<const char> apart);

// Clusters [first, last] as one launch: runs that wait for nothing of each other, each of them
// clusters one after the other on one thread. What passes between those stays in its caches.
struct Region {
  struct Run {
    std::vector<std::size_t> clusters;
    std::int64_t begin = 0, count = 0;  // rows, if the region is cut by them
  };
  std::size_t first, last;
  bool by_rows;
  std::vector<Run> runs;
};
// The steps that may be part of a region by rows, those of the inputs.
RowSteps region_steps(const Program& program);
// Unites neighbours to regions where that pays: of steps that keep rows apart, by rows; of others,
// by what is independent.
std::vector<Region> form_regions(const Program& program, std::vector<Cluster>& clusters,
                                 const RowSteps& steps);

// Has chains compute what is put side by side where it belongs, if nothing else minds: those slots
// get their layout there. Returns for each slot what it is a part of, or -1.
std::vector<SlotId> place_parts(Program& program, const std::vector<Cluster>& clusters);

// Byte offsets in one arena, per slot; -1 for slots that need no memory of their own.
struct MemoryPlan {
  std::vector<std::int64_t> offsets;
  std::size_t bytes = 0;
};
MemoryPlan plan_memory(const Program& program, const std::vector<Cluster>& clusters,
                       const std::vector<SlotId>& part_of);

}  // namespace pynn
