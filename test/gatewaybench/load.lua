-- SPDX-License-Identifier: Apache-2.0
-- The same requests for every proxy: 5,000 units in turn.
local requests = {}
local n = 0

function init()
  local body = string.rep("x", 200)
  for i = 1, 5000 do
    requests[i] = wrk.format("POST", "/v1/models/m:predict", {
      ["Content-Type"] = "application/octet-stream",
      ["X-User-Id"] = string.format("user-%d", i),
    }, body)
  end
end

function request()
  n = n % 5000 + 1
  return requests[n]
end

function done(summary, latency)
  local e = summary.errors
  io.write(string.format("RESULT %d %d %d %d %d\n", summary.requests, summary.duration,
    latency:percentile(50), latency:percentile(99), e.connect + e.read + e.write + e.status + e.timeout))
end
