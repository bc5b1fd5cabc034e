// SPDX-License-Identifier: Apache-2.0

// Command gatewaybench measures what a request through headgate-gateway costs,
// beside nginx, HAProxy, Caddy and the standard library's reverse proxy, on the
// same machine and in turns: `make bench-gateway`.
//
// All stand in front of the same two backends (nginx that answers 120 bytes)
// and get the same requests from wrk: 32 connections that stay open, 200 bytes
// of body, 5,000 units in x-user-id. Each proxy has one worker and a processor
// of its own; wrk and the backends share another. The gateway assigns by unit,
// counts cells with a latency measure, seals exposure tokens and writes
// exposures to a file; the others spread requests evenly and write no log.
//
// What is compared is the processor time of the proxy's processes for each
// request, from /proc, because it depends least on what else the machine does;
// the ratios are medians of pairs taken one after the other. Latency at a fixed
// rate is of the answers during which no processor stood still: where a host lends
// them, it takes them away for milliseconds, which threads of the highest priority
// notice.
package main
