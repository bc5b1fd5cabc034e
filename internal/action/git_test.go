// SPDX-License-Identifier: Apache-2.0

package action

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/config"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/object"
	"github.com/go-git/go-git/v5/plumbing/transport"
	"github.com/google/go-cmp/cmp"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// values is a file as people write it.
const values = `# Who has the traffic.
model:
  version: v1   # the baseline

  replicas: 2
routes:
- {name: v1, weight: 100}
- {name: v2, weight: 0}   # the candidate
`

// remote is a repository that others push to.
type remote struct {
	path string
	repo *git.Repository
}

// newRemote makes one whose branch main has three commits, and needs the program
// git, which serves it as a URL of files does.
func newRemote(t *testing.T) *remote {
	t.Helper()
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("git, which serves file:// repositories, is not installed")
	}
	path := t.TempDir()
	repo, err := git.PlainInitWithOptions(path, &git.PlainInitOptions{Bare: true, InitOptions: git.InitOptions{DefaultBranch: plumbing.Main}})
	if err != nil {
		t.Fatal(err)
	}
	r := &remote{path, repo}
	r.commit(t, map[string]string{"README": "hello"}, "first")
	r.commit(t, map[string]string{"README": "hello", "deploy/values.yaml": values, "deploy/sub/other.txt": "x"}, "second")
	r.commit(t, map[string]string{"README": "hello again", "deploy/values.yaml": values, "deploy/sub/other.txt": "x"}, "third")
	return r
}

