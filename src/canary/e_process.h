#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace slipway {

// A sequential test of "the new release is no worse", to be asked at any time and as often as one
// likes. Its value is an e-process: under "no worse" the chance that it EVER reaches 1/alpha is at
// most alpha (Ville's inequality), however the looks are spaced and whenever one stops. A value
// that grows is evidence against. Each look costs the same: twenty exponentials.
//
// How. In one look the new release answered n1 requests and the old one n0; x1 and x0 of them were
// hits (errors, or slow ones). If both fail alike, then given n1, n0 and m = x1 + x0, the new
// release's part x1 is hypergeometric, with mean m w for w = n1 / (n1 + n0), whatever the share of
// failures itself may be at that moment. For a ratio of odds r > 1 the factor
//
//     f_r = r^x1 / (1 + w (r - 1))^m
//
// is the likelihood ratio of Binomial(m, r w / (1 + w (r - 1))) to Binomial(m, w). Its mean is 1
// under the binomial, and no more under the hypergeometric, as it is convex in x1 (Hoeffding 1963,
// theorem 4), and no more when the new release fails less, as it grows with x1. All of that holds
// given the past, so the product over looks is a supermartingale though w and the share of
// failures change from look to look: an outage of a database that both use is no evidence, and
// neither is that sticky clients of the canary make more requests than others.
//
// Against which r? All: the value is a mixture over a grid of ratios, from 1.3 to 190, each with
// the same weight: the method of mixtures (Robbins 1970), the mSPRT of Johari, Koomen, Pekelis and
// Walsh ("Always valid inference", 2022), for counts as in Lindon and Malek ("Anytime-valid
// inference for multinomial count data", 2022) but with a share that may change. Since when? The
// product forgets nothing: a release that was fine for an hour would have to fail for as long. So
// half of the weight starts at the first look and the rest every ten looks, the k-th time with
// 1/2 / (k (k + 1)): a mixture over starts, too (as Shin, Ramdas and Rinaldo, "E-detectors", 2023,
// but with weights that add up to 1, which keeps alpha for the whole run). Means of e-processes are
// e-processes.
//
// What it supposes: that requests fail independently of each other given the release. Errors that
// come in bursts (one client that repeats a failing request) weigh more than they should; a
// tolerance helps. A plain value.
class EProcess {
 public:
  struct Counts {
    double hits = 0;
    double of = 0;  // requests; for rates, the exposure (instances times seconds)
  };
  // One look of both releases. "No worse": hits are no likelier on the new one than on the old one
  // plus `tolerance` (0..1). Exact for that, too: a hit of the new release beyond the old one's
  // share is one of at most `tolerance`, independent of all else, so f_r is divided by the largest
  // mean that those can have, (1 + tolerance (s - 1))^n1 with s = r / (1 + w (r - 1)) >= 1.
  void compare(Counts candidate, Counts baseline, double tolerance);
  // One look of the new release alone. "No worse": a hit has the probability `share` at most.
  void against(Counts candidate, double share);
  // One look of the new release alone. "No worse": hits are Poisson with mean `expected` at most.
  void rate(double hits, double expected);

  // Never NaN or infinite, never below 0; 1 before the first look.
  [[nodiscard]] double value() const;
  // The largest so far: it may be compared with a threshold just as well.
  [[nodiscard]] double highest() const { return highest_; }

 private:
  static constexpr std::size_t grid = 20;
  template <class LogFactor>
  void look(const LogFactor& log_factor);  // of a ratio r

  std::array<double, grid> wealth_{};
  double reserve_ = 1;  // not at stake yet
  std::uint64_t looks_ = 0, starts_ = 0;
  double highest_ = 1;
};

// Upper bounds that a fixed sample gives: the true value is above with probability `delta` at most.
// By Chernoff's inequality in its relative entropy form, which needs no table and is never wrong by
// much: of a probability, from `hits` of `of` independent trials; 1 when there was none.
[[nodiscard]] double upper_share(double hits, double of, double delta);
// Of a Poisson process' rate, from `hits` in `exposure`; infinite when there was none.
[[nodiscard]] double upper_rate(double hits, double exposure, double delta);
// Of the share of a distribution above a point that was chosen after having seen the sample (such
// as its own p95): the Dvoretzky-Kiefer-Wolfowitz inequality with Massart's constant (1990).
[[nodiscard]] double upper_tail(double above, double of, double delta);

}  // namespace slipway
