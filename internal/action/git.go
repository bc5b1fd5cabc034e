// SPDX-License-Identifier: Apache-2.0

package action

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/config"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/object"
	"github.com/go-git/go-git/v5/plumbing/transport"
	githttp "github.com/go-git/go-git/v5/plumbing/transport/http"
	"github.com/go-git/go-git/v5/storage/memory"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/outbound"
)

// Trailer is the line of a commit's message that holds the action's key.
const Trailer = "Headgate-Action"

const (
	// gitDepth is how many commits are looked at for the action's own.
	gitDepth = 20
	// gitRaces is how often somebody else may push in between, in one try.
	gitRaces = 4
	// maxRepository bounds what is fetched of a repository, unpacked.
	maxRepository = 256 << 20
)

// errRepository is a repository that does not fit.
var errRepository = fmt.Errorf("its newest commits have more than %d MiB", maxRepository>>20)

// git commits changed files to a branch and pushes it. Nothing is checked out:
// only the changed files and the folders above them are made anew.
func (r *Runner) git(ctx context.Context, j *job, a *experiment.GitAction) (result, error) {
	s := &secrets{owner: &j.owner}
	token, err := s.read(ctx, "token of the repository", a.Token)
	if err != nil {
		return result{}, s.hidden(err)
	}
	if err := r.reachable(ctx, a.Repository); err != nil {
		return result{}, s.hidden(err)
	}
	g := &gitTry{action: a, key: j.task.Key, label: j.task.Label, document: j.task.Document, most: maxRepository}
	if token != "" {
		g.auth = &githttp.BasicAuth{Username: cmp.Or(a.Username, "headgate"), Password: token}
	}
	var why string
	for range gitRaces {
		if why, err = g.once(ctx); !raced(err) {
			break
		}
	}
	return result{why: why}, s.hidden(gitFailure(err, a))
}

// reachable refuses repositories that are not asked.
func (r *Runner) reachable(ctx context.Context, repository string) error {
	u, err := url.Parse(repository)
	switch {
	case err != nil:
		return hopeless(invalid("the repository is no URL"))
	case u.User != nil:
		return hopeless(invalid("the repository's URL carries credentials").WithHint("put them into username and token, which is a secret"))
	case u.Scheme == "file" && r.options.Laptop:
		return nil
	case u.Scheme != "https" && u.Scheme != "http" || u.Host == "":
		return hopeless(invalid("a repository is asked over https, not %q", short(u.Scheme, 20)).WithHint("write https://HOST/PATH.git, and give a token"))
	}
	// The library dials by itself, so its addresses are looked at before.
	addresses, err := net.DefaultResolver.LookupNetIP(ctx, "ip", u.Hostname())
	if err == nil && slices.ContainsFunc(addresses, outbound.LinkLocal) {
		return hopeless(invalid("ask %s: %w", where(u), outbound.ErrLinkLocal))
	}
	return nil
}

// raced says that somebody else pushed meanwhile.
func raced(err error) bool {
	if err == nil {
		return false
	}
	text := err.Error()
	return errors.Is(err, git.ErrForceNeeded) || slices.ContainsFunc([]string{"non-fast-forward", "failed to update ref", "cannot lock ref", "fetch first", "incorrect old value"}, func(s string) bool {
		return strings.Contains(text, s)
	})
}

// gitFailure gives a failure its class.
func gitFailure(err error, a *experiment.GitAction) error {
	if err == nil {
		return nil
	}
	if _, known := errors.AsType[*experiment.Error](err); known {
		return err
	}
	out := unavailable("branch %s of %s: %w", a.Branch, a.Repository, err)
	switch {
	case errors.Is(err, transport.ErrAuthenticationRequired), errors.Is(err, transport.ErrAuthorizationFailed):
		out.Code = experiment.CodeUnauthorized
		return hopeless(out.WithHint("give a token that may push: token: {name: SECRET, key: KEY}"))
	case errors.Is(err, transport.ErrRepositoryNotFound), errors.Is(err, errRepository):
		out.Code = experiment.CodeInvalid
		return hopeless(out)
	}
	return out
}

// gitTry is one try of a commit.
type gitTry struct {
	action     *experiment.GitAction
	auth       transport.AuthMethod
	key, label string
	document   map[string]any
	most       int64
}

