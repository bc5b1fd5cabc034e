// SPDX-License-Identifier: Apache-2.0

package test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"iter"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	kubeapi "github.com/headgate-dev/headgate/api/kube"
	"github.com/headgate-dev/headgate/internal/experiment"
	recordkube "github.com/headgate-dev/headgate/internal/record/kube"
	"github.com/headgate-dev/headgate/internal/record/recordtest"
	"github.com/headgate-dev/headgate/test/servers"
)

const recordCRDs = "../config/crd/headgate.dev_experimentrecords.yaml"

// inNamespace is a store whose ids are names in one namespace.
type inNamespace struct {
	*recordkube.Store
	namespace string
}

func (s inNamespace) id(id string) string {
	if id == "" {
		return ""
	}
	return s.namespace + "/" + strings.ReplaceAll(id, "/", ".")
}

func (s inNamespace) Load(ctx context.Context, id string) (experiment.Record, error) {
	return s.Store.Load(ctx, s.id(id))
}

func (s inNamespace) Save(ctx context.Context, id string, rec experiment.Record, entries ...experiment.Entry) (experiment.Record, error) {
	return s.Store.Save(ctx, s.id(id), rec, entries...)
}

func (s inNamespace) Journal(ctx context.Context, id string, from int64) iter.Seq2[experiment.Entry, error] {
	return s.Store.Journal(ctx, s.id(id), from)
}

func (s inNamespace) List(ctx context.Context) ([]string, error) {
	ids, err := s.Store.List(ctx)
	for i := range ids {
		ids[i] = strings.ReplaceAll(strings.TrimPrefix(ids[i], s.namespace+"/"), ".", "/")
	}
	return ids, err
}

// recordClient knows the kinds of api/kube.
func recordClient(t *testing.T, config *rest.Config) client.WithWatch {
	t.Helper()
	scheme := runtime.NewScheme()
	if err := kubeapi.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	cl, err := client.NewWithWatch(config, client.Options{Scheme: scheme})
	if err != nil {
		t.Fatal(err)
	}
	return cl
}

// TestKubeRecords holds the store of ExperimentRecord objects to what every
// store promises, on a real API server with Headgate's own definition, and to
// what only it does.
func TestKubeRecords(t *testing.T) {
	c := servers.APIServer(t)
	c.Install(t, servers.CRDsOf(t, recordCRDs)...)
	cl := recordClient(t, c.Config)
	t.Run("contract", func(t *testing.T) {
		recordtest.Run(t, func(t *testing.T, dir string) recordtest.Store {
			h := fnv.New64a()
			h.Write([]byte(dir))
			ns := fmt.Sprintf("record-%x", h.Sum64())
			c.Namespace(t, ns)
			return inNamespace{recordkube.New(cl, recordkube.Options{Namespace: ns}), ns}
		})
	})
	c.Namespace(t, "records")
	for name, test := range map[string]func(*testing.T, *servers.Cluster, client.WithWatch){
		"the newest 200 entries are kept, the others counted":      recordsKept,
		"what would be too large drops its oldest entries":         recordsLarge,
		"a record goes with its experiment and is no one else's":   recordsOwner,
		"data that cannot be read are left as they are":            recordsDamaged,
		"a missing right, CRD or server is told apart":             recordsFailures,
		"a record that was deleted meanwhile is not written again": recordsDeleted,
	} {
		t.Run(name, func(t *testing.T) { test(t, c, cl) })
	}
}

func recordOf(t *testing.T, cl client.Client, name string) *kubeapi.ExperimentRecord {
	t.Helper()
	o := &kubeapi.ExperimentRecord{}
	if err := cl.Get(t.Context(), types.NamespacedName{Namespace: "records", Name: name}, o); err != nil {
		t.Fatal(err)
	}
	return o
}

// numbersOf are the numbers of a journal's entries.
func numbersOf(t *testing.T, s *recordkube.Store, id string, from int64) (first, last int64, n int) {
	t.Helper()
	entries, err := recordtest.Journal(t.Context(), s, id, from)
	wantCode(t, "journal", err, "")
	for i := range entries {
		if i > 0 && entries[i].Seq != entries[i-1].Seq+1 {
			t.Fatalf("entry %d follows %d", entries[i].Seq, entries[i-1].Seq)
		}
	}
	if len(entries) == 0 {
		return 0, 0, 0
	}
	return entries[0].Seq, entries[len(entries)-1].Seq, len(entries)
}

