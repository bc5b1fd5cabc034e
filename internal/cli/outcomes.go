// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/headgate-dev/headgate/internal/apiclient"
	"github.com/headgate-dev/headgate/internal/app/local"
	"github.com/headgate-dev/headgate/internal/backfill"
	"github.com/headgate-dev/headgate/internal/experiment"
)

const outcomesLong = `Sends outcomes and labels that lie in a file or a database to Headgate, 1,000 a
call, in their order. It may be repeated: what was sent before counts once.

Each row is one outcome. Its columns, or fields of JSON, are
  token, unit or request  what it is about, exactly one of them
  event                   its name (--event gives all rows one)
  label, value            the true class, or a number (1 where neither column is)
  time                    when it happened; without a zone it is UTC, a whole
                          number is seconds since 1970; the time of arrival if left out
  key                     makes it count once
--map label=truth,key=id names columns that are called otherwise; --map key=
passes one over. Columns with other names are not used; one that is nearly a
name from above is refused.

KEYS. A row without a key gets one made of all that it says. So
  - a row with a time counts once, in whatever file or order it comes again; two
    rows that say the same at the same time are one: give them keys if they are two;
  - a row of a file without a time is known by the file's name (not its folder) and
    its line as well: lines may be appended to the file, and not put between;
  - rows of a query without a time that say the same are one;
  - standard input has no name, so its rows want a time or a key.
Headgate remembers keys as long as an outcome can count, and a day longer.

FILES (-f) are .csv and .tsv with a header, or .ndjson and .jsonl with one JSON
object a line; --format says so for other names and for -, standard input.

QUERIES (--database, --query) run in a transaction that can only read. $1 in the
query is the time of --since. --since-file FILE keeps that time between runs: the
greatest one up to which everything was acknowledged. The query must then ORDER BY
its time. @FILE reads the URL or the query from a file, so that a password is not
in the list of processes; PGPASSWORD and ~/.pgpass work, too.

A bad row ends the sending (what was sent before it stays), unless --skip-bad
lets so many of them pass; each is named on stderr. --dry-run reads and checks
everything and sends nothing; what only Headgate can know, such as whether a token
has expired, it cannot tell.

The exit code is 0 if all was sent, whatever became of it, 1 if Headgate, the file
or the database could not be reached, 2 if a flag, a row or the query is wrong.`

// outcomesFlags are the flags of headgate outcomes.
type outcomesFlags struct {
	file, format string
	query        backfill.Query
	sinceFile    string
	columns      backfill.Columns
	renamed      string
	to           apiclient.OutcomesOptions
	tokenFile    string
	dryRun       bool
	skipBad      int
	output       format
	began        time.Time
	source       string
	since        *backfill.Since
}

func outcomesCommand(s IO) *cobra.Command {
	var x outcomesFlags
	c := &cobra.Command{
		Use:   "outcomes (-f FILE | --database URL --query SQL) --to URL",
		Short: "send outcomes and labels that lie in a file or a database",
		Long:  outcomesLong,
		Example: `  headgate outcomes -f labels.csv --event fraud --to http://127.0.0.1:9090
  headgate outcomes -f export.csv --map request=id,label=truth --event fraud --dry-run
  headgate outcomes --database @/etc/headgate/database --event fraud --since 2026-11-01 --since-file sent.txt \
      --query 'SELECT request, label, decided_at AS time, id AS key FROM decisions WHERE decided_at > $1 ORDER BY decided_at' \
      --to http://127.0.0.1:9090`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usageError{fmt.Errorf("%q is not understood: files are named with -f", args[0])}
			}
			return nil
		},
		RunE: func(c *cobra.Command, _ []string) error { return x.run(c.Context(), s, c.InOrStdin()) },
	}
	f := c.Flags()
	f.StringVarP(&x.file, "filename", "f", "", "the file of rows; - is standard input")
	f.StringVar(&x.format, "format", "", "csv, tsv or ndjson (default by the file's name)")
	f.StringVar(&x.query.Database, "database", "", "postgres://… or sqlite:PATH, or @FILE with it")
	f.StringVar(&x.query.SQL, "query", "", "one SELECT, or @FILE with it")
	f.StringVar(&x.query.Since, "since", "", "the time that $1 in the query is")
	f.StringVar(&x.sinceFile, "since-file", "", "a file that keeps $1 between runs; before the first one --since is needed")
	f.DurationVar(&x.query.Timeout, "query-timeout", backfill.DefaultQueryTimeout, "the longest that a step of the query may take")
	f.StringVar(&x.columns.Event, "event", "", "the event of all rows")
	f.StringVar(&x.renamed, "map", "", "columns of other names, as in label=truth,key=id")
	f.StringVar(&x.to.URL, "to", "", "the address of the API, such as http://127.0.0.1:9090")
	f.StringVar(&x.to.Experiment, "experiment", "", "the experiment of the outcomes, if the API serves several")
	f.StringVar(&x.tokenFile, "token-file", "", "a file with the bearer token that the API asks for")
	f.DurationVar(&x.to.Patience, "retry-for", time.Minute, "for how long to try a batch that is not acknowledged")
	f.BoolVar(&x.dryRun, "dry-run", false, "read and check everything, send nothing")
	f.IntVar(&x.skipBad, "skip-bad", 0, "how many bad rows to pass over")
	x.output.flag(c, "json")
	return c
}

