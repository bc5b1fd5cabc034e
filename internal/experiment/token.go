// SPDX-License-Identifier: Apache-2.0

package experiment

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"hash"
	"sync"
	"time"

	"github.com/cespare/xxhash/v2"
	"github.com/dchest/siphash"
)

// Exposure is one unit meeting one version, at a time, with a known
// probability.
type Exposure struct {
	Experiment string `json:"experiment"`
	Epoch      int    `json:"epoch"`
	Phase      int    `json:"phase"`
	Window     int64  `json:"window"`
	Version    int    `json:"version"`
	// Propensity is the probability of this version at assignment, in slots.
	Propensity Share `json:"propensity"`
	// Unit is the keyed hash of the unit (or of the request): raw unit ids
	// are never stored.
	Unit uint64    `json:"unit"`
	At   time.Time `json:"at"`
}

// Key authenticates tokens and hides unit ids.
type Key struct {
	mac    []byte
	k0, k1 uint64
	// macs are ready to sign: preparing the key costs more than signing.
	macs sync.Pool
}

// signer signs one token at a time.
type signer struct {
	hash.Hash
	sum [sha256.Size]byte
}

// KeySize is the least length of the secret that NewKey accepts, in bytes.
const KeySize = 32

// NewKey derives the two keys from a secret of at least KeySize bytes.
func NewKey(secret []byte) (*Key, error) {
	if len(secret) < KeySize {
		return nil, Errorf(CodeInvalid, "exposure key has %d bytes: want at least %d", len(secret), KeySize)
	}
	mac := sha256.Sum256(append([]byte("headgate exposure token\x00"), secret...))
	unit := sha256.Sum256(append([]byte("headgate unit hash\x00"), secret...))
	return &Key{mac: mac[:], k0: binary.LittleEndian.Uint64(unit[:8]), k1: binary.LittleEndian.Uint64(unit[8:16])}, nil
}

// HashUnit is the keyed hash of a unit id: SipHash-2-4. Two of a million units
// share it with probability 3e-8.
func (k *Key) HashUnit(unit string) uint64 {
	return siphash.Hash(k.k0, k.k1, []byte(unit))
}

// Layout of a token, all big-endian, then base64url without padding. Frozen:
// docs/decisions/0007.
//
//	 0  format (1)
//	 1  experiment: xxhash64 of its ID
//	 9  epoch, uint16
//	11  phase, uint16
//	13  version, uint8
//	14  propensity in slots, uint16
//	16  window, uint32
//	20  time, milliseconds since 1970, uint48
//	26  keyed unit hash, uint64
//	34  HMAC-SHA256 of all before, first 14 bytes
const (
	tokenFormat = 1
	tokenBody   = 34
	tokenMAC    = 14
	tokenSize   = tokenBody + tokenMAC
)

// Seal writes an exposure as a token of 64 characters.
func (k *Key) Seal(e *Exposure) string {
	var b [tokenSize]byte
	b[0] = tokenFormat
	binary.BigEndian.PutUint64(b[1:], xxhash.Sum64String(e.Experiment))
	binary.BigEndian.PutUint16(b[9:], uint16(e.Epoch))
	binary.BigEndian.PutUint16(b[11:], uint16(e.Phase))
	b[13] = uint8(e.Version)
	binary.BigEndian.PutUint16(b[14:], uint16(e.Propensity))
	binary.BigEndian.PutUint32(b[16:], uint32(e.Window))
	ms := uint64(e.At.UnixMilli())
	binary.BigEndian.PutUint16(b[20:], uint16(ms>>32))
	binary.BigEndian.PutUint32(b[22:], uint32(ms))
	binary.BigEndian.PutUint64(b[26:], e.Unit)
	k.sign(b[:])
	return base64.RawURLEncoding.EncodeToString(b[:])
}

func (k *Key) sign(b []byte) {
	m, ok := k.macs.Get().(*signer)
	if !ok {
		m = &signer{Hash: hmac.New(sha256.New, k.mac)}
	}
	m.Reset()
	m.Write(b[:tokenBody])
	copy(b[tokenBody:], m.Sum(m.sum[:0])[:tokenMAC])
	k.macs.Put(m)
}

// Open checks a token for an experiment and reads it back. The error never
// repeats the token, and does not tell a forged one from a broken one.
func (k *Key) Open(experiment, token string) (Exposure, error) {
	b, err := base64.RawURLEncoding.Strict().DecodeString(token)
	// The decoder skips line breaks: of one exposure there is but one token.
	if err != nil || len(token) != base64.RawURLEncoding.EncodedLen(tokenSize) || len(b) != tokenSize || b[0] != tokenFormat {
		return Exposure{}, Errorf(CodeInvalid, "exposure token is not one of ours").
			WithHint("send the value of X-Headgate-Exposure as it came")
	}
	want := append([]byte(nil), b...)
	k.sign(want)
	if !hmac.Equal(want[tokenBody:], b[tokenBody:]) {
		return Exposure{}, Errorf(CodeInvalid, "exposure token has a wrong signature").
			WithHint("send the value of X-Headgate-Exposure as it came; tokens do not outlive their gateway's key")
	}
	if binary.BigEndian.Uint64(b[1:]) != xxhash.Sum64String(experiment) {
		return Exposure{}, Errorf(CodeInvalid, "exposure token belongs to another experiment than %s", experiment)
	}
	ms := uint64(binary.BigEndian.Uint16(b[20:]))<<32 | uint64(binary.BigEndian.Uint32(b[22:]))
	return Exposure{
		Experiment: experiment,
		Epoch:      int(binary.BigEndian.Uint16(b[9:])),
		Phase:      int(binary.BigEndian.Uint16(b[11:])),
		Version:    int(b[13]),
		Propensity: Share(binary.BigEndian.Uint16(b[14:])),
		Window:     int64(binary.BigEndian.Uint32(b[16:])),
		At:         time.UnixMilli(int64(ms)).UTC(),
		Unit:       binary.BigEndian.Uint64(b[26:]),
	}, nil
}
