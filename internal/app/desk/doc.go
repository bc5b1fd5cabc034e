// SPDX-License-Identifier: Apache-2.0

// Package desk is what every process offers that runs experiments from a
// directory of one machine, whoever carries their traffic: the page and its API
// on loopback, the control socket in the directory for the verbs of the command
// line, and the way of a person's wish to the loop that obeys it. A kill is
// remembered in a file before anybody is told, so that it survives whatever
// comes, and takes effect before the loop hears of it (D3, D8).
package desk
