// SPDX-License-Identifier: Apache-2.0

package kube

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	kubeapi "github.com/headgate-dev/headgate/api/kube"
	"github.com/headgate-dev/headgate/internal/experiment"
)

// FieldManager is the name under which the cluster keeps what this package
// writes.
const FieldManager = "headgate-controller"

const (
	callTimeout = 10 * time.Second
	listPage    = 500
)

// Options are what may be chosen about a Store; the zero value is usable.
type Options struct {
	// Timeout is the deadline of each call to the API server, 10 s where it is
	// 0.
	Timeout time.Duration
	// Namespace limits List to one namespace; empty is all.
	Namespace string
	// Owner gives the UID of the experiment with that namespace and name, which
	// then owns its record: the record goes with it, and one that a former
	// experiment of the same name left behind is not taken for its own. Nil is
	// records that nobody owns.
	Owner func(ctx context.Context, key types.NamespacedName) (types.UID, error)
	// Stored hears how many bytes a record has, each time that one is written;
	// nil hears nothing.
	Stored func(key types.NamespacedName, bytes int)
}

// Store is the ExperimentRecord objects of a cluster. An experiment's id is its
// namespace and name, "search/ranker". It is safe for concurrent use, also by
// several processes.
type Store struct {
	live    client.Client
	options Options
	known   atomic.Bool   // The cluster has been seen to serve records.
	asking  chan struct{} // Held while somebody asks it.
}

// New makes a Store. The client must know package api/kube's kinds, and read
// them from the API server rather than from a cache.
func New(live client.Client, o Options) *Store {
	if o.Timeout <= 0 {
		o.Timeout = callTimeout
	}
	return &Store{live: live, options: o, asking: make(chan struct{}, 1)}
}

// Dropped is the error of a journal that is wanted from an entry that was
// dropped already.
type Dropped struct {
	// From was asked for; Oldest is the oldest entry that is kept.
	From, Oldest int64
}

// Error says what is kept.
func (d *Dropped) Error() string {
	return fmt.Sprintf("journal entry %d was dropped, entries from %d on are kept", d.From, d.Oldest)
}

// Load reads an experiment's record; CodeNotFound when none was ever saved for
// this very experiment, CodeInvalid when it cannot be read.
func (s *Store) Load(ctx context.Context, id string) (experiment.Record, error) {
	c, err := s.load(ctx, "load record of "+id, id)
	if err != nil {
		return experiment.Record{}, err
	}
	return c.head.Record, nil
}

// Plan gives the plan that an experiment's record belongs to, with the same
// errors as Load; CodeNotFound also where no entry ever held one.
func (s *Store) Plan(ctx context.Context, id string) (*experiment.Plan, error) {
	doing := "load plan of " + id
	c, err := s.load(ctx, doing, id)
	if err != nil {
		return nil, err
	}
	if c.head.Plan == nil {
		return nil, experiment.Errorf(experiment.CodeNotFound, "%s: its record holds none", doing)
	}
	return c.head.Plan, nil
}

func (s *Store) load(ctx context.Context, doing, id string) (*content, error) {
	key, owner, err := s.identify(ctx, doing, id)
	if err != nil {
		return nil, err
	}
	object, err := s.get(ctx, doing, key)
	if err != nil {
		return nil, err
	}
	if !ownedBy(object, owner) {
		return nil, experiment.Errorf(experiment.CodeNotFound, "%s: the record that is there belongs to a former experiment", doing)
	}
	return decode(doing, object)
}

// identify takes an id apart and asks who owns its record.
func (s *Store) identify(ctx context.Context, doing, id string) (types.NamespacedName, types.UID, error) {
	ns, name, ok := strings.Cut(id, "/")
	if !ok || ns == "" || name == "" {
		return types.NamespacedName{}, "", experiment.Errorf(experiment.CodeInvalid, "%s: an experiment's id is its namespace and name, such as search/ranker", doing)
	}
	key := types.NamespacedName{Namespace: ns, Name: name}
	if s.options.Owner == nil {
		return key, "", nil
	}
	uid, err := s.options.Owner(ctx, key)
	return key, uid, err
}

func (s *Store) get(ctx context.Context, doing string, key types.NamespacedName) (*kubeapi.ExperimentRecord, error) {
	ctx, cancel := context.WithTimeout(ctx, s.options.Timeout)
	defer cancel()
	if err := s.served(ctx); err != nil {
		return nil, failure(doing, "get", key, err)
	}
	object := &kubeapi.ExperimentRecord{}
	if err := s.live.Get(ctx, key, object); err != nil {
		return nil, failure(doing, "get", key, err)
	}
	return object, nil
}

