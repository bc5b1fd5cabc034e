// SPDX-License-Identifier: Apache-2.0

// Package clustercli tests the command line against a real API server: that it
// shows what the controller recorded, that its verbs reach the controller, and
// that a kill works when nothing else does. HEADGATE_E2E=1 asks for it.
package clustercli