func recordsKept(t *testing.T, _ *servers.Cluster, cl client.WithWatch) {
	s := recordkube.New(cl, recordkube.Options{})
	rec := experiment.Record{}
	for seq := int64(0); seq < 260; {
		next := recordtest.Sample(int(seq))
		next.Revision, next.Entries = rec.Revision, rec.Entries
		var lines []experiment.Entry
		for range 1 + seq%7 {
			lines = append(lines, recordtest.Line(seq))
			seq++
		}
		var err error
		if rec, err = s.Save(t.Context(), "records/kept", next, lines...); err != nil {
			t.Fatal(err)
		}
	}
	first, last, n := numbersOf(t, s, "records/kept", 0)
	if n != 200 || last != rec.Entries-1 {
		t.Errorf("entries %d to %d are kept of %d, want the last 200", first, last, rec.Entries)
	}
	if got, _, _ := numbersOf(t, s, "records/kept", first+17); got != first+17 {
		t.Errorf("the journal from %d begins with %d", first+17, got)
	}
	_, err := recordtest.Journal(t.Context(), s, "records/kept", first-1)
	dropped := &recordkube.Dropped{}
	if experiment.CodeOf(err) != experiment.CodeNotFound || !errors.As(err, &dropped) || dropped.Oldest != first || dropped.From != first-1 {
		t.Errorf("the journal from what was dropped: %v", err)
	}
	got := recordOf(t, cl, "kept")
	if got.Revision != rec.Revision || got.Entries != rec.Entries || got.Engine != "test" {
		t.Errorf("the object says revision %d, %d entries, engine %q; want %d, %d and test", got.Revision, got.Entries, got.Engine, rec.Revision, rec.Entries)
	}
	entries, err := recordtest.Journal(t.Context(), s, "records/kept", last)
	wantCode(t, "journal", err, "")
	if diff := cmp.Diff([]experiment.Entry{recordtest.Line(last)}, entries); diff != "" {
		t.Errorf("the newest entry (-want +got):\n%s", diff)
	}
	t.Logf("200 small entries: %d bytes", len(got.Data))
}

// noise is text that does not compress.
func noise(n int) string {
	r := rand.New(rand.NewPCG(1, uint64(n)))
	var b strings.Builder
	for b.Len() < n {
		fmt.Fprintf(&b, "%016x", r.Uint64())
	}
	return b.String()[:n]
}

func recordsLarge(t *testing.T, _ *servers.Cluster, cl client.WithWatch) {
	s := recordkube.New(cl, recordkube.Options{})
	rec := experiment.Record{}
	large := func(seq int64, size int) experiment.Entry {
		e := recordtest.Line(seq)
		e.Hash = noise(size + int(seq))
		return e
	}
	for seq := range int64(20) {
		next := recordtest.Sample(int(seq))
		next.Revision, next.Entries = rec.Revision, rec.Entries
		var err error
		if rec, err = s.Save(t.Context(), "records/large", next, large(seq, 100_000)); err != nil {
			t.Fatal(err)
		}
	}
	first, last, n := numbersOf(t, s, "records/large", 0)
	if last != 19 || n < 6 || n > 12 {
		t.Errorf("entries %d to %d are kept", first, last)
	}
	object := recordOf(t, cl, "large")
	if len(object.Data) > kubeapi.MaxRecordData {
		t.Errorf("%d bytes", len(object.Data))
	}
	t.Logf("%d large entries: %d bytes", n, len(object.Data))
	// What is being saved is never dropped: it is refused, and nothing written.
	next := recordtest.Sample(20)
	next.Revision, next.Entries = rec.Revision, rec.Entries
	_, err := s.Save(t.Context(), "records/large", next, large(20, 2_000_000))
	wantCode(t, "an entry that does not fit", err, experiment.CodeInvalid, "PostgreSQL", "524288")
	next.Hold = noise(2_000_000)
	_, err = s.Save(t.Context(), "records/large", next)
	wantCode(t, "a record that does not fit", err, experiment.CodeInvalid, "PostgreSQL")
	if after := recordOf(t, cl, "large"); after.ResourceVersion != object.ResourceVersion {
		t.Error("the object was written all the same")
	}
	next.Hold = ""
	_, err = s.Save(t.Context(), "records/large", next, large(20, 100))
	wantCode(t, "save after a refusal", err, "")
}

