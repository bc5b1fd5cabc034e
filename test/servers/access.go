// SPDX-License-Identifier: Apache-2.0

package servers

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Namespace makes a namespace if it is not there.
func (c *Cluster) Namespace(tb testing.TB, name string) {
	tb.Helper()
	c.ensure(tb, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}})
}

// ServiceAccount is how a service account reaches the API server, with a token
// that the server itself gave out for an hour. The account and its namespace
// are made if they are not there. It may do what RBAC says, which is nothing
// until a role is bound to it.
func (c *Cluster) ServiceAccount(tb testing.TB, namespace, name string) *rest.Config {
	tb.Helper()
	c.Namespace(tb, namespace)
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}}
	c.ensure(tb, account)
	request := &authenticationv1.TokenRequest{}
	if err := c.Client.SubResource("token").Create(tb.Context(), account, request); err != nil {
		tb.Fatalf("ask for a token of %s/%s: %v", namespace, name, err)
	}
	config := rest.AnonymousClientConfig(c.Config)
	config.BearerToken = request.Status.Token
	return config
}

func (c *Cluster) ensure(tb testing.TB, object client.Object) {
	tb.Helper()
	if err := c.Client.Create(tb.Context(), object); err != nil && !apierrors.IsAlreadyExists(err) {
		tb.Fatalf("create %T %s: %v", object, client.ObjectKeyFromObject(object), err)
	}
}

// KubeconfigOf writes a kubeconfig file with the credentials of config, for a
// program that wants one.
func (c *Cluster) KubeconfigOf(tb testing.TB, config *rest.Config) string {
	tb.Helper()
	name := filepath.Join(tb.TempDir(), "kubeconfig")
	if err := writeKubeconfig(name, config); err != nil {
		tb.Fatal(err)
	}
	return name
}

func writeKubeconfig(name string, config *rest.Config) error {
	const word = "test"
	file := clientcmdapi.NewConfig()
	file.Clusters[word] = &clientcmdapi.Cluster{Server: config.Host, CertificateAuthorityData: config.CAData}
	file.AuthInfos[word] = &clientcmdapi.AuthInfo{
		ClientCertificateData: config.CertData, ClientKeyData: config.KeyData, Token: config.BearerToken,
	}
	file.Contexts[word] = &clientcmdapi.Context{Cluster: word, AuthInfo: word, Namespace: "default"}
	file.CurrentContext = word
	if err := clientcmd.WriteToFile(*file, name); err != nil {
		return fmt.Errorf("write a kubeconfig: %w", err)
	}
	return nil
}

// Kubectl runs kubectl as the cluster's administrator, with what it reads from
// standard input, and returns what it prints. An error holds what it says about
// the failure.
func (c *Cluster) Kubectl(ctx context.Context, input string, args ...string) (string, error) {
	binary, err := Binary(ctx, "kubectl")
	if err != nil {
		return "", err
	}
	cmd := exec.CommandContext(ctx, binary, args...)
	cmd.Stdin = strings.NewReader(input)
	// HOME keeps its cache of what the server knows out of the user's.
	cmd.Env = append(os.Environ(), "KUBECONFIG="+c.Kubeconfig, "HOME="+c.dir)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return string(out), fmt.Errorf("kubectl %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(stderr.String()))
	}
	return string(out), nil
}
