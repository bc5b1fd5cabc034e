// SPDX-License-Identifier: Apache-2.0

package servers_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/headgate-dev/headgate/test/servers"
)

func TestPrometheusAnswersWithWhatItScrapes(t *testing.T) {
	exporter := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; version=0.0.4")
		_, _ = fmt.Fprintln(w, `requests_total{version="v2"} 42`)
	}))
	t.Cleanup(exporter.Close)
	at := servers.Prometheus(t, fmt.Sprintf(`
global: {scrape_interval: 100ms}
scrape_configs:
- job_name: test
  static_configs: [{targets: [%q]}]
`, strings.TrimPrefix(exporter.URL, "http://")))
	eventually(t, func() error {
		res, err := http.Get(at + "/api/v1/query?query=" + url.QueryEscape(`sum by (version) (requests_total)`))
		if err != nil {
			return err
		}
		defer func() { _ = res.Body.Close() }()
		var answer struct {
			Data struct {
				Result []struct {
					Metric map[string]string
					Value  [2]any
				}
			}
		}
		if err := json.NewDecoder(res.Body).Decode(&answer); err != nil {
			return err
		}
		r := answer.Data.Result
		if len(r) != 1 || r[0].Metric["version"] != "v2" || r[0].Value[1] != "42" {
			return fmt.Errorf("answered %+v", answer)
		}
		return nil
	})
}
