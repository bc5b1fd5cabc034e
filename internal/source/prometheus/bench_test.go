// SPDX-License-Identifier: Apache-2.0

package prometheus

import (
	"bytes"
	"fmt"
	"testing"
)

// BenchmarkParseAndCount is what one selector of 20 pods costs beside the
// network: a window of a minute, scraped every 15 s, with its surroundings.
func BenchmarkParseAndCount(b *testing.B) {
	var body bytes.Buffer
	body.WriteString(`{"status":"success","data":{"resultType":"matrix","result":[`)
	for pod := range 20 {
		if pod > 0 {
			body.WriteByte(',')
		}
		fmt.Fprintf(&body, `{"metric":{"__name__":"requests_total","pod":"ranker-v2-5d4f7c9b8d-%05d","code":"200","namespace":"search"},"values":[`, pod)
		for i := range 12 {
			if i > 0 {
				body.WriteByte(',')
			}
			fmt.Fprintf(&body, `[%d.%03d,"%d"]`, 1_700_000_000+15*i, pod, 1000+37*i)
		}
		body.WriteString(`]}`)
	}
	body.WriteString(`]}}`)
	edge := int64(1_700_000_070_000)
	c := clock{phase: edge, edges: []int64{edge, edge + 60_000}, scrape: 15_000, hole: 37_500, whole: true}
	b.SetBytes(int64(body.Len()))
	b.ReportAllocs()
	for b.Loop() {
		a, err := parse(body.Bytes(), "matrix")
		if err != nil {
			b.Fatal(err)
		}
		out := make([]float64, 1)
		for i := range a.series {
			rises, _ := c.rises(a.series[i].samples)
			c.spread(rises, out)
		}
		if out[0] == 0 {
			b.Fatal("nothing counted")
		}
	}
}
