// SPDX-License-Identifier: Apache-2.0

// Package stats draws conclusions from experiments on live traffic.
package stats
