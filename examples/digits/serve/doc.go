// SPDX-License-Identifier: Apache-2.0

// Package serve puts one model of package digits behind HTTP, the way real
// model servers do, so that the demo's traffic meets what it would meet in
// production. The model is called "digits" and its version is the model's kind.
//
// One server speaks three protocols, each with its own way to say no:
//
//	Open Inference Protocol   POST /v2/models/digits[/versions/{v}]/infer
//	KServe v1                 POST /v1/models/digits:predict
//	Seldon Core v1            POST /api/v1.0/predictions, /api/v0.1/predictions
//
// A server can be told to be slow or to fail on a share of its predictions, see
// Faults: a bad candidate for the demo that is bad for a reason.
//
// It promises to listen on the loopback interface only, to bound what it reads
// and how long anything takes, and to refuse what is not an image of a digit
// with an error that says where and why.
package serve