func (x *outcomesFlags) run(ctx context.Context, s IO, stdin io.Reader) error {
	if err := x.complete(s); err != nil {
		return err
	}
	var poster backfill.Poster
	if !x.dryRun {
		client, err := apiclient.NewOutcomes(x.to)
		if err != nil {
			return err
		}
		defer client.Close()
		poster = client
	}
	source, err := x.open(ctx, stdin)
	if err != nil {
		return err
	}
	defer source.Close()
	x.began = time.Now()
	progress := newOutcomesProgress(s, x.began)
	r, err := backfill.Run(ctx, source, poster, backfill.Options{
		Columns: x.columns, DryRun: x.dryRun, SkipBad: x.skipBad, Since: x.since, Progress: progress.show,
		Skipped: func(b *backfill.BadRow) {
			progress.close()
			fmt.Fprintln(s.Err, "headgate: skipped:", b.Error())
		},
	})
	progress.close()
	if names := source.Unused(); len(names) > 0 {
		fmt.Fprintln(s.Err, "headgate: not used:", clip(strings.Join(names, ", "), loadWidth-20, false))
	}
	if r.Rows == 0 && err != nil {
		return err
	}
	if werr := x.write(s, r, err != nil); werr != nil {
		return errors.Join(err, werr)
	}
	if err == nil && r.Sent > 0 && r.Accepted+r.Duplicates == 0 {
		fmt.Fprintln(s.Err, "headgate: hint:", noneAccepted(r))
	}
	return err
}

// noneAccepted says why all may have been in vain.
func noneAccepted(r backfill.Report) string {
	if r.Late > r.Unmatched {
		return "all came after their windows were sealed; a metric's window must be longer than its outcomes take"
	}
	return "nothing was found that these are about: is the event that of a metric, and were the units or requests exposed?"
}

// complete reads what the flags name, and refuses those that contradict.
func (x *outcomesFlags) complete(s IO) error {
	if err := x.output.check(); err != nil {
		return err
	}
	asked := x.query.Database != "" || x.query.SQL != ""
	switch {
	case x.file == "" && !asked:
		return usageError{errors.New("-f: is missing (name a file of rows, or --database and --query)")}
	case x.file != "" && asked:
		return usageError{errors.New("-f: stands beside --database or --query (want one of them)")}
	case x.file == "" && x.query.Database == "":
		return usageError{errors.New("--database: is missing beside --query")}
	case x.file == "" && x.query.SQL == "":
		return usageError{errors.New("--query: is missing beside --database")}
	case x.file != "" && (x.query.Since != "" || x.sinceFile != ""):
		return usageError{errors.New("--since: is for queries; a file is sent whole, and counts once")}
	case x.skipBad < 0:
		return usageError{fmt.Errorf("--skip-bad: %d is below 0", x.skipBad)}
	case x.query.Timeout <= 0 || x.to.Patience < 0:
		return usageError{errors.New("--query-timeout and --retry-for: want a time such as 2m")}
	}
	var err error
	if x.columns.Renamed, err = backfill.ParseRenamed(x.renamed); err != nil {
		return err
	}
	if x.tokenFile != "" {
		if x.to.Token, err = local.ReadToken(x.tokenFile); err != nil {
			return err
		}
	}
	x.to.Retrying = func(err error, wait time.Duration) {
		fmt.Fprintf(s.Err, "headgate: %v; trying again in %s\n", err, wait.Round(10*time.Millisecond))
	}
	x.source = filepath.Base(x.file)
	if x.file == "-" {
		x.source = "standard input"
	}
	if x.file == "" {
		x.source = "the query"
		return x.completeQuery()
	}
	return nil
}

func (x *outcomesFlags) completeQuery() (err error) {
	if x.query.Database, err = atFile("--database", x.query.Database); err != nil {
		return err
	}
	if x.query.SQL, err = atFile("--query", x.query.SQL); err != nil {
		return err
	}
	if x.sinceFile == "" {
		return nil
	}
	x.since = backfill.NewSince(x.sinceFile)
	known, err := x.since.Read()
	if known == "" && err == nil && x.query.Since == "" {
		return usageError{fmt.Errorf("--since-file: %s is not there yet (say with --since where to begin)", x.sinceFile)}
	}
	x.query.Since = cmp.Or(known, x.query.Since)
	return err
}

// maxQuery bounds a query or an address that is read of a file.
const maxQuery = 1 << 20

// atFile is a text, or what the file after its @ holds.
func atFile(flag, s string) (string, error) {
	name, ok := strings.CutPrefix(s, "@")
	if !ok {
		return s, nil
	}
	f, err := os.Open(name)
	if err != nil {
		return "", usageError{fmt.Errorf("%s: %w", flag, err)}
	}
	defer func() { _ = f.Close() }()
	text, err := io.ReadAll(io.LimitReader(f, maxQuery+1))
	if err != nil {
		return "", experiment.Errorf(experiment.CodeUnavailable, "%s: %w", flag, err)
	}
	if len(text) > maxQuery {
		return "", usageError{fmt.Errorf("%s: %s has more than %d bytes", flag, name, maxQuery)}
	}
	return strings.TrimSpace(string(text)), nil
}

func (x *outcomesFlags) open(ctx context.Context, stdin io.Reader) (backfill.Source, error) {
	if x.file != "" {
		return backfill.OpenFile(x.file, x.format, stdin, x.columns)
	}
	return backfill.OpenQuery(ctx, x.query, x.columns)
}
