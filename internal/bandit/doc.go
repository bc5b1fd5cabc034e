// SPDX-License-Identifier: Apache-2.0

// Package bandit says which share of the traffic each version should have now,
// given what is known of the versions' rewards and within which limits shares
// may move. It draws nothing at random: a policy becomes a vector of shares,
// units are sampled by their slots, and so every exposure's propensity is its
// version's share. The same input gives the same vector.
//
// # Policies
//
//   - Thompson: a version's share is the probability that it is the best.
//   - Top-two Thompson: half of that, and half for the best of the others
//     (Russo 2020), which finds out sooner which version is best and pays for
//     it with traffic of the second best.
//   - UCB1 and KL-UCB: the units that the next interval is expected to bring
//     are handed out one by one in thought, each to the version with the
//     largest index, and every such fictitious pull narrows its version's
//     bonus. The vector is the proportions of these pulls. The next interval
//     is expected to bring as many units as intervals brought so far on the
//     average; where that is one unit, the vector is the plain argmax. Units
//     whose outcome is pending count as pulls (Joulani, György, Szepesvári
//     2013), so that delay does not look like neglect.
//   - Epsilon-greedy: epsilon spread evenly and the rest to the best mean, with
//     epsilon/(1 + decay k) at update k.
//
// A version of which nothing is known yet is treated as well as the best one
// that is known, and where nothing is known of any, all policies give even
// shares: that is also how to get the even vector, within the limits, for a
// time of exploration.
//
// # Limits
//
// A vector sums to the whole exactly. These upper limits of the candidates
// hold always, and where they contradict lower ones they win, in this order:
//
//  1. A removed version has nothing.
//  2. A blocked version does not gain, also not when others shrink (D1).
//  3. All candidates together have no more than the cap.
//  4. No share moves by more than the step. A removal and the cap do not wait
//     for steps, and what they set free is not bound by them where it returns
//     to the baseline.
//  5. No candidate has more than its maximum.
//  6. Every version has its minimum. Minima that do not fit shrink together.
//
// What no candidate may have is the baseline's, whatever its own maximum and
// step say, and even when it is blocked: the way back has no preconditions
// (D3). Limits that contradict each other are therefore never an error.
//
// Within the limits, shares keep the proportions of the policy: they are
// clip(lambda w, low, high) with the one lambda for which they add up. They are
// rounded to slots by largest remainders, ties going to the version listed
// first; a share may miss its exact value by less than one slot.
//
// # Sources
//
// Auer, Cesa-Bianchi, Fischer, Machine Learning 47 (2002): UCB1. Garivier,
// Cappé, COLT (2011): KL-UCB. Thompson, Biometrika 25 (1933). Russo, Operations
// Research 68 (2020): top-two sampling. Joulani, György, Szepesvári, ICML
// (2013): delay. Lai, Robbins, Adv. Appl. Math. 6 (1985): the least regret.
package bandit
