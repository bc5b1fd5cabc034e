// SPDX-License-Identifier: Apache-2.0

// Package apiclient talks to a running Headgate over its control socket, for
// the command line. Every call has a deadline, and a failure says what was
// tried.
package apiclient

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"syscall"
	"time"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/view"
)

// Client is a connection to one control socket.
type Client struct {
	socket string
	http   *http.Client
}

// timeout bounds a call; commands wait for the engine up to five seconds.
const timeout = 10 * time.Second

// New makes a client of the control socket at a path.
func New(socket string) *Client {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", socket)
	}
	return &Client{socket: socket, http: &http.Client{Transport: &http.Transport{DialContext: dial}}}
}

// Close drops idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// List gives the views of all experiments.
func (c *Client) List(ctx context.Context) ([]view.Experiment, error) {
	var list struct {
		Items []view.Experiment `json:"items"`
	}
	err := c.call(ctx, http.MethodGet, "/v1/experiments", nil, nil, &list)
	return list.Items, err
}

// View gives the view of one experiment; an empty name means the only one.
func (c *Client) View(ctx context.Context, name string) (view.Experiment, error) {
	var v view.Experiment
	err := c.call(ctx, http.MethodGet, "/v1/experiment", url.Values{"name": {name}}, nil, &v)
	return v, err
}

// Do gives a command and waits for the decision that it leads to.
func (c *Client) Do(ctx context.Context, name string, command experiment.Command) (experiment.Decision, error) {
	var d experiment.Decision
	err := c.call(ctx, http.MethodPost, "/v1/experiment/commands", url.Values{"name": {name}}, command, &d)
	return d, err
}

// Assign says which version a unit gets now.
func (c *Client) Assign(ctx context.Context, name, unit string) (view.Assignment, error) {
	var a view.Assignment
	err := c.call(ctx, http.MethodGet, "/v1/experiment/assignment", url.Values{"name": {name}, "unit": {unit}}, nil, &a)
	return a, err
}

// Forget deletes the rows that are kept of a unit and says how many there were.
func (c *Client) Forget(ctx context.Context, name, unit string) (rows int64, err error) {
	var answer struct {
		Rows int64 `json:"rows"`
	}
	err = c.call(ctx, http.MethodPost, "/v1/experiment/forget", url.Values{"name": {name}}, map[string]string{"unit": unit}, &answer)
	return answer.Rows, err
}

// maxEntry bounds one journal entry; they are a few kilobytes.
const maxEntry = 16 << 20

// Journal copies the journal, one entry a line, in its own bytes.
func (c *Client) Journal(ctx context.Context, name string, to io.Writer) error {
	ctx, cancel := context.WithTimeout(ctx, 6*timeout)
	defer cancel()
	res, err := c.send(ctx, http.MethodGet, "/v1/experiment/journal", url.Values{"name": {name}}, nil)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	lines := bufio.NewScanner(res.Body)
	lines.Buffer(nil, maxEntry)
	for lines.Scan() {
		if _, err := fmt.Fprintf(to, "%s\n", lines.Bytes()); err != nil {
			return err
		}
	}
	if err := lines.Err(); err != nil {
		return experiment.Errorf(experiment.CodeUnavailable, "read the journal: %w", err)
	}
	return nil
}

func (c *Client) call(ctx context.Context, method, path string, query url.Values, body, into any) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	res, err := c.send(ctx, method, path, query, body)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	if err := json.NewDecoder(io.LimitReader(res.Body, maxEntry)).Decode(into); err != nil {
		return experiment.Errorf(experiment.CodeUnavailable, "read the answer of %s: %w", c.socket, err)
	}
	return nil
}

// send makes a request and turns answers other than success into errors.
func (c *Client) send(ctx context.Context, method, path string, query url.Values, body any) (*http.Response, error) {
	var payload io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return nil, experiment.Errorf(experiment.CodeInternal, "write the request: %w", err)
		}
		payload = bytes.NewReader(text)
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://localhost"+path+"?"+query.Encode(), payload)
	if err != nil {
		return nil, experiment.Errorf(experiment.CodeInternal, "make the request: %w", err)
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := c.http.Do(req)
	if err != nil {
		return nil, c.unreachable(ctx, err)
	}
	if res.StatusCode == http.StatusOK {
		return res, nil
	}
	defer func() { _ = res.Body.Close() }()
	return nil, refusal(res)
}

// unreachable says what is the matter with the socket.
func (c *Client) unreachable(ctx context.Context, err error) error {
	if ctx.Err() != nil && errors.Is(ctx.Err(), context.Canceled) {
		return ctx.Err()
	}
	e := experiment.Errorf(experiment.CodeUnavailable, "reach Headgate at %s: %w", c.socket, err)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ECONNREFUSED) {
		return e.WithHint("is headgate run going? Name its directory with --data")
	}
	return e
}

// refusal reads an error answer back into an error.
func refusal(res *http.Response) error {
	var answer struct {
		Error struct {
			Code    experiment.Code `json:"code"`
			Message string          `json:"message"`
			Hint    string          `json:"hint"`
		} `json:"error"`
	}
	if err := json.NewDecoder(io.LimitReader(res.Body, 1<<20)).Decode(&answer); err != nil || answer.Error.Message == "" {
		return experiment.Errorf(experiment.CodeUnavailable, "Headgate answered %s", res.Status)
	}
	e := experiment.Errorf(answer.Error.Code, "%s", answer.Error.Message)
	if answer.Error.Hint == "" {
		return e
	}
	return e.WithHint("%s", answer.Error.Hint)
}
