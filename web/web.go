// SPDX-License-Identifier: Apache-2.0

// Package web holds Headgate's page as it is served: built from src by make
// web, committed in dist, and embedded, so that building Headgate needs no
// Node. Names are fixed, and there is nothing in it that another host serves.
package web

import (
	"embed"
	"io/fs"
)

//go:embed dist/index.html dist/app.js dist/app.css dist/LICENSES.txt
var dist embed.FS

// FS holds index.html, app.js, app.css and LICENSES.txt.
func FS() fs.FS {
	files, err := fs.Sub(dist, "dist")
	if err != nil {
		return dist // Cannot be: the path is valid.
	}
	return files
}