func recordsOwner(t *testing.T, _ *servers.Cluster, cl client.WithWatch) {
	uid := types.UID("first")
	s := recordkube.New(cl, recordkube.Options{Owner: func(_ context.Context, key types.NamespacedName) (types.UID, error) {
		if key.Name == "nobody" {
			return "", experiment.Errorf(experiment.CodeNotFound, "no such experiment")
		}
		return uid, nil
	}})
	rec, err := s.Save(t.Context(), "records/owned", recordtest.Sample(0), recordtest.Line(0))
	wantCode(t, "save", err, "")
	yes := true
	want := []metav1.OwnerReference{{
		APIVersion: "headgate.dev/v1alpha1", Kind: "Experiment", Name: "owned", UID: "first", Controller: &yes, BlockOwnerDeletion: &yes,
	}}
	if diff := cmp.Diff(want, recordOf(t, cl, "owned").OwnerReferences); diff != "" {
		t.Errorf("owner (-want +got):\n%s", diff)
	}
	uid = "second" // Deleted and made again, before the old record was collected.
	_, err = s.Load(t.Context(), "records/owned")
	wantCode(t, "load a former experiment's record", err, experiment.CodeNotFound, "former")
	_, err = recordtest.Journal(t.Context(), s, "records/owned", 0)
	wantCode(t, "read a former experiment's journal", err, experiment.CodeNotFound)
	_, err = s.Save(t.Context(), "records/owned", rec)
	wantCode(t, "save over a former experiment's record", err, experiment.CodeConflict)
	_, err = s.Save(t.Context(), "records/owned", recordtest.Sample(7), recordtest.Line(0))
	wantCode(t, "begin anew", err, "")
	got, err := s.Load(t.Context(), "records/owned")
	if err != nil || got.State.Step != 7 || got.Revision != 1 || recordOf(t, cl, "owned").OwnerReferences[0].UID != "second" {
		t.Errorf("loaded step %d, revision %d, %v", got.State.Step, got.Revision, err)
	}
	_, err = s.Load(t.Context(), "records/nobody")
	wantCode(t, "load nobody's record", err, experiment.CodeNotFound)
	_, err = s.Load(t.Context(), "owned")
	wantCode(t, "an id without a namespace", err, experiment.CodeInvalid, "search/ranker")
}

func recordsDamaged(t *testing.T, _ *servers.Cluster, cl client.WithWatch) {
	s := recordkube.New(cl, recordkube.Options{})
	rec, err := s.Save(t.Context(), "records/damaged", recordtest.Sample(0), recordtest.Line(0))
	wantCode(t, "save", err, "")
	object := recordOf(t, cl, "damaged")
	object.Data = bytes.Clone(object.Data)
	object.Data[len(object.Data)/3] ^= 0xff
	if err := cl.Update(t.Context(), object); err != nil {
		t.Fatal(err)
	}
	before := recordOf(t, cl, "damaged").ResourceVersion
	_, err = s.Load(t.Context(), "records/damaged")
	wantCode(t, "load", err, experiment.CodeInvalid, "records/damaged", "backup")
	_, err = s.Save(t.Context(), "records/damaged", rec, recordtest.Line(1))
	wantCode(t, "save", err, experiment.CodeInvalid)
	_, err = s.Save(t.Context(), "records/damaged", experiment.Record{})
	wantCode(t, "begin anew", err, experiment.CodeInvalid)
	if after := recordOf(t, cl, "damaged").ResourceVersion; after != before {
		t.Error("the damaged object was written")
	}
}

func recordsDeleted(t *testing.T, _ *servers.Cluster, cl client.WithWatch) {
	s := recordkube.New(cl, recordkube.Options{})
	rec, err := s.Save(t.Context(), "records/deleted", recordtest.Sample(0), recordtest.Line(0))
	wantCode(t, "save", err, "")
	if err := cl.Delete(t.Context(), recordOf(t, cl, "deleted")); err != nil {
		t.Fatal(err)
	}
	_, err = s.Save(t.Context(), "records/deleted", rec, recordtest.Line(1))
	wantCode(t, "save", err, experiment.CodeConflict)
	_, err = s.Load(t.Context(), "records/deleted")
	wantCode(t, "load", err, experiment.CodeNotFound)
}

func recordsFailures(t *testing.T, c *servers.Cluster, _ client.WithWatch) {
	stranger := recordkube.New(recordClient(t, c.ServiceAccount(t, "records", "stranger")), recordkube.Options{})
	_, err := stranger.Load(t.Context(), "records/x")
	wantCode(t, "load without a right", err, experiment.CodeInvalid, "experimentrecords", `verbs: ["get"]`, `"headgate.dev"`, `"records"`)
	_, err = stranger.List(t.Context())
	wantCode(t, "list without a right", err, experiment.CodeInvalid, `verbs: ["list"]`)
	bare := servers.APIServer(t)
	cl := recordClient(t, bare.Config)
	_, err = recordkube.New(cl, recordkube.Options{}).Load(t.Context(), "records/x")
	wantCode(t, "load without the CRD", err, experiment.CodeInvalid, "CRD")
	none := recordkube.New(cl, recordkube.Options{Timeout: time.Second})
	bare.Pause(t)
	defer bare.Resume()
	start := time.Now()
	_, err = none.Load(t.Context(), "records/x")
	wantCode(t, "load from a server that stands still", err, experiment.CodeUnavailable)
	if took := time.Since(start); took > 15*time.Second {
		t.Errorf("it took %s", took)
	}
}