// commit pushes one commit as somebody else does.
func (r *remote) commit(t *testing.T, files map[string]string, message string) {
	t.Helper()
	dir := t.TempDir()
	repo, err := git.PlainClone(dir, false, &git.CloneOptions{URL: r.path, ReferenceName: plumbing.Main})
	if errors.Is(err, transport.ErrEmptyRemoteRepository) {
		repo, err = git.PlainInitWithOptions(dir, &git.PlainInitOptions{InitOptions: git.InitOptions{DefaultBranch: plumbing.Main}})
		if err == nil {
			_, err = repo.CreateRemote(&config.RemoteConfig{Name: "origin", URLs: []string{r.path}})
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	tree, err := repo.Worktree()
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range files {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o700); err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(dir, name), text)
		if _, err := tree.Add(name); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := tree.Commit(message, &git.CommitOptions{Author: &object.Signature{Name: "ann", Email: "ann@example.com", When: time.Unix(1e9, 0)}}); err != nil {
		t.Fatal(err)
	}
	if err := repo.Push(&git.PushOptions{RefSpecs: []config.RefSpec{"refs/heads/main:refs/heads/main"}}); err != nil {
		t.Fatal(err)
	}
}

// head is the newest commit, and a file of it.
func (r *remote) head(t *testing.T, file string) (*object.Commit, string) {
	t.Helper()
	ref, err := r.repo.Reference(plumbing.Main, true)
	if err != nil {
		t.Fatal(err)
	}
	c, err := r.repo.CommitObject(ref.Hash())
	if err != nil {
		t.Fatal(err)
	}
	f, err := c.File(file)
	if err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	text, err := f.Contents()
	if err != nil {
		t.Fatal(err)
	}
	return c, text
}

// promotion is the commit of a promotion.
func (r *remote) promotion() experiment.Action {
	return experiment.Action{Name: "promote", Git: &experiment.GitAction{
		Repository: "file://" + r.path, Branch: "main", Message: "promote {{.name}}",
		Files: []experiment.GitFile{
			{Path: "deploy/values.yaml", Set: []experiment.GitEdit{{Path: ".model.version", Value: "{{.name}}"}, {Path: ".routes[1].weight", Value: "100"}, {Path: ".routes[0].weight", Value: "0"}}},
			{Path: "deploy/{{.name}}/note.txt", Content: "{{.name}} it is\n"},
		},
	}}
}

func TestACommitChangesValuesAndNothingElse(t *testing.T) {
	r := newRemote(t)
	res, err := run(t, newRunner(t, Options{Laptop: true}), Owner{}, r.promotion())
	if err != nil {
		t.Fatal(err)
	}
	c, got := r.head(t, "deploy/values.yaml")
	want := strings.NewReplacer("version: v1 ", "version: v2 ", "weight: 100}", "weight: 0}", "weight: 0}", "weight: 100}").Replace(values)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if c.Message != "promote v2\n\nHeadgate-Action: u1/4/onFinish/0\n" || c.Author.Name != "headgate" || c.NumParents() != 1 || res.why != "commit "+c.Hash.String()[:12] {
		t.Errorf("%q by %s, %+v", c.Message, c.Author, res)
	}
	for file, want := range map[string]string{"deploy/v2/note.txt": "v2 it is\n", "deploy/sub/other.txt": "x", "README": "hello again"} {
		if _, text := r.head(t, file); text != want {
			t.Errorf("%s: %q", file, text)
		}
	}
	out, err := exec.CommandContext(t.Context(), "git", "-C", r.path, "fsck", "--strict").CombinedOutput()
	if err != nil {
		t.Errorf("the repository is damaged: %v: %s", err, out)
	}
}

func TestACommitIsMadeOnce(t *testing.T) {
	r := newRemote(t)
	runner := newRunner(t, Options{Laptop: true})
	if _, err := run(t, runner, Owner{}, r.promotion()); err != nil {
		t.Fatal(err)
	}
	r.commit(t, map[string]string{"deploy/values.yaml": values}, "somebody puts it back")
	before, _ := r.head(t, "README")
	res, err := run(t, runner, Owner{}, r.promotion())
	after, _ := r.head(t, "README")
	if err != nil || res.why != "the commit is there already" || before.Hash != after.Hash {
		t.Errorf("%+v, %v, %s after %s", res, err, after.Hash, before.Hash)
	}
}

func TestACommitOfNothingIsNone(t *testing.T) {
	r := newRemote(t)
	a := r.promotion()
	a.Git.Files = []experiment.GitFile{{Path: "README", Content: "hello again"}, {Path: "deploy/values.yaml", Set: []experiment.GitEdit{{Path: ".model.version", Value: `"v1"`}}}}
	before, _ := r.head(t, "README")
	res, err := run(t, newRunner(t, Options{Laptop: true}), Owner{}, a)
	after, _ := r.head(t, "README")
	if err != nil || res.why != "nothing had to be changed" || before.Hash != after.Hash {
		t.Errorf("%+v, %v", res, err)
	}
}

func TestACommitThatLosesARaceIsMadeAgain(t *testing.T) {
	r := newRemote(t)
	// The first push finds that somebody was faster: a hook pushes in between.
	write(t, filepath.Join(r.path, "race"), "once")
	hook := "#!/bin/sh\n[ -f race ] || exit 0\nrm race\n" +
		"tree=$(git rev-parse refs/heads/main^{tree})\n" +
		"c=$(GIT_AUTHOR_NAME=ann GIT_AUTHOR_EMAIL=a@b GIT_COMMITTER_NAME=ann GIT_COMMITTER_EMAIL=a@b git commit-tree -p refs/heads/main -m faster $tree)\n" +
		"unset GIT_QUARANTINE_PATH\ngit update-ref refs/heads/main $c\n"
	path := filepath.Join(r.path, "hooks", "pre-receive")
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(hook), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := run(t, newRunner(t, Options{Laptop: true}), Owner{}, r.promotion()); err != nil {
		t.Fatal(err)
	}
	c, _ := r.head(t, "README")
	parent, err := c.Parent(0)
	if err != nil || !strings.HasPrefix(c.Message, "promote v2") || parent.Message != "faster\n" {
		t.Errorf("%q after %+v, %v", c.Message, parent, err)
	}
}

func TestARepositoryThatIsTooLargeIsNotFetched(t *testing.T) {
	r := newRemote(t)
	a := r.promotion()
	g := &gitTry{action: a.Git, key: "k", document: doc, most: 100}
	if _, err := g.once(t.Context()); !errors.Is(err, errRepository) || fate(gitFailure(err, a.Git)) != "last" {
		t.Error(err)
	}
}

func TestChangesThatCannotBeCommitted(t *testing.T) {
	r := newRemote(t)
	for name, c := range map[string]struct {
		change     func(g *experiment.GitAction)
		want, says string
	}{
		"a branch that is not there": {func(g *experiment.GitAction) { g.Branch = "none" }, "again", "branch none"},
		"a file that is not there":   {func(g *experiment.GitAction) { g.Files[0].Path = "deploy/none.yaml" }, "again", "is not there"},
		"a value that is not there":  {func(g *experiment.GitAction) { g.Files[0].Set[0].Path = ".model.none.deeper" }, "last", "nothing stands"},
		"a folder":                   {func(g *experiment.GitAction) { g.Files[1].Path = "deploy" }, "last", "something else"},
		"a file as a folder":         {func(g *experiment.GitAction) { g.Files[1].Path = "README/x" }, "last", "something else"},
		"a path out of it":           {func(g *experiment.GitAction) { g.Files[1].Path = "../x" }, "last", "no path"},
		"git's own folder":           {func(g *experiment.GitAction) { g.Files[1].Path = ".GIT/config" }, "last", "no path"},
		"ssh":                        {func(g *experiment.GitAction) { g.Repository = "ssh://git@example.com/x" }, "last", ""},
		"ssh, in short":              {func(g *experiment.GitAction) { g.Repository = "git@example.com:x" }, "last", ""},
		"a password in the URL":      {func(g *experiment.GitAction) { g.Repository = "https://a:b@example.com/x" }, "last", "credentials"},
		"a link-local address":       {func(g *experiment.GitAction) { g.Repository = "http://169.254.169.254/x" }, "last", "link-local"},
		"nobody there":               {func(g *experiment.GitAction) { g.Repository = "http://127.0.0.1:1/x" }, "again", "127.0.0.1:1"},
	} {
		t.Run(name, func(t *testing.T) {
			a := r.promotion()
			c.change(a.Git)
			_, err := run(t, newRunner(t, Options{Laptop: true}), Owner{}, a)
			if fate(err) != c.want || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%v (%s)", err, fate(err))
			}
		})
	}
}

func TestFilesOfACluster(t *testing.T) {
	a := experiment.Action{Git: &experiment.GitAction{Repository: "file:///srv/x", Branch: "main"}}
	if _, err := run(t, newRunner(t, Options{}), Owner{}, a); fate(err) != "last" {
		t.Error(err)
	}
}

func TestARepositoryThatWantsAnotherToken(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if user, password, _ := r.BasicAuth(); user != "headgate" || password != "t0ken" {
			t.Errorf("%s:%s", user, password)
		}
		w.WriteHeader(http.StatusUnauthorized)
	}))
	defer s.Close()
	a := experiment.Action{Git: &experiment.GitAction{Repository: s.URL + "/x.git", Branch: "main", Token: &experiment.Secret{Key: "t"}}}
	_, err := run(t, newRunner(t, Options{}), keeper(map[string]string{"t": "t0ken"}), a)
	if fate(err) != "last" || experiment.CodeOf(err) != experiment.CodeUnauthorized || strings.Contains(err.Error(), "t0ken") || experiment.HintOf(err) == "" {
		t.Errorf("%v (%s)", err, experiment.CodeOf(err))
	}
}