func decode(doing string, object *kubeapi.ExperimentRecord) (*content, error) {
	c, err := read(object.Data)
	if err != nil {
		return nil, experiment.Errorf(experiment.CodeInvalid, "%s: ExperimentRecord %s/%s cannot be read: %w", doing, object.Namespace, object.Name, err).
			WithHint("restore it from a backup; or delete it with the experiment and begin anew")
	}
	return c, nil
}

func ownedBy(object *kubeapi.ExperimentRecord, owner types.UID) bool {
	return owner == "" || slices.ContainsFunc(object.OwnerReferences, func(r metav1.OwnerReference) bool { return r.UID == owner })
}

// Save writes a record and appends entries to its journal, in one write.
// rec.Revision and rec.Entries are those that were read, 0 for a new record;
// entries are numbered from rec.Entries on. It returns the record as it now
// stands: the next revision, entries counted. CodeConflict when somebody else
// has written since, CodeInvalid when the entries' numbers leave a gap or
// rewrite, or when record and entries do not fit into an object. After
// CodeUnavailable it may have been written or not: load it to know.
func (s *Store) Save(ctx context.Context, id string, rec experiment.Record, entries ...experiment.Entry) (experiment.Record, error) {
	doing := "save record of " + id
	if err := check(doing, &rec, entries); err != nil {
		return experiment.Record{}, err
	}
	key, owner, err := s.identify(ctx, doing, id)
	if err != nil {
		return experiment.Record{}, err
	}
	object, c, err := s.current(ctx, doing, key, owner, rec.Revision)
	if err != nil {
		return experiment.Record{}, err
	}
	if err := fits(doing, &c.head.Record, &rec); err != nil {
		return experiment.Record{}, err
	}
	rec.Revision++
	rec.Entries += int64(len(entries))
	c.head.Record = rec
	for i := range entries {
		if entries[i].Plan != nil {
			c.head.Plan = entries[i].Plan
		}
	}
	if err := c.append(entries); err != nil {
		return experiment.Record{}, unpacked(doing, err)
	}
	if object.Data, err = c.pack(len(entries)); err != nil {
		return experiment.Record{}, unpacked(doing, err)
	}
	object.Revision, object.Entries = rec.Revision, rec.Entries
	if n := len(entries); n > 0 {
		object.Engine = entries[n-1].Engine
	}
	if err := s.write(ctx, doing, object); err != nil {
		return experiment.Record{}, err
	}
	if s.options.Stored != nil {
		s.options.Stored(key, len(object.Data))
	}
	return rec, nil
}

func check(doing string, rec *experiment.Record, entries []experiment.Entry) error {
	if rec.Revision < 0 || rec.Entries < 0 {
		return experiment.Errorf(experiment.CodeInvalid, "%s: revision %d and entries %d: want 0 or more", doing, rec.Revision, rec.Entries)
	}
	for i := range entries {
		if want := rec.Entries + int64(i); entries[i].Seq != want {
			return experiment.Errorf(experiment.CodeInvalid, "%s: journal entry %d where %d comes next", doing, entries[i].Seq, want)
		}
	}
	return nil
}

// fits compares what was read by the caller with what is there.
func fits(doing string, there, given *experiment.Record) error {
	if there.Revision != given.Revision {
		return experiment.Errorf(experiment.CodeConflict, "%s: revision %d was read, %d is stored", doing, given.Revision, there.Revision).
			WithHint("load it again and decide anew")
	}
	if there.Entries != given.Entries {
		return experiment.Errorf(experiment.CodeInvalid, "%s: %d journal entries were given, %d are stored", doing, given.Entries, there.Entries)
	}
	return nil
}

// unpacked is the error of content that could not be made.
func unpacked(doing string, err error) error {
	code := experiment.CodeInternal
	if e, ok := errors.AsType[*experiment.Error](err); ok {
		code = e.Code
	}
	out := experiment.Errorf(code, "%s: %w", doing, err)
	if hint := experiment.HintOf(err); hint != "" {
		return out.WithHint("%s", hint)
	}
	return out
}

// current is the object as it is, or a new one. What a former experiment of the
// same name left behind makes way for a new record.
func (s *Store) current(ctx context.Context, doing string, key types.NamespacedName, owner types.UID, revision int64) (*kubeapi.ExperimentRecord, *content, error) {
	object, err := s.get(ctx, doing, key)
	if err == nil && !ownedBy(object, owner) {
		if revision > 0 {
			return nil, nil, experiment.Errorf(experiment.CodeConflict, "%s: the record that is there belongs to a former experiment", doing)
		}
		if err = s.remove(ctx, doing, object); err == nil {
			return fresh(key, owner), &content{head: head{Version: contentVersion}}, nil
		}
	}
	switch {
	case experiment.CodeOf(err) == experiment.CodeNotFound:
		return fresh(key, owner), &content{head: head{Version: contentVersion}}, nil
	case err != nil:
		return nil, nil, err
	}
	c, err := decode(doing, object)
	return object, c, err
}

