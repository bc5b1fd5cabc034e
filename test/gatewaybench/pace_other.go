// SPDX-License-Identifier: Apache-2.0

//go:build !linux

package main

import (
	"errors"
	"time"
)

var errLinux = errors.New("this works on Linux only")

func pace(string, float64, int, time.Duration) error { return errLinux }

func idle(string, int) error { return errLinux }

func echo() error { return errLinux }
