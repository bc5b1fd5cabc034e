// SPDX-License-Identifier: Apache-2.0

package action

import (
	"io/fs"
	"slices"
	"sort"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/filemode"
	"github.com/go-git/go-git/v5/plumbing/object"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// changeFile gives the tree with one file changed.
func changeFile(store *boundedStore, root plumbing.Hash, f *experiment.GitFile) (plumbing.Hash, error) {
	parts := strings.Split(f.Path, "/")
	if !fs.ValidPath(f.Path) || f.Path == "." || slices.ContainsFunc(parts, func(p string) bool { return strings.EqualFold(p, ".git") }) {
		return plumbing.ZeroHash, hopeless(invalid("%q is no path of a file in a repository", short(f.Path, 100)))
	}
	return changeTree(store, root, parts, f)
}

// changeTree gives a folder in which what stands at parts is changed.
func changeTree(store *boundedStore, folder plumbing.Hash, parts []string, f *experiment.GitFile) (plumbing.Hash, error) {
	tree := &object.Tree{}
	if !folder.IsZero() {
		var err error
		if tree, err = object.GetTree(store, folder); err != nil {
			return plumbing.ZeroHash, err
		}
	}
	entries := slices.Clone(tree.Entries)
	at := slices.IndexFunc(entries, func(e object.TreeEntry) bool { return e.Name == parts[0] })
	entry := object.TreeEntry{Name: parts[0], Mode: filemode.Dir}
	if len(parts) == 1 {
		entry.Mode = filemode.Regular
	}
	if at >= 0 {
		if isFolder := entries[at].Mode == filemode.Dir; isFolder != (len(parts) > 1) || !isFolder && !entries[at].Mode.IsFile() || entries[at].Mode == filemode.Symlink {
			return plumbing.ZeroHash, hopeless(invalid("%s: %s in it is something else", f.Path, parts[0]))
		}
		entry = entries[at]
	}
	var err error
	if len(parts) > 1 {
		entry.Hash, err = changeTree(store, entry.Hash, parts[1:], f)
	} else {
		entry.Hash, err = changeBlob(store, entry.Hash, f)
	}
	switch {
	case err != nil:
		return plumbing.ZeroHash, err
	case at >= 0 && entries[at].Hash == entry.Hash:
		return folder, nil
	case at >= 0:
		entries[at] = entry
	default:
		entries = append(entries, entry)
		sort.Sort(object.TreeEntrySorter(entries))
	}
	return encoded(store, &object.Tree{Entries: entries})
}

// changeBlob gives a file's new content, by the old.
func changeBlob(store *boundedStore, old plumbing.Hash, f *experiment.GitFile) (plumbing.Hash, error) {
	text := []byte(f.Content)
	if len(f.Set) > 0 {
		if old.IsZero() {
			return plumbing.ZeroHash, invalid("%s is not there, and values can only be set in a file that is", f.Path)
		}
		var err error
		if text, err = readBlob(store, old, f.Path); err != nil {
			return plumbing.ZeroHash, err
		}
		for _, e := range f.Set {
			if text, err = setYAML(text, e.Path, e.Value); err != nil {
				return plumbing.ZeroHash, hopeless(invalid("%s: %w", f.Path, err))
			}
		}
	}
	into := store.NewEncodedObject()
	into.SetType(plumbing.BlobObject)
	w, err := into.Writer()
	if err != nil {
		return plumbing.ZeroHash, err
	}
	if _, err := w.Write(text); err != nil {
		return plumbing.ZeroHash, err
	}
	if err := w.Close(); err != nil {
		return plumbing.ZeroHash, err
	}
	return store.SetEncodedObject(into)
}
