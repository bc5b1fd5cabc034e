package main

import _ "github.com/evanw/esbuild/pkg/api"

func main() {}
