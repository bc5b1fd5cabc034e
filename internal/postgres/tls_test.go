// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/postgres/postgrestest"
)

// selfSigned makes a certificate for an address, and its key.
func selfSigned(t *testing.T, address string) (certificate, key []byte) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.ParseIP(address)}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})
}

func TestTLSIsAsTheURLSays(t *testing.T) {
	forget(t)
	certificate, key := selfSigned(t, "127.0.0.1")
	s, err := postgrestest.Start(t.Context(), postgrestest.Options{Certificate: certificate, Key: key})
	if errors.Is(err, postgrestest.ErrNoServer) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	if !s.Ours() {
		t.Skip("the server is not ours to have a certificate")
	}
	t.Cleanup(func() {
		if err := s.Stop(); err != nil {
			t.Error(err)
		}
	})
	file := func(name string, text []byte) string {
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	other, _ := selfSigned(t, "127.0.0.1")
	right, wrong := file("right.pem", certificate), file("wrong.pem", other)
	at := s.LoopbackURL("postgres")
	for name, tc := range map[string]struct {
		pairs     []string
		encrypted bool
		refused   bool
	}{
		"verified by its authority":             {[]string{"sslmode", "verify-full", "sslrootcert", right}, true, false},
		"refused when another authority signed": {[]string{"sslmode", "verify-full", "sslrootcert", wrong}, false, true},
		"encrypted and not verified":            {[]string{"sslmode", "require"}, true, false},
		"in the clear where the URL says so":    {[]string{"sslmode", "disable"}, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			d, err := Open(t.Context(), with(t, at, nil, tc.pairs...), thing())
			if tc.refused {
				if experiment.CodeOf(err) != experiment.CodeUnavailable || !strings.Contains(experiment.HintOf(err), "sslrootcert") {
					t.Errorf("error = %v (hint %q), want unavailable with a hint at the authority", err, experiment.HintOf(err))
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			defer d.Close()
			var encrypted bool
			if err := d.Pool().QueryRow(t.Context(), `SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()`).Scan(&encrypted); err != nil || encrypted != tc.encrypted {
				t.Errorf("encrypted: %t, %v; want %t", encrypted, err, tc.encrypted)
			}
		})
	}
}