func fresh(key types.NamespacedName, owner types.UID) *kubeapi.ExperimentRecord {
	object := &kubeapi.ExperimentRecord{ObjectMeta: metav1.ObjectMeta{Namespace: key.Namespace, Name: key.Name}}
	if owner != "" {
		yes := true
		object.OwnerReferences = []metav1.OwnerReference{{
			APIVersion: kubeapi.GroupVersion().String(), Kind: kubeapi.KindExperiment, Name: key.Name, UID: owner,
			Controller: &yes, BlockOwnerDeletion: &yes,
		}}
	}
	return object
}

func (s *Store) remove(ctx context.Context, doing string, object *kubeapi.ExperimentRecord) error {
	ctx, cancel := context.WithTimeout(ctx, s.options.Timeout)
	defer cancel()
	err := s.live.Delete(ctx, object, client.Preconditions{UID: &object.UID})
	return failure(doing, "delete", client.ObjectKeyFromObject(object), client.IgnoreNotFound(err))
}

// write creates or updates; the object's resourceVersion is the comparison of
// compare-and-swap.
func (s *Store) write(ctx context.Context, doing string, object *kubeapi.ExperimentRecord) error {
	ctx, cancel := context.WithTimeout(ctx, s.options.Timeout)
	defer cancel()
	key := client.ObjectKeyFromObject(object)
	if object.ResourceVersion == "" {
		return failure(doing, "create", key, s.live.Create(ctx, object, client.FieldOwner(FieldManager)))
	}
	err := s.live.Update(ctx, object, client.FieldOwner(FieldManager))
	if apierrors.IsNotFound(err) { // Deleted since it was read.
		return experiment.Errorf(experiment.CodeConflict, "%s: %w", doing, err)
	}
	return failure(doing, "update", key, err)
}

// List gives the ids that have a record, sorted.
func (s *Store) List(ctx context.Context) ([]string, error) {
	var ids []string
	list := &metav1.PartialObjectMetadataList{}
	for {
		next := list.Continue
		list = &metav1.PartialObjectMetadataList{}
		list.SetGroupVersionKind(kubeapi.GroupVersion().WithKind(kubeapi.KindExperimentRecord + "List"))
		if err := s.page(ctx, list, next); err != nil {
			return nil, failure("list records", "list", types.NamespacedName{Namespace: s.options.Namespace}, err)
		}
		for i := range list.Items {
			ids = append(ids, list.Items[i].Namespace+"/"+list.Items[i].Name)
		}
		if list.Continue == "" {
			slices.Sort(ids)
			return ids, nil
		}
	}
}

func (s *Store) page(ctx context.Context, list client.ObjectList, next string) error {
	ctx, cancel := context.WithTimeout(ctx, s.options.Timeout)
	defer cancel()
	if err := s.served(ctx); err != nil {
		return err
	}
	return s.live.List(ctx, list, client.InNamespace(s.options.Namespace), client.Limit(listPage), client.Continue(next))
}

// Journal reads the entries from a number on, in order, as they were when it
// began. From 0 is from the oldest that is kept; from any other that was
// dropped, the only thing yielded is a *Dropped error of CodeNotFound. It ends
// at the first error: CodeNotFound when there is no such record.
func (s *Store) Journal(ctx context.Context, id string, from int64) iter.Seq2[experiment.Entry, error] {
	return func(yield func(experiment.Entry, error) bool) {
		doing := "read journal of " + id
		c, err := s.load(ctx, doing, id)
		if err == nil && from > 0 && from < c.head.Dropped {
			err = experiment.Errorf(experiment.CodeNotFound, "%s: %w", doing, &Dropped{From: from, Oldest: c.head.Dropped}).
				WithHint("an ExperimentRecord keeps the last %d entries at most; a record in PostgreSQL keeps all", keptEntries)
		}
		if err != nil {
			yield(experiment.Entry{}, err)
			return
		}
		first := c.head.Dropped
		for i, b := range c.head.Blocks {
			next := first + int64(b.Entries)
			if next <= from {
				first = next
				continue
			}
			entries, err := c.entries(i, first)
			if err != nil {
				yield(experiment.Entry{}, experiment.Errorf(experiment.CodeInvalid, "%s: %w", doing, err))
				return
			}
			for j := range entries {
				if entries[j].Seq >= from && !yield(entries[j], nil) {
					return
				}
			}
			first = next
		}
	}
}

// Close is there for the contract of stores: nothing is held open.
func (s *Store) Close() error { return nil }
