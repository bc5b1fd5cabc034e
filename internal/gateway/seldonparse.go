// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"bytes"
	"strings"

	"github.com/tidwall/gjson"
)

// The tags by which a model or a client can hand on what the gateway's headers
// said.
const (
	tagVersion  = "headgate-version"
	tagExposure = "headgate-exposure"
)

// feedback is what a Seldon feedback says of the prediction that it is about.
// What is not there, or is of another type than it should be, is empty.
type feedback struct {
	// puid is the answer's, requestPuid the request's.
	puid, requestPuid string
	// version and exposure are tags.
	version, exposure string
	// routing and requestPath are objects of the answer's, if they exist.
	routing, requestPath gjson.Result
	// request is the request that was predicted for; nil if it is not there.
	request []byte
}

// readFeedback reads a body that is valid JSON, or nothing.
func readFeedback(body []byte) (f feedback) {
	// gjson would look for objects inside of a string.
	if b := bytes.TrimLeft(body, " \t\r\n"); len(b) == 0 || b[0] != '{' {
		return f
	}
	if request := gjson.GetBytes(body, "request"); request.IsObject() {
		f.request = []byte(request.Raw)
		f.requestPuid = stringIn(request.Get("meta"), "puid")
	}
	meta := gjson.GetBytes(body, "response.meta")
	f.puid = stringIn(meta, "puid")
	if !meta.IsObject() {
		return f
	}
	tags := meta.Get("tags")
	f.version, f.exposure = stringIn(tags, tagVersion), stringIn(tags, tagExposure)
	f.routing, f.requestPath = meta.Get("routing"), meta.Get("requestPath")
	return f
}

// stringIn is the string that an object has by a name, or nothing.
func stringIn(object gjson.Result, name string) string {
	if !object.IsObject() {
		return ""
	}
	if v := object.Get(name); v.Type == gjson.String {
		return v.Str
	}
	return ""
}

// inRouting is the index that the answer's routing gives for the experiment, as
// if it were one of Seldon's routers: by the experiment's id or the name at its
// end. Other routers are the model's own. Negative is none, as in Seldon.
func (f *feedback) inRouting(experiment string) int {
	if !f.routing.IsObject() {
		return -1
	}
	name := experiment[strings.LastIndexByte(experiment, '/')+1:]
	found := -1
	f.routing.ForEach(func(key, value gjson.Result) bool {
		if key.Str != experiment && key.Str != name {
			return true
		}
		if n := value.Int(); value.Type == gjson.Number && float64(n) == value.Num && n >= 0 && n < 1<<16 {
			found = int(n)
		}
		return false
	})
	return found
}

// inRequestPath is the version that made the answer by the models that it
// passed, which are written as name: image. A version is named by its own name
// or its model's, as a model's name or as an image's tag. Where that names two,
// or none, it is negative.
func (f *feedback) inRequestPath(versions []version) int {
	if !f.requestPath.IsObject() {
		return -1
	}
	found, several := -1, false
	f.requestPath.ForEach(func(key, value gjson.Result) bool {
		image, tag := value.Str, ""
		if i := strings.LastIndexByte(image, ':'); i > strings.LastIndexByte(image, '/') {
			tag = image[i+1:]
		}
		for i := range versions {
			if !versions[i].called(key.Str) && (tag == "" || versions[i].name != tag) {
				continue
			}
			several = several || found >= 0 && found != i
			found = i
		}
		return !several
	})
	if several {
		return -1
	}
	return found
}

// called says whether a model server knows the version by a name.
func (v *version) called(name string) bool {
	return name != "" && (v.name == name || v.model == name)
}