// once clones, commits and pushes; why says why nothing had to be pushed.
func (g *gitTry) once(ctx context.Context) (why string, err error) {
	branch := plumbing.NewBranchReferenceName(g.action.Branch)
	store := &boundedStore{Storage: memory.NewStorage(), left: g.most}
	repo, err := git.CloneContext(ctx, store, nil, &git.CloneOptions{
		URL: g.action.Repository, Auth: g.auth, ReferenceName: branch, SingleBranch: true, Depth: gitDepth, NoCheckout: true, Tags: git.NoTags,
	})
	if err != nil {
		return "", fmt.Errorf("clone: %w", err)
	}
	head, err := repo.Reference(branch, true)
	if err != nil {
		return "", fmt.Errorf("clone: %w", err)
	}
	parent, err := repo.CommitObject(head.Hash())
	if err != nil {
		return "", fmt.Errorf("clone: %w", err)
	}
	if g.committed(repo, parent) {
		return "the commit is there already", nil
	}
	tree := parent.TreeHash
	for i := range g.action.Files {
		if tree, err = changeFile(store, tree, &g.action.Files[i]); err != nil {
			return "", err
		}
	}
	if tree == parent.TreeHash {
		return "nothing had to be changed", nil
	}
	commit, err := g.commit(store, parent.Hash, tree)
	if err != nil {
		return "", fmt.Errorf("commit: %w", err)
	}
	if err := store.SetReference(plumbing.NewHashReference(branch, commit)); err != nil {
		return "", fmt.Errorf("commit: %w", err)
	}
	err = repo.PushContext(ctx, &git.PushOptions{RemoteName: git.DefaultRemoteName, Auth: g.auth, RefSpecs: []config.RefSpec{config.RefSpec(branch + ":" + branch)}})
	if err != nil && !errors.Is(err, git.NoErrAlreadyUpToDate) {
		return "", fmt.Errorf("push: %w", err)
	}
	return "commit " + commit.String()[:12], nil
}

// committed looks for the action's own commit among the newest of the branch.
func (g *gitTry) committed(repo *git.Repository, newest *object.Commit) bool {
	commits, err := repo.Log(&git.LogOptions{From: newest.Hash})
	if err != nil {
		return false
	}
	defer commits.Close()
	for range gitDepth {
		c, err := commits.Next()
		if c != nil && slices.Contains(strings.Split(c.Message, "\n"), Trailer+": "+g.key) {
			return true
		}
		if err != nil { // io.EOF, or what is older than what was fetched.
			return false
		}
	}
	return false
}

// commit writes a commit.
func (g *gitTry) commit(store *boundedStore, parent, tree plumbing.Hash) (plumbing.Hash, error) {
	who := object.Signature{Name: "headgate", Email: "headgate@headgate.dev", When: time.Now()}
	message := cmp.Or(strings.TrimSpace(g.action.Message), g.label+": "+strings.ReplaceAll(summary(g.document), "*", ""))
	c := &object.Commit{
		Author: who, Committer: who, TreeHash: tree, ParentHashes: []plumbing.Hash{parent},
		Message: message + "\n\n" + Trailer + ": " + g.key + "\n",
	}
	return encoded(store, c)
}

// encoded stores an object.
func encoded(store *boundedStore, o interface {
	Encode(into plumbing.EncodedObject) error
},
) (plumbing.Hash, error) {
	into := store.NewEncodedObject()
	if err := o.Encode(into); err != nil {
		return plumbing.ZeroHash, err
	}
	return store.SetEncodedObject(into)
}

// boundedStore keeps a repository in memory, as far as it fits.
type boundedStore struct {
	*memory.Storage
	left int64
}

// SetEncodedObject stores an object.
func (b *boundedStore) SetEncodedObject(o plumbing.EncodedObject) (plumbing.Hash, error) {
	if b.left -= o.Size(); b.left < 0 {
		return plumbing.ZeroHash, errRepository
	}
	return b.Storage.SetEncodedObject(o)
}

// readBlob reads a file.
func readBlob(store *boundedStore, hash plumbing.Hash, name string) ([]byte, error) {
	blob, err := object.GetBlob(store, hash)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	from, err := blob.Reader()
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	defer func() { _ = from.Close() }()
	text, err := io.ReadAll(io.LimitReader(from, maxFile+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("read %s: %w", name, err)
	case len(text) > maxFile:
		return nil, hopeless(invalid("%s has more than %d MiB", name, maxFile>>20))
	}
	return text, nil
}
