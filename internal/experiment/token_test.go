// SPDX-License-Identifier: Apache-2.0

package experiment

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func testKey(t testing.TB, fill byte) *Key {
	t.Helper()
	k, err := NewKey(bytes.Repeat([]byte{fill}, KeySize))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func exampleExposure() Exposure {
	return Exposure{
		Experiment: "search/ranker", Epoch: 2, Phase: 3, Window: 70_000, Version: 1, Propensity: 2500, Unit: 0x0123456789abcdef,
		At: time.UnixMilli(1_767_225_600_123).UTC(),
	}
}

// tokenVector is for other implementations to test against.
type tokenVector struct {
	Secret   string   `json:"secret"`
	Unit     string   `json:"unit"`
	Exposure Exposure `json:"exposure"`
	Token    string   `json:"token"`
}

func TestTokenVectors(t *testing.T) {
	var vectors []tokenVector
	for i, e := range []Exposure{
		exampleExposure(),
		{Experiment: "x", Epoch: 1, Phase: 1, Propensity: Whole, At: time.UnixMilli(0).UTC()},
		{
			Experiment: "search/ranker", Epoch: 65535, Phase: 65535, Window: 1<<32 - 1, Version: 255, Propensity: 1,
			At: time.UnixMilli(1<<47 - 1).UTC(),
		},
	} {
		secret, unit := strings.Repeat(string(rune('a'+i)), KeySize+i), fmt.Sprintf("user-%d", i)
		k, err := NewKey([]byte(secret))
		if err != nil {
			t.Fatal(err)
		}
		e.Unit = k.HashUnit(unit)
		token := k.Seal(&e)
		vectors = append(vectors, tokenVector{secret, unit, e, token})
		if len(token) != 64 || strings.ContainsAny(token, "+/=") {
			t.Errorf("token %q is not 64 characters of base64url", token)
		}
		got, err := k.Open(e.Experiment, token)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(e, got); d != "" {
			t.Errorf("opened (-sealed +got):\n%s", d)
		}
	}
	golden(t, "tokens-v1.json", vectors)
}

func TestTokenRoundTrip(t *testing.T) {
	k := testKey(t, 7)
	rapid.Check(t, func(t *rapid.T) {
		e := Exposure{
			Experiment: rapid.String().Draw(t, "experiment"), Epoch: rapid.IntRange(0, 1<<16-1).Draw(t, "epoch"), Phase: rapid.IntRange(0, 1<<16-1).Draw(t, "phase"),
			Window: rapid.Int64Range(0, 1<<32-1).Draw(t, "window"), Version: rapid.IntRange(0, MaxVersions-1).Draw(t, "version"),
			Propensity: Share(rapid.IntRange(0, Whole).Draw(t, "propensity")), Unit: rapid.Uint64().Draw(t, "unit"),
			At: time.UnixMilli(rapid.Int64Range(0, 1<<48-1).Draw(t, "ms")).UTC(),
		}
		got, err := k.Open(e.Experiment, k.Seal(&e))
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(e, got); d != "" {
			t.Fatalf("opened (-sealed +got):\n%s", d)
		}
	})
}

func TestTokensThatAreNotOursAreRefused(t *testing.T) {
	k, e := testKey(t, 7), exampleExposure()
	token := k.Seal(&e)
	unsigned := func(change func(b []byte)) string {
		b, err := base64.RawURLEncoding.DecodeString(token)
		if err != nil {
			t.Fatal(err)
		}
		change(b)
		k.sign(b)
		return base64.RawURLEncoding.EncodeToString(b)
	}
	other := e
	other.Experiment = "search/other"
	for name, c := range map[string]struct{ token, want string }{
		"empty":                            {"", "not one of ours"},
		"truncated":                        {token[:63], "not one of ours"},
		"shortened by whole bytes":         {token[:60], "not one of ours"},
		"longer":                           {token + "AAAA", "not one of ours"},
		"padded":                           {token + "=", "not one of ours"},
		"with a line break":                {token[:32] + "\n" + token[32:], "not one of ours"},
		"with a line break at the end":     {token + "\r\n", "not one of ours"},
		"of another alphabet":              {strings.Repeat("+", 64), "not one of ours"},
		"of another format":                {unsigned(func(b []byte) { b[0] = 2 }), "not one of ours"},
		"signed with another key":          {testKey(t, 8).Seal(&e), "wrong signature"},
		"of another experiment":            {k.Seal(&other), "another experiment"},
		"ours, of the size, but all zeros": {strings.Repeat("A", 64), "not one of ours"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := k.Open(e.Experiment, c.token)
			if err == nil || CodeOf(err) != CodeInvalid || !strings.Contains(err.Error(), c.want) || got != (Exposure{}) {
				t.Fatalf("got %+v, %v; want an error with %q", got, err, c.want)
			}
			if c.token != "" && strings.Contains(err.Error()+HintOf(err), c.token) {
				t.Errorf("the error repeats the token: %v", err)
			}
		})
	}
}

// TestEveryBitIsSigned flips each bit of a token, and each of its characters.
func TestEveryBitIsSigned(t *testing.T) {
	k, e := testKey(t, 7), exampleExposure()
	token := k.Seal(&e)
	b, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil {
		t.Fatal(err)
	}
	for i := range len(b) * 8 {
		b[i/8] ^= 1 << (i % 8)
		if got, err := k.Open(e.Experiment, base64.RawURLEncoding.EncodeToString(b)); err == nil {
			t.Errorf("with bit %d flipped: %+v", i, got)
		}
		b[i/8] ^= 1 << (i % 8)
	}
	for i := range token {
		for c := range byte(128) {
			if forged := token[:i] + string(rune(c)) + token[i+1:]; forged != token {
				if got, err := k.Open(e.Experiment, forged); err == nil {
					t.Errorf("with character %d changed to %q: %+v", i, c, got)
				}
			}
		}
	}
}

func TestKeys(t *testing.T) {
	if _, err := NewKey(make([]byte, KeySize-1)); CodeOf(err) != CodeInvalid || strings.Contains(err.Error(), "\x00") {
		t.Errorf("a short secret: %v", err)
	}
	a, b := testKey(t, 1), testKey(t, 2)
	if a.HashUnit("u") == b.HashUnit("u") || a.HashUnit("u") == a.HashUnit("v") || a.HashUnit("u") != testKey(t, 1).HashUnit("u") {
		t.Error("unit hashes do not depend on key and unit alone")
	}
	if u := binary.LittleEndian.AppendUint64(nil, a.k0); bytes.Equal(a.mac[:8], u) {
		t.Error("the keys of tokens and units are the same")
	}
}

// FuzzOpen: whatever opens is what was sealed, character by character.
func FuzzOpen(f *testing.F) {
	k, e := testKey(f, 7), exampleExposure()
	token := k.Seal(&e)
	f.Add(token, e.Experiment)
	f.Add(token[:40], e.Experiment)
	f.Add(token+"\n", e.Experiment)
	f.Add("", "")
	f.Fuzz(func(t *testing.T, token, experiment string) {
		got, err := k.Open(experiment, token)
		if err != nil {
			if got != (Exposure{}) {
				t.Errorf("an error and %+v", got)
			}
			return
		}
		if again := k.Seal(&got); again != token {
			t.Errorf("%q opens as what seals to %q", token, again)
		}
	})
}
